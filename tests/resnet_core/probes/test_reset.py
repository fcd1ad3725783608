import keras
import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.kinds.reset import randomise, reset
from resnet_core.probes.subject import Subject

from .conftest import SMALL, images_for, labels_for


@pytest.mark.parametrize("name", ["our_residual", "our_plain", "two_joins", "sequential"])
def test_a_reset_to_the_same_weights_changes_nothing(name, networks):
    model = networks(name)
    rows = reset(model, images_for(model, 20), labels_for(20), model.get_weights())
    assert (rows["value"] == rows["intact"]).all()
    assert (rows["loss"] == rows["intact_loss"]).all()
    kernels = [layer.name for layer in model.layers if hasattr(layer, "kernel")]
    assert sorted(rows["layer"][rows["unit"] == "layer"]) == sorted(kernels)


def test_the_error_is_that_with_the_kernel_of_the_initial_network():
    trained, initial = build(cifar(8, skip="B", **SMALL), seed=1), build(cifar(8, skip="B", **SMALL), seed=2)
    images, labels = images_for(trained, 30), labels_for(30)
    rows = reset(trained, images, labels, initial).set_index(["unit", "layer"])
    for name in ("stem_conv", "stage2_block1_skip_conv", "head_logits"):
        layer = trained.get_layer(name)
        before = layer.get_weights()
        layer.set_weights(initial.get_layer(name).get_weights())
        expected = np.mean(np.argmax(trained(images), -1) != labels)
        layer.set_weights(before)
        assert rows["value"]["layer", name] == expected
    block = [layer for layer in trained.layers if layer.name.startswith("stage2_block1_")]
    before = [layer.get_weights() for layer in block]
    for layer in block:
        layer.set_weights(initial.get_layer(layer.name).get_weights())
    assert rows["value"]["block", "stage2_block1_add"] == np.mean(np.argmax(trained(images), -1) != labels)
    for layer, values in zip(block, before, strict=True):
        layer.set_weights(values)


def test_a_layer_that_several_blocks_share_is_reset_in_all_of_them():
    def network():
        images = keras.Input((8, 8, 3))
        twice = keras.layers.Conv2D(4, 3, padding="same", name="twice")
        x = keras.layers.Conv2D(4, 3, name="begin")(images)
        for name in ("first", "second"):
            x = keras.layers.Add(name=name)([x, keras.layers.ReLU()(twice(x))])
        return keras.Model(images, keras.layers.Dense(10, name="answer")(keras.layers.Flatten()(x)))

    keras.utils.set_random_seed(0)
    trained, initial = network(), network()
    images, labels = images_for(trained, 20), labels_for(20)
    rows = reset(trained, images, labels, initial)
    assert rows["layer"].tolist() == ["begin", "twice", "answer", "first", "second"]
    trained.get_layer("twice").set_weights(initial.get_layer("twice").get_weights())
    expected = Subject(trained).scored(images, labels).loss
    assert rows["loss"].iloc[[1, 3, 4]].tolist() == pytest.approx([expected] * 3, rel=1e-6)


def test_weights_drawn_anew_are_those_of_the_seed():
    model = build(cifar(8, skip="A", **SMALL), seed=3)
    images, labels = images_for(model, 20), labels_for(20)
    same = randomise(model, images, labels, seed=3)
    assert (same["loss"] == same["intact_loss"]).all()
    other = randomise(model, images, labels, seed=4)
    assert (other["loss"] != other["intact_loss"]).all()


def test_weights_of_another_network_are_refused(networks):
    model = networks("two_joins")
    other = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(UserError, match="the network's 10 weights, but got 2 weights"):
        reset(model, images_for(model, 4), labels_for(4), other)
