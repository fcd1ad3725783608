"""The time that a search still takes, its bars, and its budget in hours."""

import pytest
from rich.console import Console

from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.display import bars
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from search.objectives import objectives
from search.pace import Pace


def record(accuracy, seconds, status="completed"):
    """Return a record that is made up."""
    run = Run(cifar(8, 4), TrainSpec(epochs=1, learning_rate=accuracy))
    results = {"val_accuracy": accuracy, "train_accuracy": 0.9, "train_loss": 0.1} if status == "completed" else {}
    return Record(run, Outcome(status, 10), results, seconds=seconds)


@pytest.fixture
def clock():
    return [100.0]


def paced(clock, best=2, seeds=3):
    return Pace(objectives("val_accuracy"), best, seeds, lambda: clock[0])


def test_nothing_is_known_before_a_trial_has_ended(clock):
    pace = paced(clock)
    pace.begin(1)
    assert (pace.left(10), pace.confirmation()) == (None, 0.0)


def test_the_time_left_has_the_confirmation_of_those_that_are_best_now(clock):
    pace = paced(clock)
    pace.begin(1)
    for accuracy, seconds in ((0.5, 10.0), (0.7, 20.0), (0.6, 30.0)):
        pace.end(record(accuracy, seconds))
    clock[0] += 60
    assert pace.confirmation() == 2 * 3 * (20 + 30)
    assert pace.left(4) == 4 * 20 + 300
    assert paced(clock, best=0).confirmation() == 0


@pytest.mark.parametrize(("workers", "expected"), [(2, 150.0), (100, 25.0)])
def test_workers_share_the_confirmation(workers, expected, clock):
    pace = paced(clock)
    pace.begin(workers, [record(0.7, 20.0), record(0.6, 30.0), record(0.9, 99.0, "diverged")])
    assert pace.confirmation() == expected


def test_a_long_note_is_cut_to_the_width():
    to = Console(width=90)
    shown = bars(to)
    values = " ".join(f"name{i}=value" for i in range(30))
    for description, note in (("trials", "starting TensorFlow"), ("steps", f"epoch 1  loss 0.1234  {values}")):
        shown.add_task(description, total=60, note=note)
    rendered = to.render_lines(shown.make_tasks_table(shown.tasks))
    lines = ["".join(segment.text for segment in line) for line in rendered]
    assert [line.split()[0] for line in lines] == ["trials", "steps"]
    assert [len(line) for line in lines] == [90, 90]
    assert lines[1].endswith("…")
