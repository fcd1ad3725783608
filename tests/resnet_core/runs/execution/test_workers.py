"""Workers that are forked from a server which has loaded TensorFlow."""

import json
import os
import signal
import sys
from functools import partial
from pathlib import Path

import pytest

import resnet_core
from resnet_core.nets.spec import cifar
from resnet_core.runs.execution.executors import processes
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.execution.workers import context
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run, TrainSpec

LOADED = "keras" in sys.modules  # a worker imports this module before it loads what it needs
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="on other systems workers start from nothing")


def tell(folder):
    """Write what a worker is like when it has begun."""
    from tensorflow.python.eager import context

    telling = {
        "server": os.getppid(),
        "launcher": int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1]),
        "loaded": LOADED,
        "computed": context.context()._initialized,
        "package": resnet_core.__file__,
        "marked": os.environ.get("MARKED"),
        "folders": os.environ.get("PYTHONPATH"),
    }
    (folder / f"{os.getpid()}.json").write_text(json.dumps(telling))


def tell_and_kill_server(folder):
    """The first worker ends the server when the second has told, too; both end with it."""
    tell(folder)
    if claimed(folder / "first"):
        (folder / "second told").open().close()  # waits until the other end is opened
        os.kill(os.getppid(), signal.SIGKILL)
        signal.pause()
    elif claimed(folder / "second"):
        (folder / "second told").open("w").close()
        signal.pause()


def claimed(path):
    """Whether this worker, and no other, has made a file."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def test_workers_are_forks_of_a_server_that_has_computed_nothing(tmp_path, monkeypatch):
    """One that is killed takes its workers with it, and their runs are begun again in those of another.

    Each has the environment that its launcher has then, and the modules that it has.
    """
    monkeypatch.setenv("MARKED", "yes")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "resnet_core.py").write_text("raise AssertionError('a module of the current folder is loaded')")
    (tmp_path / "study").mkdir()
    os.mkfifo(tmp_path / "second told")
    job = Job(Store(tmp_path / "study"), workers=2, setup=partial(tell_and_kill_server, tmp_path))
    train = TrainSpec(steps=1, train_size=200)
    runs = [Run(cifar(8, width=4, input_shape=(8, 8, 1)), train, seed=seed) for seed in range(2)]
    records = list(processes(Todo(runs, job.store), job, lambda run, progress: None))
    assert [record.outcome.status for record in records] == ["completed"] * 2
    reports = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert len({report.pop("server") for report in reports}) == 2
    expected = {
        "launcher": os.getpid(), "loaded": True, "computed": False, "package": resnet_core.__file__, "marked": "yes",
        "folders": os.environ.get("PYTHONPATH"),
    }  # fmt: skip
    assert reports == [expected] * len(reports)


@pytest.mark.parametrize(
    ("device", "variable", "method"),
    [
        (None, "PATH", "forkserver"),
        ("0", "PATH", "spawn"),
        (None, "OMP_NUM_THREADS", "spawn"),
        (None, "TF_A", "forkserver"),
    ],
)
def test_workers_with_a_gpu_or_another_environment_start_from_nothing(device, variable, method, monkeypatch):
    context(None)
    monkeypatch.setenv(variable, "7")
    assert context(device).get_start_method() == method
