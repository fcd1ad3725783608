import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.probes.kinds.iterative import iterative

from .conftest import images_for


def one_block(direction):
    """A network whose one branch adds a constant, and whose logits are plus and minus the mean of a channel."""
    images = keras.Input((4, 4, 2))
    branch = keras.layers.Conv2D(2, 1, name="branch")(images)
    x = keras.layers.Add(name="add")([images, branch])
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(images, keras.layers.Dense(2, name="logits")(x))
    model.get_layer("branch").set_weights([np.zeros((1, 1, 2, 2)), np.asarray(direction)])
    model.get_layer("logits").set_weights([np.asarray([[1.0, -1.0], [0.0, 0.0]]), np.zeros(2)])
    return model


@pytest.mark.parametrize(("direction", "cosine"), [((0.1, 0.0), -1.0), ((-2.0, 0.0), 1.0), ((0.0, 1.0), 0.0)])
def test_a_block_that_is_a_gradient_step(direction, cosine):
    model = one_block(direction)
    images = images_for(model, 8)
    row = iterative(model, images, np.zeros(8, int)).iloc[0]
    assert row["layer"] == "add"
    assert [row["value"], row["spread"]] == pytest.approx([cosine, 0.0], abs=1e-6)
    added = np.linalg.norm(np.broadcast_to(direction, (4, 4, 2)))
    assert row["length"] == pytest.approx(np.mean(added / np.linalg.norm(images.reshape(8, -1), axis=1)), rel=1e-6)


def test_a_branch_that_is_zero_has_no_direction():
    model = one_block((0.0, 0.0))
    row = iterative(model, images_for(model, 4), np.zeros(4, int)).iloc[0]
    assert np.isnan(row["value"])
    assert row["length"] == 0.0


def test_a_plain_network_is_refused(networks):
    model = networks("our_plain")
    with pytest.raises(UserError, match="a residual block that keeps the shape is needed"):
        iterative(model, images_for(model, 2), np.zeros(2, int))
