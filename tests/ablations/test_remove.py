"""Arms are taken out of a study, and taken back."""

import json
import os
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from ablations import cli, remove
from analysis.claims import mean
from resnet_core.errors import UserError
from resnet_core.folders import write_file
from resnet_core.runs.execution.fill import fill
from resnet_core.runs.records.store import Store
from tests.torture.stub import StubExecution, killed_after, plan_of, record_of, run_of


@pytest.fixture(params=["files", "a part", "both"])
def store(request, tiny_study, tmp_path):
    """A study of 8 runs, depths 8 and 14, plain and residual, whose records are in files, in a part, or in both."""
    shutil.copytree(tiny_study, tmp_path / "depth")
    store = Store(tmp_path / "depth")
    if request.param == "both":
        aside = sorted((store.root / "runs").iterdir())[:4]
        for path in aside:
            path.rename(tmp_path / path.name)
    if request.param != "files":
        store.compact()
    if request.param == "both":
        for path in aside:
            (tmp_path / path.name).rename(path)
    return store


def call(store, *words):
    cli._main(["remove", str(store.root), *words])


def kept(store):
    """Return the records, without their rows, which those of a part come without."""
    return {record.run.id: replace(record, epochs=[], probes=[]).to_dict() for record in store.records()}


def test_an_arm_is_taken_out_and_taken_back(store, capsys):
    before, plan, frames = kept(store), store.plan(), store.frames()
    call(store, "skip=A", "depth=8")
    out = {run.id for run in plan.runs if run.factors["skip"] == "A" and run.factors["depth"] == 8}
    assert len(out) == 2
    assert kept(store) == {run: record for run, record in before.items() if run not in out}
    assert {run.id for run in store.plan().runs} == before.keys() - out
    assert not any(store.has(run) for run in out)
    assert {*store.frames().runs["run"]} == {*store.frames().epochs["run"]} == before.keys() - out
    assert {path.stem for path in (store.root / "removed").iterdir()} == out
    assert "2 of 8 runs taken out" in capsys.readouterr().out
    store.compact()
    assert kept(store).keys() == before.keys() - out
    store.add_plan(plan)
    assert kept(store) == before
    assert not list((store.root / "removed").iterdir())
    again = store.frames()
    for name in ("runs", "epochs", "probes"):
        before, after = getattr(frames, name), getattr(again, name)
        pd.testing.assert_frame_equal(after[before.columns], before, check_exact=True, check_dtype=False)


def test_claims_on_what_is_gone_go_with_it(tiny_study, tmp_path, capsys):
    shutil.copytree(tiny_study, tmp_path / "depth")
    store = Store(tmp_path / "depth")
    means = {skip: mean("test_error", depth=14, skip=skip) for skip in ("A", "none")}
    stated = {
        "one is lower": means["A"] < means["none"],
        "it is low": means["A"] < 1,
        "so is the other": means["none"] < 1,
    }
    claims = tuple(replace(claim, text=text).to_dict() for text, claim in stated.items())
    write_file(store.root / "study.json", replace(store.plan(), claims=claims).text())
    about = [claims[0], claims[2]]
    call(store, "skip=none", "--dry-run")
    printed = capsys.readouterr().out
    assert printed.startswith("4 of 8 runs would be taken out")
    assert len(store.plan().claims) == 3
    assert not (store.root / "removed").exists()
    call(store, "skip=none")
    assert [claim["text"] for claim in store.plan().claims] == ["it is low"]
    printed = capsys.readouterr().out
    assert all(claim["text"] in printed for claim in about)
    assert store.plan().commands[-1] == f"resnet-ablate remove {store.root} skip=none"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["skip"], "remove takes FACTOR=LEVEL, but got 'skip'"),
        (["skp=A"], "the study has no factor 'skp'; did you mean 'skip'?"),
        (["skip=Z"], "`skip` has no level 'Z' in .*; it has none, A"),
        (["skip=A", "skip=none"], "'skip' is named again by skip=none; take skip=A,B"),
        (["skip=A,none"], "a study must keep a run, but skip=A,none is all of"),
        (["seed=7"], "`seed` has no level '7' in .*; it has 0, 1"),
        (["depth="], "`depth` has no level ''"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_changes_nothing(words, message, tiny_study):
    before = {path: path.read_bytes() for path in tiny_study.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=message):
        call(Store(tiny_study), *words)
    assert {path: path.read_bytes() for path in tiny_study.rglob("*") if path.is_file()} == before


def test_a_run_under_way_is_not_taken_out(tiny_study, tmp_path, monkeypatch):
    shutil.copytree(tiny_study, tmp_path / "depth")
    store = Store(tmp_path / "depth")
    run = next(run for run in store.plan().runs if run.factors["skip"] == "A")
    monkeypatch.setattr(remove, "HALF_WRITTEN_SECONDS", 0.0)
    with store.claim(run.id), pytest.raises(UserError, match="but 1 of these are running; wait"):
        call(store, "skip=A")
    assert json.loads((store.root / "study.json").read_text())["runs"]


@pytest.mark.parametrize("left", ["whole", "empty"])
@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process is forked to be killed")
def test_a_run_whose_process_was_killed_is_taken_out(left, tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr("filelock._soft.MALFORMED_LOCK_AGE_THRESHOLD", 0.1)
    shutil.copytree(tiny_study, tmp_path / "depth")
    store = Store(tmp_path / "depth")
    run = next(run for run in store.plan().runs if run.factors["skip"] == "A")
    path = store.root / "claims" / f"{run.id}.lock"
    killed_after(99, lambda: (store.claim(run.id).acquire(), os._exit(9)))
    if left == "empty":
        path.write_text("")
    assert path.exists()
    call(store, "skip=A")
    assert {run.factors["skip"] for run in store.plan().runs} == {"none"}
    assert not store.claimed()


def test_a_record_that_was_damaged_while_it_was_out_is_made_again(tmp_path, capsys):
    runs = [run_of(0, skip) for skip in ("A", "none")]
    store = Store(tmp_path / "study")
    for run in runs:
        store.add_plan(plan_of(runs))
        store.write(record_of(run))
    call(store, "skip=A")
    path = store.root / "removed" / f"{runs[0].id}.json"
    path.write_bytes(path.read_bytes().replace(b"killed", b"KILLED"))
    fill(plan_of(runs), runs, store.root, StubExecution(), 100)
    assert store.survey(whole=True).copies.keys() == {run.id for run in runs}
    assert f"{runs[0].id}.json is a damaged record" in capsys.readouterr().err
