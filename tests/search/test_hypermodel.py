"""The spaces and oracles in a plain KerasTuner."""

from pathlib import Path

import keras_tuner
import numpy as np
import pytest

from resnet_core.nets.cost import cost
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import TrainSpec
from search import HyperModel, Limits
from search.hypermodel import optimizer
from search.spaces import SPACES, space_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DATA = DataInfo((8, 8, 1), 10, 0)


def test_the_script_of_the_documentation(program, tmp_path):
    script = (EXAMPLES / "my_tuner.py").read_text()
    assert "max_trials=3" in script
    (tmp_path / "my_tuner.py").write_text(script.replace("max_trials=3", "max_trials=2"))  # in two thirds of the time
    for _ in range(2):  # the second time it goes on from what is there
        done = program("my_tuner.py")
        assert done.returncode == 0, done.stderr
        assert "learning_rate" in done.stdout
    assert (tmp_path / "tuned" / "untitled_project" / "oracle.json").exists()


def test_the_space_of_the_documentation():
    space = space_of(str(EXAMPLES / "my_space.py"))
    assert space.names == ["norm", "scale", "width", "learning_rate"]
    net, train = space.point(space.active({"norm": "none", "scale": "skipinit", "width": 8}), TrainSpec(steps=1), DATA)
    assert (net.norm, net.branch_scale, net.widths, train.learning_rate) == ("none", "skipinit", (8, 16, 32), 0.01)


@pytest.mark.parametrize("space", SPACES)
def test_the_built_network_is_that_of_the_space_compiled(space):
    model = HyperModel(space, input_shape=(8, 8, 1), classes=10)
    hp = model.space.hyperparameters.copy()
    net, train = model.space.point(hp.values, TrainSpec(steps=1), DATA)
    built = model.build(hp)
    assert sum(int(np.prod(weight.shape)) for weight in built.trainable_weights) == cost(net).trainable
    assert float(built.optimizer.learning_rate) == pytest.approx(train.learning_rate)
    assert len(hp.space) == len(model.space.hyperparameters.space)  # all are known before the first build


def test_weights_are_seeded():
    each, same, other = (HyperModel("tiny", input_shape=(8, 8, 1), classes=10, seed=seed) for seed in (0, 0, 1))
    hp = each.space.hyperparameters
    kernels = [model.build(hp.copy()).get_weights()[0] for model in (each, same, other)]
    assert np.array_equal(kernels[0], kernels[1])
    assert not np.array_equal(kernels[0], kernels[2])


def test_normalisation_follows_in_short_trainings():
    """Keras' own momentum of 0.99 keeps a tenth of the initial statistics after 200 steps; ours 1e-9."""
    built = HyperModel("tiny", input_shape=(8, 8, 1), classes=10).build(keras_tuner.HyperParameters())
    momenta = {layer.momentum for layer in built.layers if hasattr(layer, "momentum")}
    assert momenta == {0.9}


def test_networks_over_the_limits_are_not_proposed():
    model = HyperModel("tiny", input_shape=(8, 8, 1), classes=10, limits=Limits(parameters=10_000))
    proposes = model.oracle("random", max_trials=20)
    for i in range(20):
        values = proposes.create_trial(str(i)).hyperparameters.values
        assert cost(model.space.point(values, TrainSpec(steps=1), DATA)[0]).trainable <= 10_000


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_the_optimiser_is_keras_own(kind):
    train = TrainSpec(steps=1, optimizer=kind, learning_rate=0.01, weight_decay=1e-3)
    adamw = optimizer(train)
    assert (type(adamw).__name__.lower(), adamw.weight_decay) == (kind, 1e-3)
