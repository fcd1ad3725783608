"""Runs in open shapes: what comes of them, and that it does not depend on what was traced or under way before."""

import json

import numpy as np
import pytest

from resnet_core import register_block
from resnet_core.nets.keras_net import build
from resnet_core.nets.opened.compiled import compiled
from resnet_core.nets.registry import BLOCKS
from resnet_core.nets.spec import cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import prepare
from resnet_core.runs.records.record import Stored
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint, variables_of
from resnet_core.runs.training.forms import form_of, in_own_form, weights_of_state, why_own
from resnet_core.runs.training.open_engine import updates
from resnet_core.runs.training.train import train_run

FIELDS = {"input_shape": (8, 8, 1), "survival": 0.8}
NET = cifar(14, 4, **FIELDS)
TRAIN = TrainSpec(data="digits", steps=25, batch_size=64, learning_rate=0.01, form="open")
PROBE = ProbeSpec(steps=(0, 2), each_epoch=False, batch_size=32, step_gradients=10)
OTHERS = [cifar(8, 6, **FIELDS), cifar(20, 2, **FIELDS), cifar(14, 4, **{**FIELDS, "survival": 0.5})]


@pytest.fixture(scope="module")
def data(digits):
    return prepare(digits, TRAIN)


def rows(record):
    assert record.outcome.status == "completed", record.outcome.message
    return json.dumps([record.results, record.epochs, record.probes])


@pytest.fixture(scope="module")
def record(data):
    """A run, the first of its kind."""
    compiled.cache_clear()
    updates.cache_clear()
    return train_run(Run(NET, TRAIN, PROBE), data)


def test_a_run_has_the_rows_of_its_own_form(record, data):
    """Rounding grows from step to step: within a hundredth after 25."""
    own = train_run(Run(NET, TRAIN.replace(form="own"), PROBE), data)
    assert (record.form, own.form) == ("open", "own")
    assert record.results.keys() == own.results.keys()
    assert [record.results[name] for name in own.results] == pytest.approx(list(own.results.values()), rel=0.01)
    for mine, theirs in ((record.epochs, own.epochs), (record.probes, own.probes)):
        assert len(mine) == len(theirs)
        for mine_row, other in zip(mine, theirs, strict=True):
            same = {name: value for name, value in other.items() if not isinstance(value, float)}
            assert {name: mine_row[name] for name in same} == same
            numbers = [name for name in other if name not in same]
            assert [mine_row[name] for name in numbers] == pytest.approx([other[name] for name in numbers], rel=0.01)


class Stops:
    """Says after twenty questions that the run is to stop."""

    def __init__(self):
        self.asked = 0

    def __call__(self):
        self.asked += 1
        return self.asked > 20


def test_it_has_the_same_bits_after_others_of_its_kind_and_when_it_goes_on(record, data, tmp_path):
    short = TRAIN.replace(steps=3, momentum=0.5, weight_decay=0.01, batch_size=32)
    others = [train_run(Run(net, short, PROBE), data) for net in OTHERS]
    assert len({rows(other) for other in others}) == 3
    assert rows(train_run(Run(NET, TRAIN, PROBE), data)) == rows(record)
    assert (compiled.cache_info().misses, updates.cache_info().misses) == (1, 1)
    path = tmp_path / "state.npz"
    with pytest.raises(KeyboardInterrupt):
        train_run(Run(NET, TRAIN, PROBE), data, checkpoint=Checkpoint(path, 1e9, stop=Stops()))
    train_run(Run(OTHERS[0], TRAIN.replace(steps=3), PROBE), data)
    assert rows(train_run(Run(NET, TRAIN, PROBE), data, checkpoint=Checkpoint(path, 1e9))) == rows(record)


def test_its_weights_are_those_of_a_keras_model(record, data, tmp_path):
    trained, path = [], tmp_path / "state.npz"
    run = Run(NET, TRAIN, PROBE)
    again = train_run(run, data, checkpoint=Checkpoint(path, 1e9, keeps_last=True), on_trained=trained.append)
    assert rows(again) == rows(record)
    for mine, kept in zip(trained[0], weights_of_state(run, variables_of(path)), strict=True):
        np.testing.assert_array_equal(mine, kept)
    model = build(NET)
    model.set_weights(trained[0])
    logits = model.predict((data.x_test.astype("float32") - data.shift) * data.scale, verbose=0)
    assert record.results["test_accuracy"] == pytest.approx((logits.argmax(1) == data.y_test).mean())


def test_a_record_says_its_form(record):
    stored = Stored.from_dict({**record.to_dict(), "run": record.run.to_dict()})
    assert (record.to_dict()["form"], stored.record().form) == ("open", "open")
    assert Run(NET, TRAIN).id != Run(NET, TRAIN.replace(form="own")).id
    assert Run(NET, TRAIN.replace(form="own")).id == Run(NET, TrainSpec(**TRAIN.replace(form="own").given())).id


def test_what_has_no_open_form_takes_its_own_and_says_why():
    @register_block("layered", kernels=(3,))
    def layered(at, x, width, strides):
        return at.layer(at.conv(x, width, 3, strides, name="conv1"), lambda name: None, name="mine")

    try:
        run = Run(cifar(8, 4, block="layered"), TRAIN)
        assert form_of(run) == "own"
        assert "`at.layer`" in why_own(run)
    finally:
        del BLOCKS["layered"]
    half = Run(NET, TRAIN.replace(precision="mixed_float16"))
    assert (form_of(half), why_own(half)) == ("own", "half precision (mixed_float16) is trained in its own form")
    assert in_own_form([half, half, Run(NET, TRAIN)]) == [f"2 of 3 runs are trained in their own form: {why_own(half)}"]
    assert (form_of(Run(NET, TRAIN)), form_of(Run(NET, TRAIN.replace(form="own")))) == ("open", "own")


@pytest.mark.parametrize(
    ("net", "train", "form"),
    [
        (cifar(20, 8, input_shape=(8, 8, 1)), {"steps": 300}, "open"),
        (cifar(20, 8, input_shape=(8, 8, 1)), {"steps": 30_000}, "own"),
        (cifar(110, 8, input_shape=(8, 8, 1)), {"steps": 1500}, "open"),
        (cifar(8, 8, input_shape=(8, 8, 1)), {"steps": 1500}, "own"),
        (cifar(20, 8, input_shape=(8, 8, 1)), {"epochs": 1}, "open"),
        (cifar(20, 8, input_shape=(8, 8, 1)), {"epochs": 900}, "open"),
        (cifar(20, 16), {"epochs": 1}, "own"),
        (cifar(20, 16), {"steps": 100}, "open"),
        (cifar(20, 16), {"steps": 3000}, "own"),
        (cifar(8, 4), {"steps": 10, "precision": "mixed_bfloat16"}, "own"),
    ],
)
def test_auto_takes_the_form_that_is_expected_to_be_faster(net, train, form):
    run = Run(net, TrainSpec(**train, form="auto"))
    assert form_of(run) == form
    assert in_own_form([run]) == []


def test_a_run_has_the_bits_of_the_form_that_auto_takes(record, data):
    chosen = train_run(Run(NET, TRAIN.replace(form="auto"), PROBE), data)
    assert (chosen.form, rows(chosen)) == ("open", rows(record))
