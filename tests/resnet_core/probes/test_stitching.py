import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.probes.kinds.stitching import Stitch, stitching
from resnet_core.probes.subject import Subject
from resnet_core.seeds import generator

from .conftest import images_for, labels_for


def test_a_network_stitched_to_itself_pays_nothing(networks):
    model = networks("our_residual")
    train, labels = images_for(model, 64), labels_for(64)
    images, held_out = images_for(model, 40, seed=1), labels_for(40, seed=1)
    rows = stitching(model, images, held_out, model, train, labels, places=(2, 8), epochs=0)
    assert rows["penalty"].tolist() == [0.0, 0.0]
    assert rows["control"].between(0, 1).all()
    assert (rows["control_penalty"] == rows["control"] - rows["value"]).all()


def test_training_lowers_the_loss_of_the_training_images(networks):
    bottom, top = Subject(networks("our_plain")), Subject(networks("our_residual"))
    images, labels = images_for(top.model, 64), labels_for(64)
    losses = []
    for epochs in (0, 20):
        stitch = Stitch(bottom, top, 4)
        stitch.fit(images, labels, epochs, 1e-2, generator(0, "test"))
        losses.append(stitch.scored(images, labels).loss)
    assert losses[1] < losses[0]


def halved(images):
    x = keras.layers.Conv2D(4, 3, 2, padding="same", name="start")(images)
    x = keras.layers.Add(name="sum")([x, keras.layers.Conv2D(4, 3, padding="same", name="branch")(x)])
    return keras.layers.Dense(10)(keras.layers.Flatten()(x))


def test_places_of_other_sizes(networks):
    images = keras.Input((8, 8, 3))
    small = Subject(keras.Model(images, halved(images)))
    with pytest.raises(UserError, match=r"maps of one size, but got \(8, 8, 4\) and \(4, 4, 4\)"):
        Stitch(Subject(networks("our_residual")), small, 0)


def test_images_of_another_shape(networks):
    model = networks("our_residual")
    with pytest.raises(UserError, match=r"takes, \(8, 8, 3\), but got \(32, 32, 3\)"):
        stitching(model, np.zeros((4, 32, 32, 3)), labels_for(4), model, np.zeros((4, 32, 32, 3)), labels_for(4))
