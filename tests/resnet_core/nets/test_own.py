"""A network of one's own: a function that builds a `keras.Model`, as the network of a run."""

import re
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import build
from resnet_core.nets.own import OwnNet, code_of_net, net_of
from resnet_core.nets.registry import NETWORKS, Network
from resnet_core.runs.spec import Run, TrainSpec

WIDTH = 2


def unnamed(input_shape, classes, skip=True, width=WIDTH):
    """One block, whose layers have no names of their own."""
    images = keras.Input(input_shape)
    x = layers.Conv2D(width, 3, padding="same")(images)
    y = layers.BatchNormalization()(layers.Conv2D(width, 3, padding="same")(x))
    y = layers.Dropout(0.5)(layers.Add()([x, y]) if skip else y)
    return keras.Model(images, layers.Dense(classes)(layers.GlobalAveragePooling2D()(y)))


def head(kind, input_shape, classes):
    images = keras.Input(input_shape)
    x = layers.Flatten()(images)
    return keras.Model(images, {
        "softmax": lambda: layers.Dense(classes, activation="softmax")(x),
        "layer": lambda: layers.Softmax()(layers.Dense(classes)(x)),
        "more": lambda: layers.Dense(classes + 1)(x),
        "map": lambda: layers.Conv2D(classes, 1)(images),
        "regularised": lambda: layers.Dense(classes, kernel_regularizer="l2")(x),
        "none": lambda: 1 / 0,
    }[kind]())  # fmt: skip


def of_kind(input_shape, classes, kind):
    return head(kind, input_shape, classes)


def nothing(input_shape, classes):
    return None


def another_size(input_shape, classes):
    return unnamed((9, 9, 1), classes)


def without_classes(input_shape):
    return None


@pytest.fixture(autouse=True)
def registry(monkeypatch):
    known = dict(NETWORKS)
    yield
    NETWORKS.clear()
    NETWORKS.update(known)


def own(function, **fields):
    return OwnNet.from_function(function).replace(input_shape=(8, 8, 1), **fields)


def test_the_arguments_are_part_of_the_run_and_their_order_is_not():
    first_net, other = own(partial(unnamed, width=3, skip=False)), own(partial(partial(unnamed, skip=False), width=3))
    assert first_net == other
    assert first_net.arguments == '{"skip": false, "width": 3}'
    runs = [Run(net, TrainSpec(steps=1)) for net in (first_net, own(unnamed), own(partial(unnamed, width=3)))]
    assert len({run.id for run in runs}) == 3
    assert Run.from_dict(runs[0].to_dict()).id == runs[0].id
    assert net_of(first_net.model_dump()) == first_net


def test_the_code_and_what_it_refers_to_are_part_of_the_run(monkeypatch):
    net = own(unnamed)
    before = Run(net, TrainSpec(steps=1)).id
    assert code_of_net(net)
    monkeypatch.setitem(globals(), "WIDTH", 4)
    assert Run(net, TrainSpec(steps=1)).id == before  # the default was taken when the function was made
    monkeypatch.setattr(unnamed, "__defaults__", (True, 4))
    assert Run(net, TrainSpec(steps=1)).id != before


def test_weights_are_functions_of_the_seed_and_names_do_not_depend_on_what_was_built_before():
    first = build(own(unnamed), seed=1)
    layers.Conv2D(1, 1)
    again, other = build(own(unnamed), seed=1), build(own(unnamed), seed=2)
    assert [layer.name for layer in first.layers] == [layer.name for layer in again.layers]
    for first_net, same, different in zip(first.get_weights(), again.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(first_net, same)
        assert first_net.size < 3 or not np.array_equal(first_net, different) or len(np.unique(first_net)) == 1
    names = {variable.path for variable in first.variables}
    assert "conv2d/kernel" in names


def test_names_of_the_session_go_on_as_they_were():
    before = layers.Conv2D(1, 1).name
    build(own(unnamed))
    count = int(before.rpartition("_")[2]) if "_" in before else 0
    assert layers.Conv2D(1, 1).name == f"conv2d_{count + 1}"


def test_the_cost_is_counted_from_the_model():
    spent = cost(own(unnamed))
    model = build(own(unnamed))
    assert spent.trainable == sum(weight.shape.num_elements() for weight in model.trainable_weights)
    assert spent.bn_running_stats == 2 * WIDTH
    assert spent.macs == 64 * 9 * (1 + WIDTH) * WIDTH + WIDTH * 10
    assert spent.depth == 3
    by_name = {layer.name: layer.macs for layer in spent.layers if layer.macs}
    assert by_name == {"conv2d": 64 * 9 * WIDTH, "conv2d_1": 64 * 9 * WIDTH * WIDTH, "dense": WIDTH * 10}
    assert spent.activation_bytes > 4 * 64 * WIDTH


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda input_shape, classes: None, "a function with a name, at the top of a module, but got <function <lambd"),
        (partial(unnamed, (8, 8, 1)), "must be given by name, but got ((8, 8, 1),)"),
        (partial(unnamed, width=object()), "a network's arguments must be numbers, texts and lists"),
        (partial(unnamed, width=float("nan")), "a network's arguments must be numbers, texts and lists"),
        (without_classes, "must take input_shape and classes, but `without_classes` takes input_shape"),
        (keras.applications.ResNet50, None),
        (nothing, "must return a functional keras.Model, but it returned a NoneType"),
        (another_size, "that takes images of (8, 8, 1), but it takes (9, 9, 1)"),
        (partial(of_kind, kind="softmax"), "that gives logits, but `dense` is a softmax; remove it"),
        (partial(of_kind, kind="layer"), "that gives logits, but `softmax` is a softmax; remove it"),
        (partial(of_kind, kind="more"), "that gives a logit for each of 10 classes, but it gives (11,)"),
        (partial(of_kind, kind="map"), "that gives a logit for each of 10 classes, but it gives (8, 8, 10)"),
        (partial(of_kind, kind="regularised"), "'dense' adds a loss of its own"),
        (partial(of_kind, kind="none"), "must return a functional keras.Model, but it raises ZeroDivisionError"),
        (partial(unnamed, widht=3), "unexpected keyword argument 'widht'"),
    ],
    ids=[
        "a lambda", "arguments by place", "an object", "not a number", "without classes", "of Keras", "nothing",
        "another size", "softmax", "a softmax layer", "more classes", "a map", "regularised", "an error", "misspelt",
    ],
)  # fmt: skip
def test_a_function_that_builds_none_is_a_user_error(function, message):
    with pytest.raises(UserError, match=re.escape(message or "classes")):
        cost(own(function))


def test_a_function_that_is_defined_again_takes_the_place_of_the_first_and_another_does_not():
    OwnNet.from_function(unnamed)
    OwnNet.from_function(unnamed)
    NETWORKS["unnamed"] = Network(of_kind)
    of_kind.__module__, module = "elsewhere", of_kind.__module__
    try:
        with pytest.raises(UserError, match="there is a function 'unnamed' already"):
            OwnNet.from_function(unnamed)
    finally:
        of_kind.__module__ = module
