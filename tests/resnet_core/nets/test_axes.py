"""What each axis of a `NetSpec` computes, by value."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import build, initialise
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.nets.tutorial import conv_block, res_block, resnet
from resnet_core.nets.zoo import LISTED, list_networks, network

SMALL = {"input_shape": (8, 8, 3), "width": 4}


def value(model, name, images, training=False):
    return keras.Model(model.input, model.get_layer(name).output)(images, training=training).numpy()


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(8, 8, 8, 3)).astype("float32")


@pytest.mark.parametrize(
    "fields",
    [
        {"branch_scale": "zero_gamma"},
        {"branch_scale": "skipinit", "norm": "none"},
        {"branch_scale": "rezero", "order": "full_preactivation"},
        {"branch_scale": "fixup", "norm": "none"},
    ],
    ids=lambda fields: fields["branch_scale"],
)
@pytest.mark.parametrize("training", [False, True])
def test_a_branch_that_starts_at_zero_leaves_the_skips(fields, training, images):
    """Every block is its skip: what comes out of a stage went into it, where the shape stays."""
    model = build(cifar(14, **SMALL, **fields))
    first = "stage1_block1_add"  # after the first block, whose skip may begin with the activation
    for a, b in ((first, "stage1_block2_out"), ("stage3_block1_out", "stage3_block2_out")):
        before, after = value(model, a, images, training), value(model, b, images, training)
        original = fields.get("order", "original") == "original"
        np.testing.assert_array_equal(np.maximum(before, 0) if original else before, after)


def test_layer_scale_starts_as_said(images):
    model = build(cifar(8, **SMALL, branch_scale="layerscale", layer_scale=0.25))
    branch, scaled = (value(model, f"stage1_block1_{name}", images) for name in ("bn2", "scale"))
    np.testing.assert_allclose(scaled, 0.25 * branch, rtol=1e-6)
    assert model.get_layer("stage2_block1_scale").kernel.shape == (8,)


@pytest.mark.parametrize("kind", ["exclusive_gate", "shortcut_gate"])
def test_a_gate_starts_at_its_bias(kind, images):
    """He et al. 2016, section 3.1: g = sigmoid(W x + b) with W = 0 at first."""
    model = build(cifar(8, **SMALL, skip_transform=kind, gate_bias=-2.0))
    g = 1 / (1 + np.exp(2.0))
    for stage in (1, 2, 3):
        np.testing.assert_allclose(value(model, f"stage{stage}_block1_skip_gate", images), g, rtol=1e-6)
    skip, branch = value(model, "stem_out", images), value(model, "stage1_block1_bn2", images)
    expected = (1 - g) * skip + (g if kind == "exclusive_gate" else 1.0) * branch
    np.testing.assert_allclose(value(model, "stage1_block1_add", images), expected, rtol=1e-5, atol=1e-6)


def test_constant_scaling(images):
    model = build(cifar(8, **SMALL, skip_transform="scale", skip_factor=0.3, branch_factor=0.6))
    skip, branch = value(model, "stem_out", images), value(model, "stage1_block1_bn2", images)
    np.testing.assert_allclose(
        value(model, "stage1_block1_add", images), 0.3 * skip + 0.6 * branch, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("unit", ["batch", "sample"])
def test_stochastic_depth_is_its_mean_at_test(unit):
    """Over many draws the branch's mean is its output at test; each draw is kept or dropped as a whole."""
    spec = cifar(8, **SMALL, survival=0.5, survival_decay="constant", drop_unit=unit)
    model = build(spec)
    branch = model.get_layer("stage1_block1_bn2")
    last = "drop_scale" if unit == "batch" else "drop"
    tail = keras.Model(branch.output, model.get_layer(f"stage1_block1_{last}").output)
    x = np.ones((64, *branch.output.shape[1:]), "float32")
    drawn = np.stack([tail(x, training=True).numpy() for _ in range(200)])
    at_test = tail(x).numpy()
    np.testing.assert_allclose(at_test, 0.5 if unit == "batch" else 1.0)
    assert set(np.unique(drawn)) == {0.0, 1.0 if unit == "batch" else 2.0}
    per = drawn.reshape(200, 64, -1)
    assert (per == per[:, :, :1]).all()
    assert (per[:, :, 0] == per[:, :1, 0]).all() == (unit == "batch")
    draws = 200 if unit == "batch" else 200 * 64
    assert drawn.mean() == pytest.approx(at_test.mean(), abs=5 * 0.5 * at_test.max() / np.sqrt(draws) * 2)


def test_survival_falls_linearly_to_the_last_block():
    """Huang et al. 2016, equation 4."""
    spec = cifar(20, survival=0.5)
    assert [spec.survival_of(block) for block in (1, 5, 9)] == pytest.approx([1 - 1 / 18, 1 - 5 / 18, 0.5])


def test_initialising_again_resets_the_draws_too(images):
    model = build(cifar(8, **SMALL, survival=0.5))
    first = model(images, training=True).numpy()
    initialise(model, 0)
    np.testing.assert_array_equal(model(images, training=True), first)


@pytest.mark.parametrize("side", ["append", "both"])
@pytest.mark.parametrize("pooling", ["subsample", "average"])
def test_option_a_in_its_variants(side, pooling, images):
    model = build(cifar(8, **SMALL, zero_padding=side, zero_pooling=pooling))
    x, skip = value(model, "stage1_block1_out", images), value(model, "stage2_block1_skip_pad", images)
    halved = x[:, ::2, ::2] if pooling == "subsample" else x.reshape(8, 4, 2, 4, 2, 4).mean((2, 4))
    margins = (0, 4) if side == "append" else (2, 2)
    np.testing.assert_allclose(skip, np.pad(halved, ((0, 0), (0, 0), (0, 0), margins)), rtol=1e-6)


@pytest.mark.parametrize("side", [8, 7])
def test_blur_is_the_binomial_filter_with_reflected_borders(side):
    """Zhang 2019, section 4: (1 2 1) / 4 by rows and by columns, at every second pixel."""
    model = build(cifar(8, input_shape=(side, 8, 3), width=4, antialias="blur"))
    x = np.random.default_rng(0).normal(size=(2, side, 8, 3)).astype("float32")
    before, after = value(model, "stage2_block1_act1", x), value(model, "stage2_block1_aa", x)
    padded = np.pad(before, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    weights = np.outer([1, 2, 1], [1, 2, 1]) / 16
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::2, ::2]
    np.testing.assert_allclose(after, np.einsum("nyxcij,ij->nyxc", windows, weights), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernels", [(3, 3), (3,), (1, 3), (3, 1)])
def test_antialiasing_halves_after_the_activation_that_follows_the_strided_convolution(kernels):
    model = build(cifar(2 + 3 * len(kernels), **SMALL, kernels=kernels, antialias="average"))
    at = kernels.index(3) + 1
    before = f"stage2_block1_{'act' if at < len(kernels) else 'conv'}{at}"
    assert model.get_layer("stage2_block1_aa").input is model.get_layer(before).output
    assert model.get_layer(before).output.shape[1:3] == (8, 8)
    assert model.get_layer("stage2_block1_out").output.shape[1:3] == (4, 4)


def test_standardised_weights_have_mean_0_and_variance_1(images):
    """Of each filter; and what groups, or a scale and shift of the kernel, leave alone."""
    spec = cifar(11, **SMALL, block="bottleneck", cardinality=2, standardize_weights=True)
    model = build(spec)
    layer = model.get_layer("stage2_block1_conv2")
    kernel = layer.standardized(layer.kernel).numpy().reshape(-1, layer.filters)
    np.testing.assert_allclose(kernel.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(kernel.var(0), 1, rtol=1e-4)
    before = model(images)
    for weight in model.weights:
        if weight.name == "kernel" and "logits" not in weight.path:
            weight.assign(3 * weight + 0.1)
    # Epsilon weighs less in larger kernels: some 1e-5 of their variance.
    np.testing.assert_allclose(model(images), before, rtol=0, atol=1e-4 * np.abs(before).max())


def test_the_last_block_halves_in_the_networks_of_keras():
    model = build(network("keras-resnet50v2").replace(input_shape=(64, 64, 3), classes=2))
    outs = [layer.output.shape[1] for layer in model.layers if layer.name.endswith("_out")]
    assert outs == [16, 16, 16, 8, 8, 8, 8, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2]  # of the stem, then of 3, 4, 6 and 3 blocks
    assert model.count_params() - model.get_layer("head_logits").count_params() == 25_613_800 - 2_049_000


def test_skips_by_stage_and_by_block():
    spec = cifar(20, **SMALL).keep_skips(lambda stage, block: stage != 3 and block % 2 == 1)
    assert spec.skip_mask == ("101", "101", "000")
    names = {layer.name for layer in build(spec).layers}
    assert {name for name in names if name.endswith("_add")} == {
        f"stage{i}_block{j}_add" for i in (1, 2) for j in (1, 3)
    }
    assert [w.path for w in build(spec).weights] == [w.path for w in build(cifar(20, **SMALL)).weights]


@pytest.mark.parametrize(
    ("order", "head", "block"),
    [
        ("original", [], ["conv1", "bn1", "act1", "conv2", "bn2", "add", "out"]),
        ("bn_after_addition", [], ["conv1", "bn1", "act1", "conv2", "add", "post_bn", "out"]),
        ("relu_before_addition", [], ["conv1", "bn1", "act1", "conv2", "bn2", "act2", "add", "out"]),
        ("relu_only_preactivation", ["act"], ["pre_act", "conv1", "bn1", "act1", "conv2", "bn2", "add", "out"]),
        ("full_preactivation", ["bn", "act"], ["pre_bn", "pre_act", "conv1", "bn1", "act1", "conv2", "add", "out"]),
    ],
)
def test_orders_are_those_of_he_2016_figure_4(order, head, block):
    names = [layer.name for layer in build(cifar(14, **SMALL, order=order)).layers]
    inside = [name.removeprefix("stage1_block2_") for name in names if name.startswith("stage1_block2_")]
    assert inside == block
    assert [name for name in names if name.startswith("head")] == [f"head_{word}" for word in (*head, "pool", "logits")]
    stem = {"original": 2, "bn_after_addition": 2, "relu_before_addition": 2, "relu_only_preactivation": 1}
    words = ["conv", *["bn", "act"][: stem.get(order, 0)], "out"]
    assert [name for name in names if name.startswith("stem")] == [f"stem_{word}" for word in words]


@pytest.mark.parametrize("kernels", [(3,), (3, 1), (1, 3), (3, 1, 3), (1, 3, 1), (3, 1, 1), (3, 3, 3), (3, 3, 3, 3)])
def test_wide_blocks_of_any_convolutions(kernels):
    """B(M) of Zagoruyko and Komodakis 2016, section 3."""
    spec = cifar(2 + 3 * len(kernels), **SMALL, kernels=kernels, order="full_preactivation", skip="B")
    shapes = [tuple(w.shape[:2]) for w in build(spec).weights if w.name == "kernel" and "stage2_block1_conv" in w.path]
    assert shapes == [(kernel, kernel) for kernel in kernels]
    assert spec.depth == 2 + 3 * len(kernels)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"zero_pooling": "average", "skip": "B"}, "`zero_pooling` is read with skip='A' only"),
        ({"skip": "none", "skip_transform": "conv"}, "`skip_transform` is read with a skip only"),
        ({"gate_bias": -1.0}, "`gate_bias` is read with a skip_transform with a gate only"),
        ({"cardinality": 2}, "`cardinality` is read with a block with groups only"),
        ({"norm": "none", "bn_momentum": 0.5}, "`bn_momentum` is read with norm='batch' only"),
        ({"skip": "C", "skip_transform": "conv"}, "skip='C' convolves every skip already"),
        (
            {"skip_mask": ("111", "111", "11")},
            "`skip_mask` must have a string for each stage, with a 1 or 0 for each block",
        ),
        ({"skip_mask": ("111", "111", "11x")}, "`skip_mask` must have"),
        ({"skip": "none", "branch_scale": "rezero"}, "starts every branch at 0 and so needs a skip on every block"),
        ({"skip": "none", "survival": 0.5}, "drops branches and so needs a skip on every block"),
        (
            {"branch_scale": "zero_gamma", "order": "full_preactivation"},
            "needs a normalisation at the end of the branch",
        ),
        ({"branch_scale": "fixup"}, "stands in for normalisation"),
        ({"norm": "group"}, "`norm_groups` must divide the channels of every map, but got 32 for 16"),
        ({"kernels": (3,), "dropout": 0.3}, "`dropout` stands between convolutions"),
        ({"block": "bottleneck", "group_width": 1}, "`group_width` must give every group a channel"),
        ({"se_reduction": 99}, "`se_reduction` must be at most a block's channels"),
        ({"se_reduction": 4, "eca": True}, "one attention, but got eca=True and se_reduction=4"),
        ({"kernels": (2, 2)}, "`kernels` must be odd, since an even one has no centre, but got kernels=\\(2, 2\\)"),
        ({"stem": "deep", "stem_width": 1}, "stem='deep' needs 2 channels or more, but got 1"),
        ({"stem": "tiered", "widths": (2, 2, 2)}, "stem='tiered' needs 3 channels or more, but got 2"),
        (
            {"block": "bottleneck", "cardinality": 3, "kernels": (3, 3, 1)},
            "`cardinality` must divide the channels .*, but got 3 for 16",
        ),
        ({"stem_pool": "conv"}, "`stem_pool` is read with a stem other than 'cifar' only"),
        ({"stem": "deep", "stem_pool": "conv", "pool_padding": "zeros"}, "`pool_padding` is read with a max-pool"),
        ({"depths": (3,), "widths": (16,), "stride_block": "last"}, "`stride_block` is read with two stages"),
        ({"depths": (3,), "widths": (16,), "antialias": "blur"}, "`antialias` is read with a stem or a stage"),
        ({"input_shape": (2, 9, 1), "antialias": "blur"}, "needs maps of 2x2 pixels or more, but got a side of 1"),
        ({"weight_epsilon": 1e-8}, "`weight_epsilon` is read with standardize_weights only"),
        (
            {"norm": "none", "branch_scale": "fixup", "standardize_weights": True},
            "which standardize_weights=True undoes; but got both",
        ),
        ({"conv_bias": "unnormalised"}, "needs convolutions with a normalisation and some without one.*; take False"),
    ],
)
def test_a_contradiction_is_one_clear_error(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        NetSpec(**fields)
    assert "but got" in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"zero_pooling": "average"},
        {"skip_transform": "exclusive_gate", "gate_bias": -3.0},
        {"skip_mask": ("110", "011", "111")},
    ],
)
def test_the_plain_twin_is_a_one_field_diff_whatever_rode_on_the_skip(fields):
    assert NetSpec(**fields).replace(skip="none") == NetSpec(skip="none")


@pytest.mark.parametrize("order", ["original", "full_preactivation"])
def test_the_skip_changes_no_convolution_of_the_branch(order):
    nets = [cost(cifar(20, skip=skip, order=order)) for skip in ("none", "A", "B", "C", "D")]
    branches = [[layer for layer in net.layers if layer.kind == "conv" and "skip" not in layer.name] for net in nets]
    assert all(branch == branches[0] for branch in branches)


def test_mixed_precision(images):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = build(cifar(8, **SMALL))
        assert model.get_layer("stage1_block1_conv1").compute_dtype == "float16"
        logits = model(images, training=True)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert logits.dtype == tf.float32
    assert np.isfinite(logits).all()


def test_channels_first_has_the_same_weights():
    """Only built: TensorFlow convolves channels first on a GPU alone."""
    spec = cifar(8, **SMALL, se_reduction=2, zero_padding="both")
    last = build(spec)
    keras.config.set_image_data_format("channels_first")
    try:
        first = build(spec)
    finally:
        keras.config.set_image_data_format("channels_last")
    assert first.input_shape == (None, 3, 8, 8)
    assert first.get_layer("stage3_block1_out").output.shape == (None, 16, 2, 2)
    for a, b in zip(first.weights, last.weights, strict=True):
        assert a.path == b.path
        np.testing.assert_array_equal(a.numpy(), b.numpy())


# Parameters, batch statistics and operations counted on the originals (timm, torchvision, the authors' code).
GOLDEN = {
    "preact164-cifar-B": (1_703_258, 24_224, "244.501M"), "preact1001-cifar-B": (10_327_706, 149_216, "1487.850M"),
    "wrn16-4": (2_748_890, 3_616, "392.612M"), "wrn40-4": (8_949_210, 10_784, "1298.582M"),
    "wrn28-10": (36_479_194, 17_952, "5243.329M"), "resnext29-8x64d": (34_426_698, 57_472, "5387.266M"),
    "resnext29-16x64d": (68_155_210, 100_480, "10688.866M"), "resnet18": (11_689_512, 9_600, "1814.073M"),
    "plain18": (11_515_688, 7_808, "1794.806M"), "resnet34": (21_797_672, 17_024, "3663.761M"),
    "plain34": (21_623_848, 15_232, "3644.494M"), "resnet50-v1": (25_557_032, 53_120, "3857.973M"),
    "resnet50": (25_557_032, 53_120, "4089.184M"), "resnet101": (44_549_160, 105_344, "7801.405M"),
    "resnet152": (60_192_808, 151_424, "11513.627M"), "resnetv2-50": (25_549_352, 45_440, "4089.184M"),
    "resnext50-32x4d": (25_028_904, 68_224, "4230.480M"), "resnext101-32x8d": (88_791_336, 202_880, "16414.015M"),
    "wide-resnet50-2": (68_883_240, 68_224, "11398.021M"), "se-resnet50": (28_088_024, 53_120, "4091.699M"),
    "resnet50-d": (25_576_264, 53_248, "4328.825M"),
}  # fmt: skip


class TestZoo:
    @pytest.mark.parametrize(("name", "golden"), GOLDEN.items(), ids=GOLDEN)
    def test_counts(self, name, golden):
        counted = cost(network(name))
        assert (counted.trainable, counted.bn_running_stats, f"{counted.macs / 1e6:.3f}M") == golden

    @pytest.mark.parametrize("name", LISTED)
    def test_every_listed_name_is_a_network(self, name):
        assert cost(network(name)).trainable > 0
        assert name in list_networks()

    @pytest.mark.parametrize(
        ("timm", "parameters"),
        [
            ("resnet26d", 16_014_408), ("resnet200d", 64_693_064), ("resnext50d_32x4d", 25_048_136),
            ("seresnet18", 11_779_624), ("seresnext50_32x4d", 27_559_896), ("wide_resnet101_2", 126_886_696),
            ("resnetv2_34", 21_795_880), ("resnet50c", 25_576_264),
        ],
    )  # fmt: skip
    def test_counts_of_timm_by_its_names(self, timm, parameters):
        assert cost(network(timm)).trainable == parameters

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("resnext50", "like resnet50, resnext50-32x4d or wide-resnet50-2, but got resnext50 with no numbers"),
            ("resnet50-2", "but got resnet50 with other numbers"),
            ("resnet5o", "did you mean 'resnet50'"),
            ("resnet21-cifar-A", "6n \\+ 2"),
            ("wrn17-4", "6N \\+ 4"),
            ("resnet19", "10, 14, 18, 26, 34, 50, 101, 152, 200, 269 layers, but got 19"),
            ("resnetrs60", "50, 101, 152, 200, 270, 350, 420 layers, but got 60"),
            ("keras-resnet18", "50, 101 or 152 layers, but got 18"),
            ("resne50", "did you mean 'resnet50'"),
            ("renset50", "did you mean 'resnet50'"),
            ("ResNet50", "did you mean 'keras-resnet50'"),
            ("gluon_senet154", "is a network of the authors of SE-Net"),
        ],
    )
    def test_a_name_that_is_none_is_named(self, name, message):
        with pytest.raises(UserError, match=message):
            network(name)

    @pytest.mark.parametrize(
        "name",
        [
            "resnest50d", "res2net50d", "skresnet50", "cspresnet50", "nf_resnet50", "legacy_seresnet50", "senet154",
            "tresnet_m", "resnetv2_50d_evos", "ecaresnet50d_pruned", "resnet50_clip", "gcresnet50t", "resnet33ts",
            "resnet50_mlp", "test_resnet", "resnet50_ibn_a", "cbam_resnet50", "resnet50x", "resnetfoo50", "resnet50_2x",
        ],
    )  # fmt: skip
    def test_another_architecture_is_not_taken_for_one_of_ours(self, name):
        """One character more is a variant of its own, and no slip."""
        with pytest.raises(UserError, match=name) as caught:
            network(name)
        assert "did you mean" not in str(caught.value)

    def test_every_network_of_timm_costs_what_timm_counts(self):
        """All of its `resnet.py` and `resnetv2.py`; parameters, and operations at 224x224."""
        unknown = {
            "ecaresnet101d_pruned", "ecaresnet50d_pruned", "resnetv2_50d_evos", "resnetv2_50d_frn", "senet154",
            "test_resnet",
        }  # fmt: skip
        counted = json.loads((Path(__file__).parents[2] / "golden" / "timm.json").read_text())
        assert len(counted) == 101
        ours = {name: cost(network(name)) for name in counted.keys() - unknown}
        assert {name: [network_cost.trainable, network_cost.macs] for name, network_cost in ours.items()} == {
            name: counted[name] for name in ours
        }
        for name in unknown:
            with pytest.raises(UserError, match="must be one that a NetSpec describes"):
                network(name)

    def test_a_tag_of_weights_may_follow(self):
        assert network("resnet50.a1_in1k") == network("resnet50")
        assert network("resnetaa50d.sw_in12k_ft_in1k") == network("resnetaa50d")
        assert network("resnetaa50d.sw_in12k") == network("resnetaa50d").replace(classes=11_821)


class TestTutorial:
    @pytest.mark.parametrize("depth", [1, 3])
    @pytest.mark.parametrize("cardinality", [1, 2, 32])
    @pytest.mark.parametrize("strides", [1, 2])
    def test_it_builds_and_trains(self, depth, cardinality, strides, images):
        model = resnet((8, 8, 3), 4, depth, cardinality, strides)
        model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        assert np.isfinite(model.train_on_batch(images, np.arange(8) % 4))
        assert model.get_layer("stage1_block1_conv2").groups == cardinality

    def test_blocks_on_their_own(self):
        inputs = keras.Input((9, 9, 8))
        x = res_block(conv_block(inputs, 16, 3, 1, "same"), 16)
        x = res_block(x, 32, is_first=True, cardinality=4)
        assert keras.Model(inputs, x).output_shape == (None, 5, 5, 32)

    @pytest.mark.parametrize("arguments", [{"depth": 0}, {"cardinality": 0}, {"strides": 3}])
    def test_a_mistake_is_named(self, arguments):
        with pytest.raises(UserError, match="but got"):
            resnet((8, 8, 3), 4, **arguments)
