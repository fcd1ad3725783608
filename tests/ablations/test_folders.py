"""What is done with a study that is there, as a user does it."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from resnet_core.probes.requests import Sample
from resnet_core.runs.records import measurements
from resnet_core.runs.records.record import Outcome
from resnet_core.runs.records.store import Store
from resnet_core.runs.training.checkpoints import Checkpoint, State


@pytest.fixture
def study(tiny_study, tmp_path) -> Path:
    """A copy of a study of eight runs."""
    return Path(shutil.copytree(tiny_study, tmp_path / "depth", ignore=shutil.ignore_patterns("report")))


def failed(store, status="crashed", which=0):
    """Let one of the runs have failed; return its record as it was."""
    record = list(store.records())[which]
    outcome = Outcome(status, 3, "Traceback\nOSError: no luck")
    store.write(replace(record, outcome=outcome, results={}, attempt=2))
    return record


def test_status_of_a_study_that_is_done(called, study):
    done = called("resnet-ablate", "status", study)
    assert done.stdout == f"{study}: 8 runs: 8 completed\n"


def test_status_shows_what_is_not(called, study):
    store = Store(study)
    failed(store)
    interrupted, running, missing, damaged = sorted(study.glob("runs/*.json"))[-4:]
    for path in (interrupted, running, missing):
        path.unlink()
    damaged.write_text("{")
    Checkpoint(store.state_of(interrupted.stem), 0.0).save(State(step=17))
    with store.claim(running.stem):
        done = called("resnet-ablate", "status", study)
        messages = called("resnet-ablate", "status", study, "--messages").stdout
    first, *rows = done.stdout.splitlines()
    assert first.endswith("8 runs: 3 completed, 1 crashed, 1 interrupted, 2 missing, 1 running")
    assert any("crashed" in row and " 3 " in row and "OSError: no luck" in row for row in rows)
    assert any(interrupted.stem in row and "interrupted" in row and "17" in row for row in rows)
    assert any(running.stem in row and "running" in row for row in rows)
    assert rows[-1].startswith(f"damaged: {damaged}")
    assert "Traceback" in messages
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("compacted", [False, True])
def test_retry_executes_what_failed_and_nothing_else(compacted, called, study):
    store = Store(study)
    before = failed(store)
    store.add_plan(replace(store.plan(), probes=("signal at=0",), sample=Sample(images=16)))
    if compacted:
        store.compact()
    done = called("resnet-ablate", "retry", study, "--failed", "--probe", "lesion")
    assert done.returncode == 0, done.stderr
    data, ended, *_ = done.stdout.splitlines()
    assert data.startswith("data: ")
    assert ended.startswith(f"[1/1] {before.run.label}: completed")
    assert "1 of 1 runs recorded (1 completed)" in done.stdout
    (after,) = [record for record in store.records() if record.run.id == before.run.id]
    assert after.results == before.results
    probed = measurements.table(study)[0].drop_duplicates("probe")
    assert probed[["probe", "step", "images", "run"]].fillna(-1).to_numpy().tolist() == [
        ["lesion", -1, 16, before.run.id], ["signal", 0, 16, before.run.id],
    ]  # fmt: skip
    assert called("resnet-ablate", "retry", study, "--failed").stdout.startswith("no run of")


def test_run_executes_no_failed_run_again_and_says_so(called, study):
    failed(Store(study), "timed_out")
    words = ["run", "depth", "--depth", "8", "14", "--seeds", "2", "--set", "steps=30", "--out", study.parent]
    done = called("resnet-ablate", *words)
    assert done.returncode == 1
    assert "8 of 8 runs recorded (7 completed, 1 timed_out)" in done.stdout
    assert done.stderr == f"1 failed; see resnet-ablate status {study}\n"


@pytest.mark.parametrize("compacted", [False, True])
def test_export_writes_the_tables_sorted(compacted, called, study, tmp_path):
    store = Store(study)
    frames = store.frames()
    if compacted:
        assert "8 runs moved into a part" in called("resnet-ablate", "compact", study).stdout
    assert called("resnet-ablate", "export", study, tmp_path / "csv").returncode == 0
    tables = {name: pd.read_csv(tmp_path / "csv" / f"{name}.csv") for name in ("runs", "epochs", "probes")}
    assert tables["runs"]["run"].is_monotonic_increasing
    assert tables["runs"]["test_loss"].tolist() == frames.runs["test_loss"].tolist()
    pd.testing.assert_frame_equal(tables["epochs"], frames.epochs, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(tables["probes"], frames.probes, check_exact=True, check_dtype=False)
    assert {path.name for path in (tmp_path / "csv").iterdir()} == {"runs.csv", "epochs.csv", "probes.csv"}
    times = [name for table in ("epochs", "probes") for name in tables[table] if "second" in name]
    assert times == []


WRONG = [
    (["status", "nowhere"], "STUDY must be the folder of a study, with a study.json, but 'nowhere' is not one"),
    (["status", "dept"], "did you mean 'depth'"),
    (["retry", "STUDY", "--failed", "--workers", "0"], "--workers must be a whole number above 0, but got '0'"),
    (["retry", "STUDY", "--failed", "--workers", "1.5"], "--workers must be a whole number above 0, but got '1.5'"),
    (["retry", "STUDY", "--failed", "--timeout", "-1"], "--timeout must be a number above 0, but got '-1'"),
    (["retry", "STUDY", "--failed", "--retries", "-1"], "--retries must be a whole number from 0 on, but got '-1'"),
    (["retry", "STUDY", "--failed", "--memory", "much"], "--memory must be a number above 0, but got 'much'"),
    (["retry", "STUDY", "--failed", "--checkpoint-every", "nan"], "--checkpoint-every must be a number from 0 on"),
    (["retry", "STUDY", "--failed", "--executor", "process"], "did you mean 'processes'"),
    (["retry", "STUDY", "--failed", "--executor", "serial", "--timeout", "3"], "--timeout needs processes"),
    (["export", "STUDY", "STUDY/study.json"], "must be writable, but .*study.json is not a folder"),
]


@pytest.mark.parametrize(
    ("words", "message"), WRONG, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_changes_nothing(words, message, called, tiny_study):
    before = {path: path.read_bytes() for path in tiny_study.rglob("*") if path.is_file()}
    done = called("resnet-ablate", *[word.replace("STUDY", str(tiny_study)) for word in words])
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert re.search(message, done.stderr), done.stderr
    assert {path: path.read_bytes() for path in tiny_study.rglob("*") if path.is_file()} == before


def test_a_study_json_is_left_as_it_is_by_status(called, study):
    before = json.loads((study / "study.json").read_text())
    called("resnet-ablate", "status", study)
    assert json.loads((study / "study.json").read_text()) == before


def test_forget_networks_removes_them_and_nothing_else(capsys, study):
    from ablations.cli import main
    from resnet_core.runs.records import networks

    before = {path for path in study.rglob("*") if path.is_file()}
    for path in study.glob("runs/*.json"):
        networks.write(study, path.stem, [])
    for words, left in (["--dry-run"], 8), ([], 0):
        with pytest.raises(SystemExit):
            main(["forget-networks", str(study), *words])
        assert capsys.readouterr().out.startswith("8 networks ")
        assert len(networks.kept(study)) == left
    assert {path for path in study.rglob("*") if path.is_file()} == before


def test_runs_that_were_recorded_without_their_networks_are_said(capsys, study):
    from ablations.runner import say_without_network
    from resnet_core.runs.records import networks

    first, *rest = sorted(Store(study).survey().copies)
    networks.write(study, first, [])
    say_without_network(Store(study), [first, *rest])
    assert capsys.readouterr().out.startswith("7 of 8 runs were recorded without --keep-networks and have no kept")
