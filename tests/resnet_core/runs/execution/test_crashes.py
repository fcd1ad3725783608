"""Native crashes: the dying process says how, and its run is recorded as crashed; one that is killed is run again."""

import faulthandler
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from resnet_core.runs.execution.crashes import crash_in, is_crash, witnessed
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.store import Store
from tests.resnet_core.runs.execution.test_executors import JOB, executed, misbehaving, run

ROOT = Path(__file__).parents[4]
SCRIPT = """
import ctypes, os, signal, sys
from pathlib import Path
from resnet_core.runs.execution.crashes import witnessed
with witnessed(Path(sys.argv[1])):
    {}
"""
CRASHES = {
    "SIGSEGV": "ctypes.string_at(0)",
    "SIGABRT": "os.abort()",
    "SIGBUS": "os.kill(os.getpid(), signal.SIGBUS)",
    "SIGFPE": "os.kill(os.getpid(), signal.SIGFPE)",
    "SIGILL": "os.kill(os.getpid(), signal.SIGILL)",
}
ENDS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "terminated": "os.kill(os.getpid(), signal.SIGTERM)",
    "an exit": "os._exit(3)",
    "an error": "raise RuntimeError",
    "an interrupt": "raise KeyboardInterrupt",
    "nothing": "pass",
}


def ended(body, path):
    command = [sys.executable, "-c", SCRIPT.format(body), path]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode


@pytest.mark.parametrize(("signal", "body"), CRASHES.items(), ids=CRASHES)
def test_a_process_that_crashes_says_how(signal, body, tmp_path):
    assert is_crash(ended(body, tmp_path / "run.crash"))
    lines = crash_in(tmp_path / "run.crash").splitlines()
    assert lines[-1] == f"its process ended with signal {signal}"
    assert any('File "<string>", line 6' in line for line in lines)


@pytest.mark.parametrize("body", ENDS.values(), ids=ENDS)
def test_one_that_ends_otherwise_says_nothing(body, tmp_path):
    assert not is_crash(ended(body, tmp_path / "run.crash"))
    assert crash_in(tmp_path / "run.crash") is None


def test_what_listened_before_listens_after(tmp_path):
    was = faulthandler.is_enabled()
    with witnessed(tmp_path / "run.crash"):
        assert faulthandler.is_enabled()
    assert faulthandler.is_enabled() == was
    assert not (tmp_path / "run.crash").exists()


def test_a_folder_that_is_not_there_is_no_hindrance(tmp_path):
    with witnessed(tmp_path / "claims" / "run.crash"):
        pass


LAUNCHER = """
import sys
from pathlib import Path
from tests.resnet_core.runs.execution.test_executors import executed, misbehaving, run
from resnet_core.runs.records.store import Store
executed("serial", [run(0), misbehaving("faults"), run(0, skip="none")], Store(Path(sys.argv[1])))
"""


def test_the_next_launcher_records_the_crash_and_executes_the_rest(programs, tmp_path):
    (tmp_path / "study").mkdir()
    store = Store(tmp_path / "study")
    (tmp_path / "launcher.py").write_text(LAUNCHER)
    died = programs.run(str(tmp_path / "launcher.py"), store.root, cwd=ROOT)
    runs = [run(0), misbehaving("faults"), run(0, skip="none")]
    assert is_crash(died.returncode), died.stderr
    assert store.survey().statuses == {runs[0].id: "completed"}
    crashed, last = executed("serial", runs[1:], store)
    assert crashed.outcome.status == "crashed"
    assert crashed.outcome.message.endswith("\nits process ended with signal SIGSEGV")
    assert "misbehaving.py" in crashed.outcome.message
    assert last.outcome.status == "completed"
    assert list((store.root / "claims").iterdir()) == []


def crashed_before(store, planned):
    """Leave what a launcher leaves that has crashed in this run."""
    path = store.crash_of(planned.id)
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        "Fatal Python error: Bus error\n\nCurrent thread 0x1 (most recent call first):\n  <no Python frame>\n"
    )


def test_a_run_that_has_crashed_may_be_retried(tmp_path):
    store, planned = Store(tmp_path), run(0)
    crashed_before(store, planned)
    (record,) = executed("serial", [planned], store)
    assert (record.outcome.status, record.outcome.step) == ("crashed", 0)
    assert record.outcome.message.endswith("SIGBUS")
    job = replace(JOB, store=store, attempts={planned.id: 2})
    todo = Todo([planned], store, {planned.id: 2})
    (again,) = EXECUTORS["serial"](todo, job, lambda run, progress: None)
    assert again.outcome.status == "completed"
    assert store.survey().statuses == {planned.id: "completed"}


def test_what_an_earlier_launcher_left_is_removed_with_any_record(tmp_path):
    """So a later retry does not take it for its own."""
    store, planned = Store(tmp_path), run(0)
    crashed_before(store, planned)
    replace(JOB, store=store).lost(planned, "killed", 0, "its process ended", 0.0)
    assert not store.crash_of(planned.id).exists()
    crashed_before(store, planned)
    store.tidy({planned.id: "completed"})
    assert not store.crash_of(planned.id).exists()
