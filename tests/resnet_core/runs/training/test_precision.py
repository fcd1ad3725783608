import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.gradient_norms import GradientProbe
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.engine import Engine
from resnet_core.runs.training.precision import HIGHEST_SCALE, STEPS_TO_GROW, LossScale, dtype_policy
from resnet_core.runs.training.step import StepSpec
from resnet_core.runs.training.train import train_run

NET = cifar(8, 4, input_shape=(8, 8, 1))
HALF = {"mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}
EPSILON = {"mixed_bfloat16": 2.0**-8, "mixed_float16": 2.0**-11}


@pytest.fixture(scope="module")
def data(digits):
    return prepare(digits, TrainSpec(steps=1))


def in_policy(name, net=NET):
    with dtype_policy(name):
        return build(net)


@pytest.mark.parametrize("precision", HALF)
def test_the_policy_is_that_of_the_network_alone(precision):
    engine = Engine(NET, StepSpec.from_specs(TrainSpec(steps=1, precision=precision)))
    assert keras.config.dtype_policy().name == "float32"
    layers = {layer.name: layer.compute_dtype for layer in engine._model.layers}
    assert layers["stage1_block1_conv1"] == layers["stage2_block1_bn1"] == HALF[precision]
    assert layers["head_logits"] == "float32"
    assert {variable.dtype for variable in engine._model.variables} == {"float32"}
    with pytest.raises(ZeroDivisionError), dtype_policy(precision):
        _ = 1 / 0
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("precision", HALF)
def test_normalisation_in_half_precision_keeps_its_statistics_in_float32(precision):
    """Of the same inputs, rounded: the fused kernel's sums are of float32, so the statistics agree to its precision."""
    rng = np.random.default_rng(0)
    images = tf.constant(rng.normal(size=(32, 8, 8, 1)).astype("float32"))
    model = in_policy(precision)
    layer = model.get_layer("stem_bn")
    values = keras.Model(model.input, model.get_layer("stem_conv").output)(images, training=True)
    assert values.dtype == HALF[precision]
    assert layer(values, training=True).dtype == HALF[precision]
    exact = values.numpy().astype("float64")
    np.testing.assert_allclose(layer.moving_mean.numpy(), 0.1 * exact.mean((0, 1, 2)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layer.moving_variance.numpy(), 0.9 + 0.1 * exact.var((0, 1, 2)), rtol=1e-5)


@pytest.mark.parametrize("precision", HALF)
@pytest.mark.parametrize("scale", [1.0, 1e-5])
def test_a_probe_is_right_in_half_precision(precision, scale):
    """Gradients of 1e-8 and less are below what float16 holds; the tolerance is some twenty layers' rounding."""
    rng = np.random.default_rng(0)
    batch = tf.constant(rng.normal(size=(16, 8, 8, 1)).astype("float32")), tf.constant(rng.integers(0, 10, 16))
    rows = []
    for model in (in_policy(precision), in_policy("float32")):
        kernel = model.get_layer("head_logits").kernel
        kernel.assign(kernel * scale)
        rows.append(list(GradientProbe(model)(*batch)))
    for half, single in zip(*rows, strict=True):
        assert {**half, "value": 0} == {**single, "value": 0}
        assert half["value"] == pytest.approx(single["value"], rel=40 * EPSILON[precision])


def test_a_probe_of_float16_lowers_its_scale_where_gradients_are_large():
    rng = np.random.default_rng(0)
    batch = tf.constant(rng.normal(size=(16, 8, 8, 1)).astype("float32")), tf.constant(rng.integers(0, 10, 16))
    model = in_policy("mixed_float16")
    kernel = model.get_layer("head_logits").kernel
    kernel.assign(kernel * 1e3)
    assert all(np.isfinite(row["value"]) for row in GradientProbe(model)(*batch))


@pytest.mark.parametrize("precision", HALF)
def test_a_network_trains_in_half_precision(precision, data):
    train = TrainSpec(steps=60, batch_size=64, learning_rate=0.05, precision=precision)
    single = train_run(Run(NET, train.replace(precision="float32"), ProbeSpec(steps=())), data)
    half = train_run(Run(NET, train, ProbeSpec(steps=())), data)
    assert half.outcome.status == "completed"
    assert half.results != single.results
    assert half.epochs[0]["loss"] == pytest.approx(single.epochs[0]["loss"], rel=0.05)
    assert half.results["test_accuracy"] > 0.5


class TestLossScale:
    def make(self):
        scale, updates = LossScale(), tf.Variable(0)
        step = tf.function(lambda gradient: scale.apply([tf.zeros(2), gradient], lambda: updates.assign_add(1)))
        return scale, updates, step

    @pytest.mark.parametrize("bad", [np.inf, np.nan])
    def test_an_update_that_is_not_finite_is_not_made_and_halves_the_scale(self, bad):
        scale, updates, step = self.make()
        for gradient in (1.0, bad, 1.0, bad):
            step(tf.constant([1.0, gradient]))
        assert int(updates) == 2
        assert float(scale.value) == HIGHEST_SCALE / 4
        scale.reset()
        assert float(scale.value) == HIGHEST_SCALE

    def test_finite_updates_in_a_row_double_it(self):
        scale, _, step = self.make()
        for gradient in (np.inf, np.inf, *[1.0] * (STEPS_TO_GROW - 1), np.inf, *[1.0] * STEPS_TO_GROW):
            step(tf.constant([gradient]))
        assert float(scale.value) == HIGHEST_SCALE / 4

    def test_it_stays_between_1_and_its_highest(self):
        scale, _, step = self.make()
        for _ in range(20):
            step(tf.constant([np.inf]))
        assert float(scale.value) == 1.0
        scale.reset()
        for _ in range(STEPS_TO_GROW):
            step(tf.constant([1.0]))
        assert float(scale.value) == HIGHEST_SCALE
