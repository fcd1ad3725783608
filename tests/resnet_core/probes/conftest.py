"""Networks of every kind that a probe must take, built once, with data that fit them."""

import keras
import numpy as np
import pytest

from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import cifar
from resnet_core.probes.subject import Subject
from resnet_core.probes.surgery import in_order

SMALL = {"width": 4, "input_shape": (8, 8, 3)}


def our_residual():
    return build(cifar(20, skip="A", **SMALL))


def our_plain():
    return build(cifar(20, skip="none", **SMALL))


def our_bottleneck():
    return build(cifar(29, skip="B", order="full_preactivation", block="bottleneck", **SMALL))


def applications_resnet50():
    return keras.applications.ResNet50(weights=None, input_shape=(32, 32, 3), classes=10)


def applications_resnet50v2():
    return keras.applications.ResNet50V2(weights=None, input_shape=(32, 32, 3), classes=10)


def two_joins():
    """A functional model of somebody else: an operator and a layer that add, names of its own, a softmax at its end."""
    keras.utils.set_random_seed(0)
    images = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", name="begin")(images)
    y = keras.layers.Conv2D(4, 3, padding="same", activation="relu", name="lefty")(x)
    x = x + keras.layers.Conv2D(4, 3, padding="same", name="righty")(y)
    y = keras.layers.Dense(4, name="mix")(x)
    x = keras.layers.Add(name="plus")([y, x])
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, keras.layers.Dense(10, activation="softmax", name="answer")(x))


def sequential():
    keras.utils.set_random_seed(0)
    body = [
        layer
        for _ in range(3)
        for layer in (
            keras.layers.Conv2D(4, 3, padding="same"),
            keras.layers.BatchNormalization(),
            keras.layers.ReLU(),
        )
    ]
    return keras.Sequential([keras.Input((8, 8, 3)), *body, keras.layers.Flatten(), keras.layers.Dense(10)])


NETWORKS = {
    make.__name__: make
    for make in (
        our_residual, our_plain, our_bottleneck, applications_resnet50, applications_resnet50v2, two_joins, sequential,
    )
}  # fmt: skip


def short(model, blocks):
    """Return a network with some of its blocks and a sixteenth of its filters, so that every probe may compile it."""

    def thin(layer):
        config = layer.get_config()
        return type(layer).from_config(config | {"filters": config["filters"] // 16} if "filters" in config else config)

    thinned = keras.models.clone_model(model, clone_function=thin)
    return in_order(thinned, [f"conv{block}" for block in blocks])


def short_resnet50():
    return short(applications_resnet50(), ("2_block1", "3_block1", "4_block1", "5_block1", "5_block2", "5_block3"))


def short_resnet50v2():
    """Of the stages the first block, whose skip is projected, and the last, whose skip is pooled."""
    pooled = ("2_block1", "2_block3", "3_block1", "3_block4", "4_block1", "4_block6")
    return short(applications_resnet50v2(), (*pooled, "5_block1", "5_block2", "5_block3"))


SHORT = {make.__name__: make for make in (short_resnet50, short_resnet50v2)}


@pytest.fixture(scope="session")
def subjects(networks):
    """Return the `Subject` of a network by its name, whose parts are compiled once for all tests."""
    known = {}

    def subject(name):
        if name not in known:
            known[name] = Subject(networks(name))
        return known[name]

    return subject


@pytest.fixture(scope="session")
def networks():
    """Return a network by its name in `NETWORKS` or `SHORT`; its moving statistics are not those of initialisation."""
    known = {}

    def network(name):
        if name not in known:
            known[name] = {**NETWORKS, **SHORT}[name]()
            known[name](images_for(known[name], 8), training=True)
        return known[name]

    return network


def operator_of(model):
    """Return the name of the operator that adds in `two_joins`: Keras numbers the operators of a process."""
    return next(name for name in (op.name for op in model.operations) if name.startswith("add"))


def images_for(model, count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, *model.input_shape[1:])).astype("float32")


def labels_for(count, seed=0):
    return np.random.default_rng(seed).integers(0, 10, count)
