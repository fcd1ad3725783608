import re
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, reject, settings

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import build, initialise, load
from resnet_core.nets.spec import NetSpec, cifar
from tests.resnet_core.nets.test_spec import specs

SMALL = {"input_shape": (8, 8, 3), "width": 4}
EXAMPLES = 10 if settings().max_examples <= 100 else settings().max_examples
"""Of tests that build a network. `make torture` tries 300."""
SKIPS = ["none", "A", "B", "C"]
ORDERS = ["original", "full_preactivation"]


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(6, 8, 8, 3)).astype("float32")


def counts(model):
    statistics = sum(int(np.prod(weight.shape)) for weight in model.non_trainable_weights)
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_weights), statistics


@settings(max_examples=EXAMPLES)
@given(specs())
def test_the_built_network_is_what_its_spec_says(spec):
    """Parameters, shapes, operations as Keras and TensorFlow count them; loss and gradients are finite."""
    model, expected = build(spec), cost(spec)
    assert counts(model) == (expected.trainable, expected.bn_running_stats)
    assert model.output_shape == (None, spec.classes)
    built = {layer.name: tuple(layer.output.shape[1:]) for layer in model.layers}
    assert all(built[layer.name] == layer.output_shape for layer in expected.layers)
    assert counted_macs(model) == expected.macs
    assert not any(layer.kernel_size == (1, 1) and layer.strides != (1, 1) for layer in convolutions(model))
    images = tf.constant(np.random.default_rng(0).normal(size=(4, *spec.input_shape)).astype("float32"))
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.constant([0, 1, 1, 0]), logits))
    gradients = tape.gradient(loss, [weight.value for weight in model.trainable_weights])
    assert np.isfinite(loss)
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@settings(max_examples=EXAMPLES * 3 // 5)  # each is traced with its gradients, which takes most of a second
@given(specs())
def test_activation_memory_is_what_the_traced_step_leaves_for_its_backward_pass(spec):
    assert sum(tensors_kept(spec).values()) == cost(spec).activation_bytes


def tensors_kept(spec, batch=11):
    """Return, of one image, the bytes of each tensor of the forward pass that the backward pass reads."""
    model, losses = build(spec), []

    def step(images, labels):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            losses.append(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)))
        weights = [weight.value for weight in model.trainable_weights]
        return tape.gradient(losses[0], weights, unconnected_gradients="zero")

    images, labels = tf.TensorSpec((batch, *spec.input_shape)), tf.TensorSpec((batch,), tf.int32)
    graph = tf.function(step, autograph=False).get_concrete_function(images, labels).graph
    forward = ancestors(losses)
    kept = {}
    for operation in ancestors(graph.outputs) - forward:
        for tensor in operation.inputs:
            while tensor.op.type in {"Reshape", "Identity", "IdentityN", "StopGradient", "Split"}:  # the same memory
                tensor = tensor.op.inputs[tensor.op.type == "Split"]  # whose first is the axis
            if tensor.op in forward and tensor.shape.rank not in (0, 1) and tensor.shape[0] == batch:
                kept[tensor.name] = int(np.prod(tensor.shape[1:])) * tensor.dtype.size
    return kept


def ancestors(tensors):
    """Return the operations that these tensors are computed by."""
    operations, left = set(), [tensor.op for tensor in tensors]
    while left:
        operation = left.pop()
        if operation not in operations:
            operations.add(operation)
            left += [tensor.op for tensor in operation.inputs]
    return operations


@settings(max_examples=EXAMPLES * 3 // 5)  # each is built twice
@given(specs())
def test_saving_and_loading_gives_the_same_bits(spec):
    model = build(spec)
    images = np.random.default_rng(0).normal(size=(2, *spec.input_shape)).astype("float32")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
    np.testing.assert_array_equal(loaded(images), model(images))


@given(specs())
def test_an_option_a_net_and_its_plain_twin_have_equal_counts(spec):
    try:
        residual = spec.replace(skip="A", skip_transform="identity")
        plain = residual.replace(skip="none")
    except UserError:
        reject()
    first, second = cost(residual), cost(plain)
    assert (first.trainable, first.bn_running_stats, first.macs) == (
        second.trainable,
        second.bn_running_stats,
        second.macs,
    )


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Conv1D)]


def counted_macs(model):
    """Count the multiplications of one image from the kernels and outputs of the built layers."""
    pixels = [int(np.prod(layer.output.shape[1:-1])) for layer in convolutions(model)]
    kernels = [int(np.prod(layer.kernel.shape)) for layer in convolutions(model)]
    dense = sum(int(np.prod(layer.kernel.shape)) for layer in model.layers if isinstance(layer, keras.layers.Dense))
    return int(np.dot(pixels, kernels)) + dense


@settings(max_examples=EXAMPLES)
@given(specs())
def test_operations_are_what_the_profiler_counts(spec):
    images = tf.TensorSpec((1, *spec.input_shape))
    graph = tf.function(build(spec), autograph=False).get_concrete_function(images).graph
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation())
    counted = profiler.profile(graph, cmd="op", options=options.with_empty_output().build())
    operations = {}
    while counted.children:
        counted = counted.children[0]
        operations[counted.name] = counted.float_ops
    assert operations["Conv2D"] + operations["MatMul"] == 2 * cost(spec).macs


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("skip", SKIPS)
def test_layer_names_say_where_a_layer_stands(skip, order):
    names = [layer.name for layer in build(cifar(14, skip=skip, order=order, **SMALL)).layers]
    assert all(re.fullmatch(r"images|(stem|head|stage[123]_block[12])_[a-z0-9_]+", name) for name in names)
    outs = [name for name in names if name.endswith("_out")]
    assert outs == ["stem_out", *(f"stage{i}_block{j}_out" for i in (1, 2, 3) for j in (1, 2))]


@pytest.mark.parametrize("order", ORDERS)
def test_the_plain_twin_has_the_same_layers_with_weights_and_the_same_initial_weights(order):
    plain, residual = (build(cifar(14, skip=skip, order=order, **SMALL), seed=3) for skip in ("none", "A"))
    assert [w.path for w in plain.weights] == [w.path for w in residual.weights]
    for mine, theirs in zip(plain.weights, residual.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs.numpy())


@pytest.mark.parametrize(
    "settings",
    [{}, {"skip": "B", "se_reduction": 4}, {"eca": True}, {"norm": "none", "branch_scale": "fixup", "dropout": 0.5}],
)
def test_another_seed_gives_other_weights_and_reinitialising_gives_them_back(settings):
    spec = cifar(8, **SMALL, **settings)
    model = build(spec, seed=1)
    first = [weight.numpy() for weight in model.weights]
    initialise(model, 2)
    kernels = [i for i, weight in enumerate(model.weights) if weight.name == "kernel"]
    assert all((first[i] != model.weights[i].numpy()).any() for i in kernels if np.ptp(first[i]))
    initialise(model, 1)
    for before, weight in zip(first, model.weights, strict=True):
        np.testing.assert_array_equal(before, weight.numpy())


@pytest.mark.parametrize(("init", "fan"), [("he_fan_in", 9 * 32), ("he_fan_out", 9 * 64), ("glorot", 9 * (32 + 64))])
def test_initial_variance(init, fan):
    """Var W = 2 / fan (He et al. 2015b, equations 10 and 14; Glorot and Bengio 2010, equation 16)."""
    model = build(cifar(8, width=32, init=init))
    kernel = model.get_layer("stage2_block1_conv1").kernel.numpy()
    assert kernel.shape == (3, 3, 32, 64)
    assert kernel.var() == pytest.approx(2 / fan, rel=0.05)


def numpy_block(model, prefix, x, strides):
    """Compute F of a block in the original order with numpy, in inference mode."""
    for i, step in ((1, strides), (2, 1)):
        kernel = model.get_layer(f"{prefix}_conv{i}").kernel.numpy()
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))[:, ::step, ::step]
        x = np.einsum("nyxcij,ijco->nyxo", windows, kernel)
        norm = model.get_layer(f"{prefix}_bn{i}")
        x = (x - norm.moving_mean.numpy()) / np.sqrt(norm.moving_variance.numpy() + norm.epsilon)
        x = x * norm.gamma.numpy() + norm.beta.numpy()
        if i == 1:
            x = np.maximum(x, 0)
    return x


def through(model, x, source, target):
    return keras.Model(model.get_layer(source).output, model.get_layer(target).output).predict(x, verbose=0)


@pytest.mark.parametrize("skip", ["none", "A"])
@pytest.mark.parametrize(("stage", "strides"), [(1, 1), (2, 2)])
def test_a_block_is_its_equation(skip, stage, strides):
    """relu(S(x) + F(x)), S(x) every second pixel from the first on and zeros for the new channels."""
    model = build(cifar(8, skip=skip, **SMALL))
    source = "stem_out" if stage == 1 else "stage1_block1_out"
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")
    y = numpy_block(model, f"stage{stage}_block1", x, strides)
    if skip == "A":
        y[..., :4] += x[:, ::strides, ::strides]
    np.testing.assert_allclose(
        through(model, x, source, f"stage{stage}_block1_out"), np.maximum(y, 0), rtol=1e-4, atol=1e-5
    )


def test_the_first_preactivation_block_splits_after_its_activation():
    """He et al. 2016, appendix. With F switched off, y = relu(BN(x)) in the first block and y = x in the second."""
    model = build(cifar(14, order="full_preactivation", **SMALL))
    for block in ("stage1_block1", "stage1_block2"):
        kernel = model.get_layer(f"{block}_conv2").kernel
        kernel.assign(np.zeros(kernel.shape))
    x = np.random.default_rng(1).normal(size=(2, 8, 8, 4)).astype("float32")
    activated = np.maximum(x / np.sqrt(1 + 1e-5), 0)
    np.testing.assert_allclose(through(model, x, "stem_out", "stage1_block1_out"), activated, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(through(model, x, "stage1_block1_out", "stage1_block2_out"), x)


def elsewhere(models, load, check, folder, programs, *, fresh):
    """Save networks; return of each the logits in one process that loads them all by `load`, and those in this one."""
    logits = {}
    for name, model in models.items():
        images = np.random.default_rng(0).normal(size=(2, *model.input_shape[1:])).astype("float32")
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.images.npy", images)
        logits[name] = model(images).numpy()
    script = (
        f"import sys, keras, numpy; from pathlib import Path; {load}\n"
        "for file in Path().glob('*.keras'):\n"
        "    logits = load(file)(numpy.load(f'{file.stem}.images.npy'))\n"
        "    numpy.save(f'{file.stem}.logits.npy', logits)\n"
        f"assert {check}"
    )
    (folder / "script.py").write_text(script)
    done = programs.run("script.py", cwd=folder, fresh=fresh)
    assert done.returncode == 0, done.stderr
    return {name: (np.load(folder / f"{name}.logits.npy"), ours) for name, ours in logits.items()}


@pytest.fixture(scope="module")
def by_keras_alone(programs, tmp_path_factory):
    models = {f"{skip}-{order}": build(cifar(8, skip=skip, order=order, **SMALL)) for skip in SKIPS for order in ORDERS}
    without_ours = "not any(name.startswith('resnet_core') for name in sys.modules)"
    return elsewhere(
        models, "load = keras.models.load_model", without_ours, tmp_path_factory.mktemp("stock"), programs, fresh=True
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("skip", SKIPS)
def test_a_network_saves_and_loads_as_stock_keras(skip, order, by_keras_alone):
    np.testing.assert_array_equal(*by_keras_alone[f"{skip}-{order}"])


FIXUP = cifar(8, **SMALL, norm="none", branch_scale="fixup")
DEEP = NetSpec(input_shape=(4, 4, 1), depths=(340,), widths=(1,), kernels=(3,), classes=2, norm="none")


def test_load_takes_what_keras_alone_does_not(programs, tmp_path):
    models = {"fixup": build(FIXUP), "deep": build(DEEP)}
    limit = "sys.getrecursionlimit() == 1000"
    logits = elsewhere(models, "from resnet_core import load", limit, tmp_path, programs, fresh=False)
    np.testing.assert_array_equal(*logits["fixup"])
    np.testing.assert_array_equal(*logits["deep"])


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_load_names_a_file_that_is_no_network(content, tmp_path):
    if content is not None:
        (tmp_path / "net.keras").write_bytes(content)
    with pytest.raises(UserError, match=r"must be a \.keras file, but .*net\.keras cannot be loaded"):
        load(tmp_path / "net.keras")


def test_a_network_can_be_plotted(tmp_path):
    pydot = pytest.importorskip("pydot")
    graph = keras.utils.model_to_dot(build(cifar(8, **SMALL)), show_shapes=True)
    assert isinstance(graph, pydot.Dot)
    assert any("stage3_block1_add" in node.to_string() for node in graph.get_nodes())


@pytest.mark.parametrize("order", ORDERS)
def test_fused_normalisation_is_keras_own(order, tmp_path, images):
    fused = build(cifar(14, order=order, **SMALL))
    fused.save(tmp_path / "net.keras")
    stock = keras.models.load_model(tmp_path / "net.keras")
    for _ in range(3):
        np.testing.assert_allclose(fused(images, training=True), stock(images, training=True), rtol=1e-4, atol=1e-5)
    for mine, theirs in zip(fused.non_trainable_weights, stock.non_trainable_weights, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fused(images), stock(images), rtol=1e-4, atol=1e-5)


def test_it_trains_with_compile_and_fit():
    keras.utils.set_random_seed(0)  # of fit's own shuffling
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 8, 8, 3)).astype("float32"), rng.integers(0, 4, 32)
    model = build(NetSpec(input_shape=(8, 8, 3), classes=4, depths=(1, 1), widths=(4, 8)))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    losses = model.fit(x, y, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("padding", ["explicit", "same"])
@pytest.mark.parametrize("bias", [False, True])
def test_a_convolution_with_groups_is_that_of_keras(padding, bias):
    """Its output and gradients, with one convolution a group and by the stock layer."""
    spec = cifar(11, block="bottleneck", cardinality=4, group_width=32, padding=padding, conv_bias=bias, **SMALL)
    split, stock = build(spec, seed=1), build(spec, seed=1)
    grouped = [layer for layer in stock.layers if getattr(layer, "groups", 1) > 1]
    assert len(grouped) == 3
    for layer in grouped:
        del layer.call
        assert layer.call.__func__ is keras.layers.Conv2D.call
    images = tf.constant(np.random.default_rng(0).normal(size=(4, *spec.input_shape)), tf.float32)

    def values_of(model):
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.reduce_sum(logits**2)
        return [logits, *tape.gradient(loss, [weight.value for weight in model.trainable_weights])]

    for mine, theirs in zip(values_of(split), values_of(stock), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5 + 1e-4 * np.abs(theirs).max())
