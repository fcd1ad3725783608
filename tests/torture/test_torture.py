"""What a machine may do to a study: the records are those of a study that was left alone.

`make torture` kills fifty times; `make test` a few.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_core.runs.records.store import Store

STUDY = ["run", "depth", "--depth", "8", "--skip", "A", "--set", "batch_size=32"]
PROCESSES = ["--executor", "processes", "--workers", "2"]
OF_A_PROCESS = ["seconds", "cpu_seconds", "peak_memory_bytes", "environment.commit", "environment.uncommitted_changes"]
STATES = ["--checkpoint-every", "0.2", "--retries", "1000"]


@pytest.fixture
def start(programs, tmp_path):
    """Start the study; what it says goes to a file."""

    def start(*words, output):
        return programs.start("resnet-ablate", *STUDY, *words, cwd=tmp_path, stdout=output, stderr=output)

    return start


@pytest.fixture
def study(program):
    """Run the study to its end."""
    return partial(program, "resnet-ablate", *STUDY)


@pytest.fixture
def study_here(called):
    """Run the study to its end in this process, which compiles its network once for all tests."""
    return partial(called, "resnet-ablate", *STUDY, "--executor", "serial")


@pytest.fixture
def exported(called):
    """Return the tables of a study without what differs between processes."""

    def export(study, out):
        assert called("resnet-ablate", "export", study, out).returncode == 0
        tables = {name: pd.read_csv(out / f"{name}.csv") for name in ("runs", "epochs", "probes")}
        return {**tables, "runs": tables["runs"].drop(columns=OF_A_PROCESS, errors="ignore")}

    return export


@pytest.fixture
def assert_left_alone(exported, study_here, tmp_path):
    """Check that a study has the records of one that was left alone, in one process."""

    def compare(folder, *words):
        assert study_here(*words, "--out", tmp_path / "alone").returncode == 0
        mine, theirs = exported(folder, tmp_path / "mine"), exported(tmp_path / "alone" / "depth", tmp_path / "theirs")
        for name, table in theirs.items():
            pd.testing.assert_frame_equal(mine[name], table, check_exact=True)

    return compare


def children(pid):
    """Return the processes that a process has started."""
    with contextlib.suppress(OSError):  # it may be no more
        threads = Path(f"/proc/{pid}/task").iterdir()
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]
    return []


def workers(launcher):
    """Return the processes of a launcher that execute runs: forks of the server that it has started."""
    return [pid for server in children(launcher.pid) for pid in children(server)]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes of a launcher are found in /proc")
def test_killed_at_random_moments(tmp_path, pytestconfig, start, study, assert_left_alone):
    """Launcher or worker, by turns of a coin; after the last restart no record is missing, and none is another."""
    kills = pytestconfig.getoption("kills")
    more = seeds = 4 if kills >= 50 else 2
    rng = np.random.default_rng(kills)
    killed = {"launcher": 0, "worker": 0}
    output = tmp_path / "said"
    output.touch()

    def words():
        return ["--seeds", seeds, "--set", "steps=400"]

    def launch():
        return start(*words(), *PROCESSES, *STATES, "--out", tmp_path, output=output)

    launcher = launch()
    while sum(killed.values()) < kills:
        with contextlib.suppress(subprocess.TimeoutExpired):
            launcher.wait(rng.exponential(5.0))
        victims = workers(launcher)
        if launcher.poll() is None and victims and rng.random() < 0.6:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(rng.choice(victims)), signal.SIGKILL)
                killed["worker"] += 1
            continue
        if launcher.poll() is None:
            launcher.kill()
            launcher.wait()
            killed["launcher"] += 1
        else:
            assert launcher.returncode == 0, output.read_text()
            seeds += more  # it was done: there is more to do now
        launcher = launch()
    assert launcher.wait() == 0, output.read_text()
    last = study(*words(), *PROCESSES, "--out", tmp_path)  # nothing is left; it tidies
    assert last.returncode == 0, last.stderr
    print(f"killed {killed}; {last.stdout.splitlines()[-1]}")
    folder = tmp_path / "depth"
    assert_left_alone(folder, *words())
    assert {path.name for path in folder.iterdir()} == {"study.json", "runs", "claims", "checkpoints"}
    assert list((folder / "claims").iterdir()) == list((folder / "checkpoints").iterdir()) == []


def test_two_launchers_share_a_study(tmp_path, start, assert_left_alone):
    """Every run is executed by one of them."""
    words = ["--seeds", 4, "--set", "steps=100"]
    output = [tmp_path / "first", tmp_path / "second"]
    for file in output:
        file.touch()
    launchers = [start(*words, *PROCESSES[:-1], 1, "--out", tmp_path, output=file) for file in output]
    assert [launcher.wait() for launcher in launchers] == [0, 0]
    executed = [re.findall(r"^\[\d+/\d+\] (.*?):", file.read_text(), re.MULTILINE) for file in output]
    assert sorted(executed[0] + executed[1]) == [f"depth=8 skip=A width=8 seed={seed}" for seed in range(4)]
    assert all("4 of 4 runs recorded (4 completed)" in file.read_text() for file in output)
    assert_left_alone(tmp_path / "depth", *words)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system needs the right to mount: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk, tmp_path, study, study_here, assert_left_alone):
    """The study stops with one line; what is recorded stays, and with more room the same command runs the rest."""
    words = ["--seeds", 6, "--set", "steps=100", "--set", "probe.each_epoch=true"]
    (small_disk / "ballast").write_bytes(bytes(shutil.disk_usage(small_disk).free - 100_000))
    done = study(*words, *PROCESSES[:-1], 1, "--out", small_disk)
    assert done.returncode == 2
    assert re.fullmatch(r"error: records must have room .*: No space left on device\n", done.stderr)
    assert Store(small_disk / "depth").survey().damaged == ()
    shutil.copytree(small_disk / "depth", tmp_path / "depth")
    assert study_here(*words, "--out", tmp_path).returncode == 0
    assert_left_alone(tmp_path / "depth", *words)


@pytest.mark.parametrize("left", [2_000, 60_000], ids=["for no record", "for no network"])
def test_a_full_disk_during_the_confirmation_of_a_search(left, small_disk, program, pytestconfig):
    """It stops with one line that names the file; with more room the same command goes on."""
    if pytestconfig.getoption("kills") < 50:
        pytest.skip("make torture runs the three searches")
    search = ["resnet-search", "run", "--space", "tiny", "--fix", "skip=A", "--fix", "order=original", "--trials", 1]
    search += ["--epochs", 3, "--set", "batch_size=32", "--executor", "serial", "--out", small_disk]
    assert program(*search, "--confirm", 0).returncode == 0
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(shutil.disk_usage(small_disk).free - left))
    search += ["--confirm", 1, "--confirm-seeds", 1]
    done = program(*search)
    assert done.returncode == 2
    assert re.fullmatch(rf"error: .*{small_disk}/search/.*\n", done.stderr), done.stderr
    assert not (small_disk / "search" / "best.keras").exists()
    ballast.unlink()
    done = program(*search)
    assert done.returncode == 0, done.stderr
    assert (small_disk / "search" / "best.keras").exists()
    assert Store(small_disk / "search" / "confirm").survey().damaged == ()


def test_a_truncated_part_is_set_aside_and_its_runs_are_executed_anew(tmp_path, study_here):
    words = ["--seeds", 2, "--set", "steps=20", "--out", tmp_path]
    assert study_here(*words).returncode == 0
    folder = tmp_path / "depth"
    Store(folder).compact()
    (part,) = folder.glob("parts/*/probes.parquet")
    part.write_bytes(part.read_bytes()[:-50])
    done = study_here(*words)
    assert done.returncode == 0
    assert "is a damaged record" in done.stderr
    assert "set aside in" in done.stderr
    assert "2 of 2 runs recorded (2 completed)" in done.stdout
    assert len(list(folder.glob("damaged/*"))) == 1


def test_a_launcher_that_ends_takes_its_workers_with_it(tmp_path, start):
    words = ["--seeds", 2, "--set", "steps=100000", "--out", tmp_path]
    launcher = start(*words, *PROCESSES, output=os.devnull)
    states = tmp_path / "depth" / "claims"
    while len(list(states.glob("*.lock"))) < 2 or len(workers(launcher)) < 2:
        time.sleep(0.1)
    before = children(launcher.pid) + workers(launcher)
    launcher.kill()
    launcher.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in before):
        assert time.monotonic() < deadline, "a process is still there after a minute"
        time.sleep(0.1)
