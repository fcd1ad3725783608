"""Studies whose runs are recorded without a training, so that what is around it can be tried thousands of times."""

import os
import random
from dataclasses import dataclass, replace

from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.job import Ended, Job
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec

TRAIN = TrainSpec(steps=2)


def run_of(seed, skip="A"):
    return Run(cifar(8, skip=skip), TRAIN, seed=seed, factors={"skip": skip})


def plan_of(runs):
    planned = tuple(map(PlannedRun.from_run, runs))
    return Plan("stub", "Does it last?", "Nobody", {"train.steps": 2}, ("skip",), ("stub",), planned, threads=1)


def result_of(run):
    """Return the accuracy of a run: a function of its id, as that of a training is."""
    return random.Random(run.id).random()


def fate_of(run, attempt):
    """Return how an attempt of a run ends: the first often, the third never, in failure."""
    return "killed" if random.Random(f"{run.id} {attempt}").random() < 0.6 - 0.3 * (attempt - 1) else "completed"


def record_of(run, attempt=1):
    status = fate_of(run, attempt)
    accuracy = result_of(run)
    completed = status == "completed"
    epochs = [{"epoch": 1, "step": 2, "learning_rate": 0.1, "loss": 1.0, "accuracy": accuracy}] if completed else []
    probe = {"step": 0, "epoch": 0, "probe": "p", "layer": "l", "index": 0, "path": "main", "value": accuracy}
    results = {"test_accuracy": accuracy} if completed else {}
    network = {"layers": 8, "parameters": 75_290, "macs": 1}
    return Record(run, Outcome(status, 2, "" if completed else "its process ended"), results, epochs, [probe], network,
                  {"threads": 1}, 1.5, attempt=attempt)  # fmt: skip


class StubJob(Job):
    """Records runs without training."""

    def begin(self):
        pass

    def execute(self, run, on_progress, *, keep=True):
        return Ended(record_of(run, self.attempt_of(run)))


@dataclass(frozen=True)
class StubExecution(Execution):
    """Executes runs by `StubJob`."""

    executor: str = "serial"

    def job(self, runs, seconds, threads, store, attempts):
        name, job = super().job(runs, seconds, threads, store, attempts)
        return name, StubJob(**vars(replace(job, setup=lambda: None)))


CHANGES = ("fsync", "link", "mkdir", "open", "rename", "replace", "unlink")
"""The calls of the system by which a folder changes."""


def killed_after(changes, function):
    """Call `function` in a process that is killed, as by a signal, before its n-th change of a folder.

    Args:
        changes: How many changes are made.
        function: What is called.

    Returns:
        Whether it was killed; else it had ended before.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    left = [changes]
    for name in CHANGES:
        call = getattr(os, name)

        def counted(*arguments, call=call, **options):
            left[0] -= 1
            if left[0] < 0:
                os._exit(9)
            return call(*arguments, **options)

        setattr(os, name, counted)
    try:
        function()
    except BaseException:
        os._exit(1)
    os._exit(0)
