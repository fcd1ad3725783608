"""An equal run is trained once, whatever study asks for it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import ablations
from ablations import Scale, Study, grid, mean
from ablations.ahead import ahead
from ablations.asking import request_of
from ablations.every import planned, waiting
from analysis.judging.findings import findings
from analysis.pages.report import tables_of
from analysis.study import read
from resnet_core import NetSpec, TrainSpec
from resnet_core.probes.requests import ProbeRequest
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.execution.taking import line, taken
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import machine

TRAIN = TrainSpec(steps=3, batch_size=32, train_size=200)
HERE = Execution(workers=1)


def of_widths(width: int):
    return NetSpec(depths=(1,), widths=(width,), input_shape=(8, 8, 1))


def of_skips(skip: str):
    return of_widths(2).replace(skip=skip)


def study_of(name, net, claim, **factors) -> Study:
    scale = Scale(grid(**factors), TRAIN, seeds=2, claims={"it does": claim}, learning_rates=(0.01, 0.1), trial_seeds=1)
    return Study(name, "Does it matter?", net, {"smoke": scale})


WIDTHS = study_of("widths", of_widths, mean("test_error", width=2) > mean("test_error", width=4), width=[2, 4])
SKIPS = study_of("skips", of_skips, mean("test_error", skip="none") > mean("test_error", skip="A"), skip=["none", "A"])
"""Studies with one arm in common: width 2, which has option A."""


def run(study, out, **options):
    return ablations.run(study, out=out, progress=False, **options)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A folder in which both studies were run, and one in which the second was run alone."""
    out, alone = tmp_path_factory.mktemp("both"), tmp_path_factory.mktemp("alone")
    run(WIDTHS, out)
    run(SKIPS, out)
    run(SKIPS, alone)
    return out, alone


def stored(folder: Path) -> dict[str, dict]:
    """Return the records of a folder by id, without what the making of a run leaves in it."""
    paths = folder.glob("runs/*.json")
    return {path.stem: {**json.loads(path.read_text()), "sha256": "", "seconds": 0, "usage": {}} for path in paths}


@pytest.mark.parametrize("within", ["", "learning_rates"])
def test_a_taken_record_is_the_one_that_training_would_have_made(within, both):
    ours, theirs = (stored(out / "skips" / within) for out in both)
    taken_from = {run: record.pop("taken_from") for run, record in ours.items() if "taken_from" in record}
    assert ours == theirs
    assert set(taken_from.values()) == {f"widths/{within}".rstrip("/")}
    assert {theirs[run]["run"]["factors"]["skip"] for run in taken_from} == {"A"}
    assert 0 < len(taken_from) == sum(record["run"]["factors"]["skip"] == "A" for record in theirs.values())


def test_verdicts_and_reports_are_those_of_a_study_that_trained_its_runs(both):
    ours, theirs = (tables_of(read(out / "skips")) for out in both)
    assert ours["runs"].pop("taken_from").notna().sum() == 2
    assert ours.keys() == theirs.keys()
    for name, table in ours.items():
        pd.testing.assert_frame_equal(
            table.drop(columns="seconds", errors="ignore"),
            theirs[name].drop(columns="seconds", errors="ignore"),
            obj=name,
        )


def test_the_time_of_a_run_is_counted_once(both):
    out, _ = both
    times = {name: read(out / name).runs for name in ("widths", "skips")}
    own = times["skips"].query("taken_from.isna()")["seconds"].sum()
    assert 0 < own < times["skips"]["seconds"].sum()
    assert f"{own / 3600:.2f}" in next(text for text in findings(out).splitlines() if text.startswith("| [skips"))


def test_a_run_whose_network_is_kept_or_probed_is_trained(both, tmp_path):
    out = shutil.copytree(both[0], tmp_path / "out", ignore=shutil.ignore_patterns("skips"))
    kept = run(SKIPS, out, keep_networks=True)
    assert len(list(kept.folder.glob("networks/*.npz"))) == len(kept.runs()) == 4
    assert "taken_from" not in kept.runs()
    assert all("taken_from" in record or record["run"]["factors"]["skip"] == "none"
               for record in stored(kept.folder / "learning_rates").values())  # fmt: skip


def test_a_program_says_what_is_taken(program, both, tmp_path):
    out = shutil.copytree(both[0], tmp_path / "out", ignore=shutil.ignore_patterns("skips"))
    file = tmp_path / "mine.py"
    file.write_text(
        "from ablations import Scale, Study, grid\n"
        "from resnet_core import NetSpec, TrainSpec\n"
        "def net(skip: str):\n    return NetSpec(depths=(1,), widths=(2,), input_shape=(8, 8, 1), skip=skip)\n"
        "train = TrainSpec(steps=3, batch_size=32, train_size=200)\n"
        'study = Study("mine", "Does it?", net, {"smoke": Scale(grid(skip=["A"]), train, 2, learning_rates=(0.01, 0.1),'
        " trial_seeds=1)})\n"
    )
    words = ["run", file, "--out", out, "--executor", "serial"]
    planned_ = program("resnet-ablate", *words, "--dry-run")
    assert f"\n4 of 4 runs would be taken from other studies in {out}: widths\n" in planned_.stdout
    assert "0 to run" in planned_.stdout
    assert not (out / "mine").exists()
    done = program("resnet-ablate", *words, "--log", "tensorboard")
    assert f"\n2 of 2 runs are taken from other studies in {out}: widths\n" in done.stdout
    assert len(list((out / "mine" / "logs" / "tensorboard").iterdir())) == 2
    status = program("resnet-ablate", "status", out / "mine")
    assert status.stdout.splitlines()[1] == f"2 of 2 runs are taken from other studies in {out}: widths"


def record_of(run, status="completed", **environment):
    about = {**machine(), "threads": 1, "devices": "CPU", **environment}
    results = {"train_loss": 0.5, "train_accuracy": 0.9} if status == "completed" else {}
    probes = [{"step": 0, "epoch": 0, "probe": "signal", "layer": "a", "index": i, "path": "main", "value": i / 3}
              for i in range(3)]  # fmt: skip
    epochs = [{"epoch": 1, "step": 3, "learning_rate": 0.1, "loss": 2.5, "accuracy": 0.1}]
    return Record(run, Outcome(status, 3), results, epochs, probes, environment=about, seconds=1.5)


@pytest.fixture
def request_(tmp_path):
    return request_of(SKIPS, out=tmp_path, learning_rates=(), fields={"train": {"learning_rate": 0.1}})


def runs_of(request):
    coming = ahead(request, HERE)
    return request.runs(coming.data, coming.data_sha256), coming


def recorded(request, name, records, part=False):
    """Record these in another study of the folder, and return its store."""
    runs, coming = runs_of(request)
    store = Store(request.out / name)
    store.add_plan(request.plan(runs, coming.data, coming.data_sha256))
    for record in records:
        store.write(record)
    if part:
        store.compact()
    return store


@pytest.mark.parametrize("part", [False, True], ids=["files", "a part"])
@pytest.mark.parametrize("status", ["completed", "diverged"])
def test_results_are_taken_with_their_rows_and_the_labels_of_the_study(part, status, request_):
    runs, _ = runs_of(request_)
    others = [record_of(replace(run, factors={"other": 1, "skip": "x"}), status) for run in runs[:3]]
    recorded(request_, "other", others, part)
    records = taken(runs, request_.root, request_.out, 1, HERE)
    assert [record.run.label for record in records] == [run.label for run in sorted(runs[:3], key=lambda run: run.id)]
    expected = {record.run.id: record for record in others}
    for record in records:
        assert record == replace(expected[record.run.id], taken_from="other")
        assert record.to_dict()["probes"] == expected[record.run.id].to_dict()["probes"]
    store = recorded(request_, request_.root.name, records, part)
    assert [copy.taken_from for copy in store.survey().copies.values()] == ["other"] * 3
    assert store.frames().runs["taken_from"].tolist() == ["other"] * 3
    assert line([record.taken_from for record in records], 4, Path("out")) == (
        "3 of 4 runs are taken from other studies in out: other"
    )


@pytest.mark.parametrize(
    ("status", "environment"),
    [
        *((status, {}) for status in ("out_of_memory", "timed_out", "crashed", "killed", "pruned")),
        *(("completed", {name: "another"}) for name in ("tensorflow", "keras", "numpy", "processor")),
        ("completed", {"threads": 2}),
        ("completed", {"devices": "CPU, GPU"}),
    ],
)
def test_what_depends_on_the_execution_or_was_made_otherwise_is_not_taken(status, environment, request_):
    runs, _ = runs_of(request_)
    recorded(request_, "other", [record_of(run, status, **environment) for run in runs])
    assert taken(runs, request_.root, request_.out, 1, HERE) == []


def test_what_is_damaged_is_skipped_and_another_study_is_asked(request_):
    runs, _ = runs_of(request_)
    damaged = recorded(request_, "a", map(record_of, runs))
    for path in damaged.root.glob("runs/*.json"):
        path.write_text(path.read_text().replace("0.1", "0.2"))
    part = recorded(request_, "b", map(record_of, runs), part=True)
    next(part.root.glob("parts/*/probes.parquet")).write_bytes(b"PAR1")
    (request_.out / "c" / "runs").mkdir(parents=True)
    (request_.out / "c" / "study.json").write_text("{")
    (request_.out / "c" / "runs" / f"{runs[0].id}.json").mkdir()
    recorded(request_, "d", [replace(record_of(run), taken_from="first") for run in runs[:2]])
    records = taken(runs, request_.root, request_.out, 1, HERE)
    assert {record.run.id: record.taken_from for record in records} == {run.id: "first" for run in runs[:2]}


def test_what_was_removed_from_another_study_or_is_of_this_one_is_not_taken(request_):
    runs, _ = runs_of(request_)
    store = recorded(request_, "other", map(record_of, runs))
    store.take_out({run.id for run in runs[:3]})
    recorded(request_, request_.root.name, map(record_of, runs))
    assert [record.run.id for record in taken(runs, request_.root, request_.out, 1, HERE)] == [runs[3].id]


def test_a_taken_run_costs_no_time_before_it_is_recorded(request_):
    runs, before = runs_of(request_)
    assert (before.missing, before.left, before.taken) == (4, 4, [])
    recorded(request_, "other", map(record_of, runs))
    after = ahead(request_, HERE)
    assert (after.missing, after.left, after.taken, after.wall_time(HERE)) == (4, 0, ["other"] * 4, 0)
    assert after.runs.states == ["from other"] * 4
    assert waiting("skips", request_, HERE).seconds == 0
    probed = replace(HERE, probes=(ProbeRequest("signal"),))
    assert (ahead(request_, probed).left, ahead(request_, replace(HERE, keep_networks=True)).left) == (4, 4)
    assert ahead(request_, HERE, afresh=True).left == 4


def test_of_two_studies_that_share_runs_only_the_first_needs_time_for_them(tmp_path):
    first, second = (waiting(study.name, request_of(study, out=tmp_path), HERE) for study in (WIDTHS, SKIPS))
    shared = (first.trials | first.runs).keys() & (second.trials | second.runs).keys()
    assert len(shared) == 4
    order, fit = planned([first, second], first.seconds + second.seconds)
    assert [study.left for study in order] == [8, 4]
    assert order == fit
    order, fit = planned([first, second], min(first.seconds, second.seconds) * 0.9)
    assert [study.left for study in order] == [8, 8]
    assert fit == []
    kept = [replace(study, takes=False) for study in (first, second)]
    assert [study.left for study in planned(kept, 1e6)[0]] == [8, 6]
