"""What a run costs beside its training: recording 10,000 of them, and reading 100,000."""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from analysis.pages import report
from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.train import network_of

TRAIN = TrainSpec(steps=2, data_sha256="0" * 64)
ARMS = [(depth, skip) for depth in (8, 14, 20, 26, 32) for skip in ("none", "A", "B", "C")]


class NoOp(Job):
    """Records a run without training."""

    def begin(self):
        pass

    def perform(self, run, on_progress):
        record = recorded(run)
        self.record(record)
        return record


def run(seed, depth=8, skip="A"):
    return Run(cifar(depth, skip=skip), TRAIN, seed=seed, factors={"depth": depth, "skip": skip})


def recorded(run):
    epochs = [{"epoch": 1, "step": 2, "learning_rate": 0.1, "loss": 2.0 + run.seed % 7 / 10, "accuracy": 0.1}]
    probe = {"probe": "weight_gradient_l2", "path": "main"}
    probes = [
        {"step": step, "epoch": step // 2, **probe, "layer": f"conv{i}", "index": i, "value": 1.0 + run.seed % 5}
        for step in (0, 2)
        for i in range(4)
    ]
    results = {"test_loss": 2.0, "test_accuracy": (run.seed % 100) / 100}
    return Record(run, Outcome("completed", 2), results, epochs, probes, network_of(run), {"threads": 1}, 1.0)


def overhead(runs=10_000, workers=2):
    """Return the milliseconds that `processes` takes for a run that does nothing but be recorded."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        todo = Todo([run(seed) for seed in range(runs)], store)
        records = EXECUTORS["processes"](todo, NoOp(store, workers=workers), lambda run, progress: None)
        todo.finish(next(records).run)  # the processes are there
        started = time.perf_counter()
        for record in records:
            todo.finish(record.run)
        return 1000 * (time.perf_counter() - started) / (runs - 1)


def reading(runs=100_000):
    """Return the seconds of `compact`, of `frames` and of a report's tables, and the peak memory of those in GiB."""
    with tempfile.TemporaryDirectory() as folder:
        compact = _in_another_process("make", folder, str(runs))
        return {"compact": compact} | _in_another_process("read", folder)


def _in_another_process(*arguments):
    command = [sys.executable, "-m", "benchmarks.store", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def filled(folder, runs):
    """Write so many records, and return the seconds in which they are compacted."""
    store = Store(Path(folder))
    each = [run(seed, *arm) for seed in range(runs // len(ARMS)) for arm in ARMS]
    planned = tuple(map(PlannedRun.from_run, each))
    store.add_plan(Plan("bench", "?", "", {}, ("depth", "skip"), ("",), planned, 1))
    for record in each:
        store.write(recorded(record))
    started = time.perf_counter()
    store.compact()
    return time.perf_counter() - started


def measured(folder):
    """Return what `reading` says of `frames` and of the tables."""
    started = time.perf_counter()
    Store(Path(folder)).frames()
    read = time.perf_counter()
    report.tables_of(report.read(Path(folder)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"frames": read - started, "tables": time.perf_counter() - read, "GiB": peak}


if __name__ == "__main__":
    print(json.dumps(filled(sys.argv[2], int(sys.argv[3])) if sys.argv[1] == "make" else measured(sys.argv[2])))
