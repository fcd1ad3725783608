import keras
import numpy as np
import pytest

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
