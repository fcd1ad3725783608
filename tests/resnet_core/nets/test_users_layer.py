"""Layers of all kinds in `at.layer`: each trains, is measured and goes on from its state, or is refused by its cost."""

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.nets import blocks
from resnet_core.nets.cost import cost
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.execution.job import dataset
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint
from resnet_core.runs.training.train import train_run

L = keras.layers
TRAIN = TrainSpec(steps=2, train_size=40, batch_size=8)


class Composite(L.Layer):
    """Layers within layers, weights and seeds and statistics in them, and no `get_config`."""

    def __init__(self, width, **common):
        super().__init__(**common)
        self.inner = keras.Sequential([L.Conv2D(width, 1), L.BatchNormalization(), L.Dropout(0.5)])
        self.noises = [L.GaussianNoise(0.1), L.Dropout(0.1)]

    def call(self, x, training=False):
        x = self.inner(x, training=training)
        for noise in self.noises:
            x = noise(x, training=training)
        return x

    def compute_output_shape(self, shape):
        return (*shape[:-1], self.inner.layers[0].filters)


class Weights(L.Layer):
    """Weights with initialisers of no name, one that nothing reads, a counter, and a `kernel` that is none."""

    kernel = 3

    def build(self, shape):
        self.a = self.add_weight(shape=(shape[-1],), initializer="ones", name="a")
        self.b = self.add_weight(shape=(shape[-1],), initializer="random_normal", name="b")
        self.unread = self.add_weight(shape=(2,), initializer="random_normal", name="unread")
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False, name="count")

    def call(self, x, training=False):
        if training:
            self.count.assign_add(1)
        return x * self.a + self.b

    def compute_output_shape(self, shape):
        return shape


class Raw(L.Layer):
    def build(self, shape):
        self.state = tf.Variable(0.0)

    def call(self, x):
        return x + self.state


class Loss(L.Layer):
    def call(self, x):
        self.add_loss(keras.ops.sum(x))
        return x


class Draws(L.Layer):
    def call(self, x):
        return x + keras.random.normal((1,))

    def compute_output_shape(self, shape):
        return shape


def frozen(layer):
    layer.trainable = False
    return layer


WORKS = {
    "without weights": lambda width, name: L.Activation("tanh", name=name),
    "of Keras": lambda width, name: L.DepthwiseConv2D(3, padding="same", name=name),
    "of several weights": lambda width, name: L.SeparableConv2D(width, 3, padding="same", name=name),
    "frozen": lambda width, name: L.Conv2D(width, 1, trainable=False, name=name),
    "frozen later": lambda width, name: frozen(L.Conv2D(width, 1, name=name)),
    "statistics": lambda width, name: L.BatchNormalization(name=name),
    "frozen statistics": lambda width, name: L.BatchNormalization(trainable=False, name=name),
    "noise": lambda width, name: L.GaussianNoise(0.5, name=name),
    "dropout with a seed": lambda width, name: L.Dropout(0.5, seed=3, name=name),
    "composite": lambda width, name: Composite(width, name=name),
    "of no initialiser": lambda width, name: Weights(name=name),
    "sequential": lambda width, name: keras.Sequential([L.Conv2D(width, 1), L.Dropout(0.5)], name=name),
}
TOGETHER = {
    "of Keras": ("without weights", "of Keras", "of several weights"),
    "frozen": ("frozen", "frozen later", "statistics", "frozen statistics"),
    "drawn": ("noise", "dropout with a seed", "of no initialiser"),
    "layers within layers": ("composite", "sequential"),
}
"""Those of one network, one after another in every block: a network takes seconds to trace."""
SHARED = L.Activation("relu", name="shared")
REFUSED = {
    "no layer": (lambda width, name: lambda x: x, "but it returned function"),
    "no name": (lambda width, name: L.Activation("relu"), "pass the name on"),
    "shared": (lambda width, name: SHARED, "but it returned one named 'shared'; .*share no layer"),
    "two outputs": (lambda width, name: L.Lambda(lambda x: [x, x], name=name), "returns a list, not a tensor"),
    "a loss": (lambda width, name: Loss(name=name), "adds a loss of its own"),
    "a regularizer": (lambda width, name: L.Conv2D(width, 1, kernel_regularizer="l2", name=name), "adds a loss of its"),
    "a constraint": (lambda width, name: L.Conv2D(width, 1, kernel_constraint="max_norm", name=name), "a constraint"),
    "another float": (lambda width, name: L.Conv2D(width, 1, dtype="float64", name=name), "of float64, .* be float32"),
    "a state of its own": (lambda width, name: Raw(name=name), "keeps `state` as a tf.Variable"),
    "global seeds": (lambda width, name: Draws(name=name), "draws from Keras' global seeds"),
}


@pytest.fixture
def net():
    """Return a network of a block with these layers; the block is registered in the test alone."""
    before = {**blocks.BLOCKS}

    def kernel_of(*makes):
        @blocks.register_block("with_layer", kernels=(3,))
        def with_layer(at, x, width, strides):
            x = at.conv(x, width, 3, strides, name="conv1")
            for i, make in enumerate(makes):
                x = at.layer(x, lambda name, make=make: make(width, name), name=f"mine{i}")
            return x

        return NetSpec(depths=(1, 1), widths=(4, 6), block="with_layer", input_shape=(8, 8, 1))

    yield kernel_of
    blocks.BLOCKS.clear()
    blocks.BLOCKS.update(before)


class Stops:
    """Tells a run to stop after some looks."""

    def __init__(self, looks):
        self.left = looks

    def __call__(self):
        self.left -= 1
        return self.left < 0


def test_every_layer_is_trained():
    assert sorted(kind for kinds in TOGETHER.values() for kind in kinds) == sorted(WORKS)


@pytest.mark.parametrize("kinds", TOGETHER.values(), ids=TOGETHER)
def test_it_trains_from_its_seed_and_goes_on_from_its_state(kinds, net, tmp_path):
    spec = net(*(WORKS[kind] for kind in kinds))
    run = Run(spec, TRAIN, ProbeSpec(batch_size=8, steps=(0, 1, 2), step_gradients=1))
    data = dataset(TRAIN)
    first = train_run(run, data)
    assert first.outcome.status == "completed", first.outcome.message
    other = train_run(replace(run, seed=1), data)  # shares the step
    again = train_run(run, data)
    assert (again.results, again.probes) == (first.results, first.probes)
    assert other.results != first.results
    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train_run(run, data, checkpoint=Checkpoint(path, 0.0, stop=Stops(1)))
    train_run(replace(run, seed=2), data)
    resumed = train_run(run, data, checkpoint=Checkpoint(path, 1e9))
    assert (resumed.results, resumed.epochs, resumed.probes) == (first.results, first.epochs, first.probes)


@pytest.mark.parametrize("kind", WORKS)
def test_its_initial_values_are_of_the_seed(kind, net):
    spec = net(WORKS[kind])
    first_model, same, other = (build(spec, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first_model.variables, same.variables, strict=True))
    drawn = [
        (a, b)
        for a, b in zip(first_model.variables, other.variables, strict=True)
        if "mine" in a.path and a.name == "kernel"
    ]
    assert all(not np.array_equal(a, b) for a, b in drawn)
    assert cost(spec).trainable == sum(int(np.prod(weight.shape)) for weight in first_model.trainable_weights)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_no_run_can_have_is_refused_by_its_cost(kind, net):
    make, message = REFUSED[kind]
    spec = net(make)
    with pytest.raises(UserError, match=message):
        cost(spec)
    with pytest.raises(UserError, match=message):
        build(spec)
