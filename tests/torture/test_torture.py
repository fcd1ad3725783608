"""What a machine may do to a study: the records are those of a study that was left alone.

`make torture` kills fifty times; `make test` a few.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from resnet_core.runs.store import Store

STUDY = ["run", "depth", "--executor", "processes", "--workers", "2", "--depth", "8", "--set", "batch_size=32"]
STATES = ["--checkpoint-every", "0.2", "--retries", "1000"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Outside of a git repository, whose commit is in the records."""
    monkeypatch.chdir(tmp_path)


def command(*words):
    return [sys.executable, "-m", "ablations", *STUDY, *map(str, words)]


def exported(study, out):
    """Return the tables of a study without its wall times."""
    subprocess.run([sys.executable, "-m", "ablations", "export", study, out], check=True, capture_output=True)
    tables = {name: pd.read_csv(out / f"{name}.csv") for name in ("runs", "epochs", "probes")}
    times = [name for name in tables["runs"] if name in ("seconds", "cpu_seconds", "peak_memory_bytes")]
    return {**tables, "runs": tables["runs"].drop(columns=times)}


def assert_same(study, other, tmp_path):
    mine, theirs = exported(study, tmp_path / "mine"), exported(other, tmp_path / "theirs")
    for name, table in theirs.items():
        pd.testing.assert_frame_equal(mine[name], table, check_exact=True)


def left_alone(tmp_path, *words):
    subprocess.run(command(*words, "--out", tmp_path / "alone"), check=True, capture_output=True)
    return tmp_path / "alone" / "depth"


def workers(launcher):
    """Return the processes of a launcher that execute runs."""
    found = []
    with contextlib.suppress(OSError):  # it may be no more
        for thread in Path(f"/proc/{launcher.pid}/task").iterdir():
            for pid in (thread / "children").read_text().split():
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="the processes of a launcher are found in /proc")
def test_killed_at_random_moments(tmp_path, pytestconfig):
    """Launcher or worker, by turns of a coin; after the last restart no record is missing, and none is another."""
    kills, seeds = pytestconfig.getoption("kills"), 2
    rng = np.random.default_rng(kills)
    killed = {"launcher": 0, "worker": 0}

    def words():
        return ["--seeds", seeds, "--set", "steps=400"]

    def launch():
        with (tmp_path / "said").open("a") as said:
            return subprocess.Popen(command(*words(), *STATES, "--out", tmp_path), stdout=said, stderr=said)

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
            assert launcher.returncode == 0, (tmp_path / "said").read_text()
            seeds += 4  # it was done: there is more to do now
        launcher = launch()
    assert launcher.wait() == 0, (tmp_path / "said").read_text()
    subprocess.run(command(*words(), "--out", tmp_path), check=True, capture_output=True)  # nothing is left; it tidies
    print(f"killed {killed}; {(tmp_path / 'said').read_text().splitlines()[-1]}")
    study = tmp_path / "depth"
    assert_same(study, left_alone(tmp_path, *words()), tmp_path)
    assert {path.name for path in study.iterdir()} == {"study.json", "runs", "claims", "checkpoints"}
    assert list((study / "claims").iterdir()) == list((study / "checkpoints").iterdir()) == []


def test_two_launchers_share_a_study(tmp_path):
    """Every run is executed by one of them."""
    words = ["--seeds", 4, "--set", "steps=100"]
    launchers = [
        subprocess.Popen(command(*words, "--out", tmp_path), stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [launcher.communicate()[0] for launcher in launchers]
    executed = [re.findall(r"^\[\d+/\d+\] (.*?):", text, re.MULTILINE) for text in said]
    assert sorted(executed[0] + executed[1]) == sorted(
        f"depth=8 skip={skip} width=8 seed={seed}" for skip in ("none", "A") for seed in range(4)
    )
    assert all("8 of 8 runs recorded (8 completed)" in text for text in said)
    assert_same(tmp_path / "depth", left_alone(tmp_path, *words), tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system needs the right to mount: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk(small_disk, tmp_path):
    """The study stops with one line; what is recorded stays, and with more room the same command runs the rest."""
    words = ["--seeds", 3, "--set", "steps=100", "--set", "probe.each_epoch=true"]
    (small_disk / "ballast").write_bytes(bytes(300_000))
    done = subprocess.run(command(*words, "--out", small_disk), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert re.fullmatch(r"error: records must have room .*: No space left on device\n", done.stderr)
    assert Store(small_disk / "depth").survey().damaged == ()
    shutil.copytree(small_disk / "depth", tmp_path / "depth")
    subprocess.run(command(*words, "--out", tmp_path), check=True, capture_output=True)
    assert_same(tmp_path / "depth", left_alone(tmp_path, *words), tmp_path)


def test_a_truncated_part_is_set_aside_and_its_runs_are_executed_anew(tmp_path):
    words = ["--seeds", 1, "--set", "steps=20", "--out", tmp_path]
    subprocess.run(command(*words), check=True, capture_output=True)
    study = tmp_path / "depth"
    Store(study).compact()
    (part,) = study.glob("parts/*/probes.parquet")
    part.write_bytes(part.read_bytes()[:-50])
    done = subprocess.run(command(*words), check=True, capture_output=True, text=True)
    assert "is no whole record" in done.stderr
    assert "set aside in" in done.stderr
    assert "2 of 2 runs recorded (2 completed)" in done.stdout
    assert len(list(study.glob("damaged/*"))) == 1


def test_a_launcher_that_ends_takes_its_workers_with_it(tmp_path):
    launcher = subprocess.Popen(
        command("--seeds", 1, "--set", "steps=100000", "--out", tmp_path), stdout=subprocess.DEVNULL
    )
    states = tmp_path / "depth" / "claims"
    while len(list(states.glob("*.lock"))) < 2 or len(workers(launcher)) < 2:
        time.sleep(0.1)
    before = workers(launcher)
    launcher.kill()
    launcher.wait()
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in before):
        assert time.monotonic() < deadline, "a worker is still there after a minute"
        time.sleep(0.1)
