"""`resnet_core.train`: one network, trained in this process."""

import re

import keras
import numpy as np
import pytest

import resnet_core
from resnet_core.errors import UserError
from resnet_core.runs.data import open_source
from resnet_core.runs.execution.job import dataset
from resnet_core.runs.training.train import train_run
from tests.resnet_core.runs.data.test_given import TEST, X, Y, cache_folder

__all__ = ["cache_folder"]
NET = resnet_core.cifar(8, width=2)
FEW = {"batch_size": 4, "probe": resnet_core.ProbeSpec(steps=(), each_epoch=False, batch_size=4)}


@pytest.fixture
def record(cache_folder):
    return resnet_core.train(NET, (X, Y, *TEST), epochs=2, progress=False, **FEW)


def test_the_record_is_that_of_the_same_run(record):
    assert record.run.net.input_shape == (8, 8, 3)
    assert record.run.net.classes == 2
    assert [row["epoch"] for row in record.epochs] == [1, 2]
    again = train_run(record.run, dataset(record.run.train))
    assert again.results == record.results
    assert record.data.class_names == ("0", "1")


def test_the_trained_network_is_there(record):
    images = open_source(record.run.train.data).images
    data = dataset(record.run.train)
    logits = record.model((np.asarray(images.x_test) - data.shift) * data.scale, training=False).numpy()
    assert (logits.argmax(-1) == images.y_test).mean() == record.results["test_accuracy"]


def test_nothing_is_printed_without_progress_and_a_line_with_it(cache_folder, capsys):
    options = {"data": (X, Y, *TEST), "steps": 1, **FEW}
    resnet_core.train(NET, progress=False, **options)
    assert capsys.readouterr() == ("", "")
    resnet_core.train(NET, **options)
    assert capsys.readouterr().out.startswith("[1/1] seed=0: ")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"net": NET.replace(input_shape=(16, 16, 3))}, "`input_shape` must be that of the data, (8, 8, 3), but the"),
        ({"net": NET.replace(classes=3)}, "`classes` must be that of the data, 2, but the network has 3"),
        ({"batch_size": 64}, "`batch_size` must be at most the number of training images (18"),
        ({"bach_size": 4}, "TrainSpec has no field 'bach_size'; did you mean 'batch_size'?"),
        ({"epochs": 2, "steps": 3}, "exactly one of `steps` and `epochs` must be set"),
        ({"data_sha256": "0"}, "a setting must not be one that follows from the data, but got `data_sha256`"),
        ({"data": "nowhere"}, "a data set must be a known name"),
        ({"net": "resnet18"}, "a network must be a NetSpec, as cifar(20) or network('resnet18'), or a function"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_a_user_error(given, message, cache_folder):
    options = {"net": NET, "data": (X, Y, *TEST), "progress": False, **FEW, **given}
    with pytest.raises(UserError, match=re.escape(message)):
        resnet_core.train(**options)


def test_a_run_that_diverged_has_no_network(cache_folder):
    record = resnet_core.train(NET, (X, Y, *TEST), steps=3, learning_rate=1e30, progress=False, **FEW)
    assert record.status == "diverged"
    with pytest.raises(UserError, match="needs a run that completed, but it diverged"):
        record.model  # noqa: B018


def perceptron(input_shape, classes):
    images = keras.Input(input_shape)
    return keras.Model(images, keras.layers.Dense(classes)(keras.layers.Flatten()(images)))


def test_a_network_without_blocks_is_measured_too(cache_folder):
    probe = resnet_core.ProbeSpec(batch_size=4)
    record = resnet_core.train(perceptron, (X, Y, *TEST), steps=1, progress=False, batch_size=4, probe=probe)
    assert record.status != "crashed", record.outcome.message
    assert {row["layer"] for row in record.probes} == {"dense"}
