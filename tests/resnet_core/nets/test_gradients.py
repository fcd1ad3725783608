import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.probes.gradient_norms import GradientProbe
from resnet_core.probes.spec import ProbeSpec

ORDERS = ["original", "full_preactivation"]
SKIPS = ["none", "A", "B", "C"]


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(16, 8, 8, 3)).astype("float32"))
    return images, tf.constant(rng.integers(0, 10, 16))


def small(skip="A", order="original", depth=14):
    return build(cifar(depth, 4, skip=skip, order=order, input_shape=(8, 8, 3)))


def table(rows, probe):
    return {row["layer"]: row for row in rows if row["probe"] == probe}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("skip", SKIPS)
def test_weights_and_statistics_stay_bit_identical(skip, order, batch):
    model = small(skip, order)
    model(batch[0], training=True)  # statistics that are not those of initialisation
    before = [weight.numpy().tobytes() for weight in model.weights]
    probe = GradientProbe(model)
    for _ in range(2):
        list(probe(*batch))
    assert [weight.numpy().tobytes() for weight in model.weights] == before


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("skip", SKIPS)
def test_norms_are_those_of_keras_own_layers(skip, order, batch, tmp_path):
    """The same gradients on a copy of stock layers, where each boundary is an input of the rest of the network."""
    model = small(skip, order)
    rows = list(GradientProbe(model)(*batch))
    model.save(tmp_path / "net.keras")
    stock = keras.models.load_model(tmp_path / "net.keras")
    kernels = {layer.name: layer.kernel.value for layer in stock.layers if hasattr(layer, "kernel")}
    with tf.GradientTape() as tape:
        logits = stock(batch[0], training=True)
        loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(batch[1], logits, from_logits=True))
    gradients = tape.gradient(loss, kernels)
    weights, rms = table(rows, "weight_gradient_l2"), table(rows, "weight_gradient_rms")
    assert list(weights) == list(kernels)
    for name, gradient in gradients.items():
        square = gradient.numpy().astype("float64") ** 2
        assert weights[name]["value"] == pytest.approx(np.sqrt(square.sum()), rel=2e-3)
        assert rms[name]["value"] == pytest.approx(np.sqrt(square.mean()), rel=2e-3)
    activations = table(rows, "activation_gradient_l2")
    for name in ("stem_out", "stage1_block2_out", "stage2_block1_out", "stage3_block2_out"):
        boundary = stock.get_layer(name).output
        x = keras.Model(stock.input, boundary)(batch[0], training=True)
        with tf.GradientTape() as tape:
            tape.watch(x)
            logits = keras.Model(boundary, stock.output)(x, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(batch[1], logits, from_logits=True))
        expected = np.linalg.norm(tape.gradient(loss, x).numpy())
        assert activations[name]["value"] == pytest.approx(expected, rel=2e-3)


def test_sites_are_counted_from_the_input_on_along_the_main_path(batch):
    rows = list(GradientProbe(small("C"))(*batch))
    weights = table(rows, "weight_gradient_l2").values()
    main = [row for row in weights if row["path"] == "main"]
    assert [row["index"] for row in main] == list(range(14))
    assert [main[0]["layer"], main[1]["layer"], main[-1]["layer"]] == [
        "stem_conv",
        "stage1_block1_conv1",
        "head_logits",
    ]
    skips = [row for row in weights if row["path"] == "skip"]
    assert [row["layer"] for row in skips] == [f"stage{i}_block{j}_skip_conv" for i in (1, 2, 3) for j in (1, 2)]
    beside = {row["layer"]: row["index"] for row in main}
    assert all(row["index"] in (beside[row["layer"].replace("skip_conv", f"conv{k}")] for k in (1, 2)) for row in skips)
    assert [row["index"] for row in table(rows, "activation_gradient_l2").values()] == list(range(7))


def test_a_gradient_of_zero_is_recorded_as_zero(batch):
    model = small()
    model.get_layer("stage3_block2_bn2").gamma.assign(np.zeros(16))
    rows = table(GradientProbe(model)(*batch), "weight_gradient_l2")
    assert rows["stage3_block2_conv1"]["value"] == 0.0
    assert rows["stage3_block1_conv1"]["value"] > 0.0


@pytest.mark.parametrize(
    ("step", "ends_epoch", "due"), [(0, False, True), (3, False, False), (3, True, True), (50, False, True)]
)
def test_when_a_probe_is_due(step, ends_epoch, due):
    assert ProbeSpec().due(step, ends_epoch=ends_epoch) is due
    assert not ProbeSpec(each_epoch=False, steps=()).due(step, ends_epoch=ends_epoch)


def test_norms_are_those_of_finite_differences():
    """Central differences of the loss by every weight, in float64, with normalisation in training mode."""
    model = build(NetSpec(depths=(1, 1), widths=(2, 4), skip="B", input_shape=(4, 4, 1), classes=3))
    model = keras.models.model_from_json(model.to_json().replace("float32", "float64"))  # of stock layers
    rng = np.random.default_rng(0)
    images, labels = rng.normal(size=(6, 4, 4, 1)), rng.integers(0, 3, 6)
    rows = table(GradientProbe(model)(tf.constant(images), tf.constant(labels)), "weight_gradient_l2")
    kernels = {layer.name: layer.kernel for layer in model.layers if hasattr(layer, "kernel")}

    @tf.function
    def loss(kernel_of, change):
        kernels[kernel_of].value.assign_add(change)
        logits = model(images, training=True)
        kernels[kernel_of].value.assign_sub(change)
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))

    for name, kernel in kernels.items():
        steps = 1e-6 * np.eye(kernel.numpy().size).reshape(-1, *kernel.shape)
        slopes = [(loss(name, tf.constant(step)) - loss(name, tf.constant(-step))) / 2e-6 for step in steps]
        assert rows[name]["value"] == pytest.approx(np.linalg.norm(slopes), rel=1e-4), name
