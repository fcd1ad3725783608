"""Searches in processes and on Ray, with what dies on the way."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import keras
import pytest

from resnet_core.runs.records.store import Store
from search.spaces import SPACES

ROOT = Path(__file__).parents[2]
ONE = ["--fix", "skip=A", "--fix", "order=original", "--fix", "blocks=1", "--fix", "width=4"]  # a network, traced once
FAST = ["--set", "train_size=400", "--set", "batch_size=8", "--epochs", "1", "--confirm", "0"]
SPACE = """
from resnet_core import NetSpec

def space(hp, train):
    block = hp.Choice("block", ["basic", "dies"])
    net = NetSpec(depths=(1, 1), widths=(4, 8), block=block)
    return net, train.replace(learning_rate=hp.Choice("rate", [0.02, 0.05]))
"""
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="the executor ray needs the extra ray")


@pytest.fixture
def space(tmp_path):
    (tmp_path / "space.py").write_text(SPACE)
    return ["--space", "space.py", "--plugin", ROOT / "tests" / "resnet_core" / "runs" / "execution" / "misbehaving.py"]


def outcomes(root: Path) -> dict[str, list[str]]:
    by_status: dict[str, list[str]] = {}
    for record in Store(root).records():
        by_status.setdefault(record.run.net.block, []).append(record.outcome.status)
    return by_status


def test_a_trial_whose_process_dies_is_scored_worst_and_the_search_goes_on(program, tmp_path, space):
    words = ["--oracle", "grid", "--trials", "9", "--workers", "2", "--retries", "0"]
    done = program("resnet-search", "run", *space, *words, *FAST)
    assert done.returncode == 0, done.stderr
    root = tmp_path / "results" / "local" / "search"
    assert outcomes(root) == {"basic": ["completed"] * 2, "dies": ["killed"] * 2}
    trials = json.loads((root / "oracle.json").read_text())["trials"]
    scored = {(trial["values"]["block"], trial["score"] == "-inf") for trial in trials}
    assert scored == {("basic", False), ("dies", True)}


@needs_ray
@pytest.mark.xdist_group("ray")
def test_a_search_on_ray_comes_to_the_records_of_one_in_this_process(program, tmp_path):
    words = ["--space", "tiny", *ONE, "--oracle", "random", "--trials", "3", *FAST]
    here = program("resnet-search", "run", *words, "--executor", "serial", "--out", "here")
    there = program("resnet-search", "run", *words, "--executor", "ray", "--workers", "1", "--out", "there")
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    mine, theirs = (list(Store(tmp_path / out / "search").records()) for out in ("here", "there"))
    assert [each.results for each in mine] == [each.results for each in theirs]


def test_a_launcher_that_is_killed_loses_the_open_trials_alone(program, programs, tmp_path):
    words = ["resnet-search", "run", "--space", "tiny", "--trials", "5", "--workers", "2", *FAST, *ONE]
    words += ["--oracle", "evolution"]
    root = tmp_path / "results" / "local" / "search"
    started = programs.start(*words, cwd=tmp_path, stdout=os.devnull, stderr=os.devnull)
    while started.poll() is None and len(list(root.glob("runs/*.json"))) < 2:
        time.sleep(0.1)
    started.kill()
    started.wait()
    before = {path.name: path.read_bytes() for path in root.glob("runs/*.json")}
    done = program(*words)
    assert done.returncode == 0, done.stderr
    after = {path.name: path.read_bytes() for path in root.glob("runs/*.json")}
    assert len(after) == 5
    assert all(after[name] == content for name, content in before.items())


def test_a_search_needs_no_tensorboard(tmp_path):
    """KerasTuner's own tuner imports it in every trial, and does not ask for it when it is installed."""
    script = (
        "import sys\nsys.modules['tensorboard'] = None\nfrom search.cli import main\n"
        f"main(['run', '--space', 'tiny', '--trials', '1', '--executor', 'serial', *{FAST}, *{ONE}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "[1/1] val_accuracy" in done.stdout


def test_hyperparameters_are_known_without_a_network(monkeypatch):
    """KerasTuner's own tuner builds networks until it knows a conditional space: eleven for a choice of five."""

    def refuse(*args, **kwargs):
        raise AssertionError("a network is built")

    monkeypatch.setattr(keras.Model, "__init__", refuse)
    assert len(replace(SPACES["full"]).hyperparameters.space) == 18
