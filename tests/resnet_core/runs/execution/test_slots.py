"""What every slot promises, shown with one whose processes are words of a script."""

import pytest

from resnet_core.nets.spec import cifar
from resnet_core.runs.execution import slots
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.slots import Slot, execute_in
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.loop import Progress


class Scripted(Slot):
    """Runs end as the script says, one word a try; a new process is ready at the second look."""

    def __init__(self, job, on_progress, script):
        self.script, self.events = iter(script), []
        super().__init__(job, on_progress)

    def open(self):
        self.events.append("open")
        self.looks = 0

    def close(self):
        self.events.append("close")

    @property
    def idle(self):
        return self.looks > 0 and not self.task

    def begin(self, run):
        self.events.append(run.label)

    def look(self, tasks):
        self.looks += 1
        if not self.task:
            return None
        self.report(Progress(3, 4, 0, 0.0))
        match next(self.script):
            case "ends":
                record = Record(self.task.run, Outcome("completed", 4))
                self.job.store.write(record)
                return self.recorded(record)
            case "late":
                return self.timed_out()
            case status:
                return self.died(tasks, status, "its process ended")


def ended(tmp_path, script, runs, **job):
    """Return the outcomes of runs, and what one slot did."""
    store = Store(tmp_path)
    slot = Scripted(Job(store, **job), lambda run, progress: None, script)
    todo = Todo(runs, store)
    outcomes = []
    for record in execute_in([slot], lambda left: None, todo):
        todo.finish(record.run)
        outcomes.append(record.outcome)
    assert store.claimed() == set()
    return outcomes, slot.events


RUNS = [Run(cifar(depth), TrainSpec(steps=4), seed=seed) for depth in (8, 14) for seed in (0, 1)]
FIRST, LABEL = RUNS[:1], RUNS[0].label


def test_a_run_that_is_killed_is_begun_again_in_a_new_process(tmp_path):
    outcomes, events = ended(tmp_path, ["killed", "ends"], FIRST, retries=1)
    assert outcomes == [Outcome("completed", 4)]
    assert events == ["open", LABEL, "close", "open", LABEL]


@pytest.mark.parametrize(
    ("script", "job", "outcome"),
    [
        (["killed"] * 2, {"retries": 1}, Outcome("killed", 3, "its process ended, in 2 of 2 tries")),
        (["crashed"], {"retries": 1}, Outcome("crashed", 3, "its process ended, in 1 of 2 tries")),
        (["late"], {"timeout": 7.0}, Outcome("timed_out", 3, "it took more than 7 s")),
    ],
    ids=["killed", "crashed", "late"],
)
def test_a_run_that_is_lost_is_recorded_with_the_step_that_it_reached(tmp_path, script, job, outcome):
    """And no process is started where no run is left."""
    outcomes, events = ended(tmp_path, script, FIRST, **job)
    assert outcomes == [outcome]
    assert events == ["open", LABEL, "close"] * len(script)


def test_the_run_after_one_that_is_lost_has_a_new_process(tmp_path):
    outcomes, events = ended(tmp_path, ["late", "ends"], RUNS[:2], timeout=7.0)
    assert [outcome.status for outcome in outcomes] == ["timed_out", "completed"]
    assert events == ["open", LABEL, "close", "open", RUNS[1].label]


def test_a_worn_process_gives_way_at_the_next_network(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "NETWORKS", 1)
    outcomes, events = ended(tmp_path, ["ends"] * 4, RUNS)
    assert len(outcomes) == 4
    labels = [run.label for run in RUNS]
    assert events == ["open", *labels[:2], "close", "open", *labels[2:]]
