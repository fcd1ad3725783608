"""A strided 1x1 convolution is a subsampling and a 1x1 convolution of stride 1, whoever wrote it.

The one that is strided is not computed here: oneDNN's filter gradient of it writes out of bounds on some processors.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ablations.diagram import block_svg
from resnet_core import register_block
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import KerasNet, build, load
from resnet_core.nets.network import network
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.tutorial import conv_block, res_block

SMALL = {"input_shape": (9, 8, 3), "depths": (1, 1), "widths": (4, 8)}
NETS = {
    "original, B": NetSpec(**SMALL, skip="B", kernels=(1, 3), stride_in="first", conv_bias=True),
    "full_preactivation, C": NetSpec(
        **SMALL, skip="C", order="full_preactivation", block="bottleneck", stride_in="first", padding="same"
    ),
}
ROUNDING = 1e-5  # relative to the largest value, of float32 sums of some hundred terms in another order


@register_block("strided_layer", kernels=(1,))
def strided_layer(at, x, width, strides):
    def make(name):
        inner = keras.layers.Conv2D(width, 1, strides, use_bias=False)
        return keras.Sequential([inner], name=name) if strides > 1 else keras.layers.Conv2D(width, 1, name=name)

    return at.layer(x, make, name="conv1")


class Strided(KerasNet):
    """Writes a strided 1x1 convolution as one layer, as networks were saved before."""

    def at_stride_one(self, x, kernel_size, strides, *, name):
        return x, strides


def as_saved_before(spec):
    net = Strided(spec)
    images = keras.Input(spec.input_shape, name="images")
    model = keras.Model(images, network(net, images), name="network")
    model.set_weights(build(spec, seed=1).get_weights())
    return model


def strided(model):
    convolutions = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.Conv2D)]
    return [layer for layer in convolutions if layer.kernel_size == (1, 1) and layer.strides != (1, 1)]


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=ROUNDING * np.abs(theirs).max())


def assert_is_a_product(layer, strides, shape, filters):
    """Check output and both gradients of a 1x1 convolution against products of matrices in float64."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype("float32")
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        y = layer(images, training=True)
    rows = x.astype("float64")[:, ::strides, ::strides]
    (kernel,) = layer.trainable_variables
    w = kernel.numpy()[0, 0].astype("float64")
    g = rng.normal(size=(*rows.shape[:3], filters))
    dx, dw = tape.gradient(y, [images, kernel.value], tf.constant(g, tf.float32))
    expected = np.zeros(shape)
    expected[:, ::strides, ::strides] = g @ w.T
    close(y.numpy(), rows @ w)
    close(dw.numpy()[0, 0], np.einsum("nyxc,nyxo->co", rows, g))
    close(dx.numpy(), expected)


SHAPES = [((3, 8, 8, 4), 8), ((2, 9, 7, 1), 3), ((2, 1, 1, 5), 2), ((2, 5, 6, 17), 20)]


@pytest.mark.parametrize("padding", ["explicit", "same"])
@pytest.mark.parametrize(("shape", "filters"), SHAPES)
def test_output_and_gradients_are_those_of_a_product_of_matrices(shape, filters, padding):
    spec = NetSpec(input_shape=shape[1:], padding=padding)
    for strides in (2, 3):
        inputs = keras.Input(shape[1:])
        model = keras.Model(inputs, KerasNet(spec).conv(inputs, filters, 1, strides, name="conv"))
        assert_is_a_product(model, strides, shape, filters)


def test_subsampling_is_exact():
    """Bit for bit, for what is not finite too; its gradient is that of its pixels, and zero elsewhere."""
    x = np.random.default_rng(0).normal(size=(2, 7, 8, 3)).astype("float32")
    x[0, 0, 0] = [np.nan, np.inf, -np.inf]
    inputs = keras.Input(x.shape[1:])
    model = keras.Model(inputs, KerasNet(NetSpec()).subsample(inputs, 2, name="half"))
    with tf.GradientTape() as tape:
        images = tf.constant(x)
        tape.watch(images)
        y = model(images)
    np.testing.assert_array_equal(y.numpy(), x[:, ::2, ::2])
    g = np.random.default_rng(1).normal(size=y.shape).astype("float32")
    expected = np.zeros_like(x)
    expected[:, ::2, ::2] = g
    np.testing.assert_array_equal(tape.gradient(y, images, tf.constant(g)).numpy(), expected)


def gradients(model, images):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, training=True) ** 2)
    return [gradient.numpy() for gradient in tape.gradient(loss, [w.value for w in model.trainable_weights])]


@pytest.mark.parametrize("spec", NETS.values(), ids=NETS)
def test_a_network_saved_before_loads_with_the_same_weights_logits_and_gradients(spec, tmp_path):
    """Its gradients are computed at stride 1 too."""
    before, now = as_saved_before(spec), build(spec, seed=1)
    assert strided(before)
    assert not strided(now)
    assert [weight.path for weight in now.weights] == [weight.path for weight in before.weights]
    images = np.random.default_rng(0).normal(size=(4, *spec.input_shape)).astype("float32")
    before.save(tmp_path / "before.keras")
    loaded = load(tmp_path / "before.keras")
    for model in (loaded, keras.models.load_model(tmp_path / "before.keras")):
        close(model(images).numpy(), now(images).numpy())
    ours, theirs = gradients(now, images), gradients(loaded, images)
    largest = max(np.abs(gradient).max() for gradient in theirs)
    for mine, other in zip(ours, theirs, strict=True):  # some are zero but for rounding, such as a bias before a BN
        np.testing.assert_allclose(mine, other, rtol=0, atol=ROUNDING * largest)
    now.save_weights(tmp_path / "now.weights.h5")
    loaded.load_weights(tmp_path / "now.weights.h5")
    for mine, other in zip(now.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())


def test_a_users_own_layer_is_computed_at_stride_one():
    """Also where it is a part of another; as a layer it stays what it was."""
    model = build(NetSpec(input_shape=(8, 8, 3), depths=(1, 1), widths=(4, 4), block="strided_layer", skip="none"))
    (inner,) = strided(model)
    part = model.get_layer("stage2_block1_conv1")
    graph = tf.function(part, autograph=False).get_concrete_function(tf.TensorSpec((2, 8, 8, 4))).graph
    steps = [list(op.get_attr("strides")) for op in graph.get_operations() if op.type == "Conv2D"]
    assert steps == [[1, 1, 1, 1]]
    assert inner.get_config()["strides"] == (2, 2)
    assert_is_a_product(part, 2, (2, 8, 8, 4), 4)


def test_the_functions_of_the_tutorial_have_no_strided_1x1():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, res_block(conv_block(inputs, 8, 1, 2), 16, is_first=True))
    assert model.output_shape == (None, 2, 2, 16)
    assert not strided(model)


def test_a_diagram_shows_the_convolution_alone():
    assert "subsample" not in block_svg(NETS["full_preactivation, C"])
    assert "subsample" in block_svg(NetSpec(**SMALL))


def test_what_a_projection_keeps_for_its_gradient_is_what_it_reads():
    layers = {layer.name: layer for layer in cost(NETS["original, B"]).layers}
    assert layers["stage2_block1_skip_conv_subsample"].kept_bytes == 0
    assert layers["stage2_block1_skip_conv"].kept_bytes == 4 * 5 * 4 * 4
