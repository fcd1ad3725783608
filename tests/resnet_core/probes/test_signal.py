import keras
import numpy as np
import pytest

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.kinds.signal import effective_rank, signal

from .conftest import images_for


def test_variance_grows_by_one_a_block_and_returns_where_the_shape_changes():
    """Brock et al. 2021, section 3.1: pre-activation, He-initialised, normalised networks at their initial weights.

    The second moment, squared mean and variance together, grows by 1 a block, less what the zeros around a map take:
    of the nine weights of a kernel, (1 - 2 / 3n)² lie on a map of n x n on average. Of the branch's second moment of 1
    the share 1 - 1/π is variance. The tolerance is that of the 32 channels that are drawn.
    """
    model = build(cifar(14, 32, skip="B", order="full_preactivation", input_shape=(32, 32, 3)))
    rows = signal(model, images_for(model, 32)).set_index(["index", "quantity"])["value"].unstack()
    moments = (rows["mean_squared"] + rows["variance"]).to_numpy()
    inside = {n: (1 - 2 / (3 * n)) ** 2 for n in (32, 16)}
    assert np.diff(moments[1:3]) == pytest.approx(inside[32], abs=0.15)
    assert moments[3] == pytest.approx(1 + inside[16], abs=0.3)  # a projected skip, and a branch
    assert np.diff(moments[3:5]) == pytest.approx(inside[16], abs=0.15)
    branches = rows["branch_variance"].to_numpy()[:4]
    assert branches == pytest.approx(1 - 1 / np.pi, abs=0.1)


def test_a_scaled_relu_keeps_the_variance():
    """γ = √2 / √(1 − 1/π) = 1.7129 (Brock et al. 2021, section 4.2)."""
    gamma = np.sqrt(2) / np.sqrt(1 - 1 / np.pi)
    assert gamma == pytest.approx(1.7129, abs=5e-5)
    values = np.random.default_rng(0).normal(size=(1_000_000, 1))
    assert (gamma * np.maximum(values, 0)).var() == pytest.approx(1.0, abs=0.01)


def test_units_that_are_dead():
    images = keras.Input((4, 4, 2))
    y = keras.layers.Conv2D(2, 1, name="in", activation="relu")(images)
    y = keras.layers.Conv2D(2, 1, name="branch")(y)
    x = keras.layers.Activation("relu", name="after")(keras.layers.Add(name="add")([images, y]))
    model = keras.Model(images, keras.layers.Dense(2)(keras.layers.Flatten()(x)))
    model.get_layer("branch").set_weights([np.zeros((1, 1, 2, 2)), np.array([-100.0, 0.0])])
    rows = signal(model, images_for(model, 16)).set_index(["layer", "quantity"])["value"]
    assert rows["after", "dead"] == 0.5
    assert rows["add", "branch_variance"] == 0.0
    assert rows["after", "rank"] == 0.5


@pytest.mark.parametrize(
    ("variances", "share"),
    [([1, 0, 0, 0], 0.25), ([99, 1, 0, 0], 0.25), ([98, 1, 1, 0], 0.5), ([1, 1, 1, 1], 1.0), ([0, 0, 0, 0], 0.0)],
)
def test_effective_rank(variances, share):
    axes = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
    points = np.concatenate([np.diag(np.sqrt(variances)), -np.diag(np.sqrt(variances))]) @ axes
    assert effective_rank(points) == share
