import numpy as np
import pytest
import tensorflow as tf

from resnet_core.runs.spec import TrainSpec
from resnet_core.runs.training.optimizers import optimizer
from resnet_core.runs.training.step import StepSpec

SHAPES = [(3, 3, 2, 4), (4,), (4, 5)]
RATES = [0.1, 0.1, 0.01, 0.05]


def drawn():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape) for shape in SHAPES]
    return start, [[rng.normal(size=shape) for shape in SHAPES] for _ in RATES]


def decay_of(train, weight):
    return train.weight_decay * (train.weight_decay_of == "all" or weight.ndim > 1)


def sgd(train, weights, gradients):
    """Torch's: g' = g + d w; v = m v + g'; w = w - lr v, or with Nesterov's momentum w - lr (g' + m v)."""
    velocity = [np.zeros_like(weight) for weight in weights]
    for rate, step in zip(RATES, gradients, strict=True):
        for i, (weight, gradient) in enumerate(zip(weights, step, strict=True)):
            g = gradient + decay_of(train, weight) * weight
            velocity[i] = train.momentum * velocity[i] + g
            weights[i] = weight - rate * (g + train.momentum * velocity[i] if train.nesterov else velocity[i])
    return weights


def adamw(train, weights, gradients):
    """Loshchilov and Hutter 2019, algorithm 2, with the decay times the learning rate."""
    first, second = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    for t, (rate, step) in enumerate(zip(RATES, gradients, strict=True), start=1):
        for i, (weight, g) in enumerate(zip(weights, step, strict=True)):
            first[i] = train.beta_1 * first[i] + (1 - train.beta_1) * g
            second[i] = train.beta_2 * second[i] + (1 - train.beta_2) * g**2
            mean, square = first[i] / (1 - train.beta_1**t), second[i] / (1 - train.beta_2**t)
            weights[i] = weight - rate * (mean / (np.sqrt(square) + train.epsilon) + decay_of(train, weight) * weight)
    return weights


@pytest.mark.parametrize(
    "fields",
    [
        {"weight_decay": 0.0},
        {"weight_decay": 0.01},
        {"weight_decay": 0.01, "nesterov": True},
        {"weight_decay": 0.01, "weight_decay_of": "all", "nesterov": True, "momentum": 0.7},
        {"optimizer": "adamw", "weight_decay": 0.0},
        {"optimizer": "adamw", "weight_decay": 0.1, "epsilon": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1, "weight_decay_of": "all", "beta_1": 0.8, "beta_2": 0.95},
    ],
    ids=str,
)
def test_an_update_is_its_formula_and_a_reset_forgets(fields):
    train = TrainSpec(steps=1, **fields)
    start, gradients = drawn()
    expected = {"sgd": sgd, "adamw": adamw}[train.optimizer](train, list(start), gradients)
    weights = [tf.Variable(weight, dtype=tf.float32) for weight in start]
    update = optimizer(weights, StepSpec.from_specs(train))
    compiled = tf.function(lambda gradients, rate: update.apply(gradients, rate))
    ends = []
    for _ in range(2):
        for weight, value in zip(weights, start, strict=True):
            weight.assign(value)
        update.reset()
        for rate, step in zip(RATES, gradients, strict=True):
            compiled([tf.constant(gradient, tf.float32) for gradient in step], tf.constant(rate))
        ends.append([weight.numpy() for weight in weights])
    for mine, theirs, again in zip(ends[0], expected, ends[1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=2e-5, atol=2e-6)  # float32 against float64
        np.testing.assert_array_equal(mine, again)
