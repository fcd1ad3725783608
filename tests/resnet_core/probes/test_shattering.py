import keras
import numpy as np
import pytest

from resnet_core.nets.keras_net import initialise
from resnet_core.probes.kinds.shattering import autocorrelation, input_gradients, shattering
from resnet_core.probes.subject import Subject

from .conftest import images_for

INPUTS, WIDTH, DEPTH = 1024, 2048, 4


def plain():
    """A ReLU network of dense layers without biases, He-initialised, with a layer that only reads at its end."""
    keras.utils.set_random_seed(0)
    dense = [
        keras.layers.Dense(WIDTH, "relu", use_bias=False, kernel_initializer=keras.initializers.HeNormal(seed=i))
        for i in range(DEPTH)
    ]
    return keras.Sequential([keras.Input((INPUTS,)), *dense, keras.layers.Dense(2)])


def test_the_cosine_of_two_gradients_is_the_product_of_the_shares_of_units_that_both_use():
    """The angle of two inputs after a wide ReLU layer is known (Cho and Saul 2009), and the share of units that are on
    for both is 1 - angle / π; uncorrelated inputs lose half at the first layer (Balduzzi et al. 2017, theorem 1)."""
    net = Subject(plain())
    x = np.zeros((2, INPUTS), "float32")
    x[0, 0] = x[1, 1] = 1.0
    values = net.at_places(x)
    cosines = [g[0] @ g[1] / np.linalg.norm(g[0]) / np.linalg.norm(g[1])
             for g in input_gradients(net, x, values, training=False, seed=0)]  # fmt: skip
    angle, expected, product = np.pi / 2, [], 1.0
    for _ in range(DEPTH):
        product *= 1 - angle / np.pi
        expected.append(product)
        angle = np.arccos((np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi)
    assert expected[0] == 0.5
    assert cosines == pytest.approx(expected, abs=0.1)  # three standard deviations of a cosine in 1,024 dimensions


def residual(width, blocks):
    """A residual ReLU network of dense layers, He-initialised, with a normalisation at the beginning of each branch."""
    x = inputs = keras.Input((width,))
    for i in range(blocks):  # weights are drawn by the names of the layers
        branch = keras.layers.BatchNormalization(center=False, scale=False, epsilon=1e-6, name=f"norm{i}")(x)
        branch = keras.layers.ReLU(name=f"relu{i}")(branch)
        branch = keras.layers.Dense(width, use_bias=False, kernel_initializer="he_normal", name=f"dense{i}")(branch)
        x = keras.layers.Add(name=f"add{i}")([x, branch])
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def test_with_skips_and_normalisation_the_cosine_falls_as_a_power_of_the_depth():
    """A block adds 1 - 1/π to the variance, since a normalisation takes the mean of a ReLU away, and so multiplies the
    squared gradient by 1 + 1/variance, of independent inputs their product by 1 + 1/2 variance. The quotient is a power
    of the depth; with a block that adds 1, as Balduzzi et al. 2017 have it, that power is -1/2. The statistics are
    those of the inputs, and constants for the gradient."""
    points, width, blocks, seeds = 64, 256, 8, 5
    net, cosines = Subject(residual(width, blocks)), []
    statistics = {v.path: v for v in net.model.non_trainable_variables}
    for seed in range(seeds):
        initialise(net.model, seed)
        x = np.random.default_rng(seed).normal(size=(points, width)).astype("float32")
        for path, value in net.batch_statistics(x).items():
            statistics[path].assign(value)
        gradients = input_gradients(net, x, net.at_places(x), training=False, seed=seed)
        units = [g / np.linalg.norm(g, axis=1, keepdims=True) for g in gradients]
        cosines.append([((u.sum(axis=0) ** 2).sum() - points) / (points * (points - 1)) for u in units])
    mean, spread = np.mean(cosines, axis=0), np.std(cosines, axis=0, ddof=1)
    variance = 1 + (1 - 1 / np.pi) * np.arange(blocks)
    expected = np.cumprod((1 + 1 / (2 * variance)) / (1 + 1 / variance))
    assert mean[0] == pytest.approx(1.0)  # the gradient of the input itself
    assert (np.abs(mean[1:] - expected) < 3 * spread[1:]).all()
    assert 0.8 < mean[-1] * np.sqrt(blocks) < 1.0  # not 2^-8 · √8, as without skips


def test_autocorrelation():
    same = np.tile([1.0, 2.0], (10, 1))
    assert autocorrelation(same, 3) == pytest.approx(1.0)
    turning = np.asarray([[1.0, 0.0], [-1.0, 0.0]] * 5)
    assert autocorrelation(turning, 1) == pytest.approx(-1.0)
    assert autocorrelation(turning, 2) == pytest.approx(1.0)
    assert np.isnan(autocorrelation(np.zeros((4, 2)), 1))


def test_rows(networks):
    model = networks("our_residual")
    rows = shattering(model, images_for(model, 2), points=12, lags=(1, 4, 99))
    assert rows.groupby("lag").size().to_dict() == {1: 10, 4: 10}
    near = rows[rows["lag"] == 1]["value"]
    assert near.between(-1, 1).all()
    assert (rows["white"] > 0).all()
