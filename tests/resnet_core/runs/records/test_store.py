import json
import math
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.nets.spec import cifar
from resnet_core.probes.requests import AUTO, Item, ProbeRequest
from resnet_core.runs.records import measurements
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.records.survey import Survey
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.sealed import seal, unseal


def record(seed=0, status="completed", attempt=1):
    run = Run(cifar(8), TrainSpec(steps=2, data_sha256="ab"), seed=seed, factors={"depth": 8})
    epochs = [{"epoch": 1, "step": 2, "loss": 0.1 + seed, "accuracy": 0.5}]
    probes = [{"step": 0, "epoch": 0, "probe": "p", "layer": "l", "index": 0, "path": "main", "value": 1e-30}]
    results = {"test_accuracy": 0.1 + 0.2} if status == "completed" else {}
    network = {"layers": 8, "parameters": 75_290, "macs": 1}
    usage = {"cpu_seconds": 2.5}
    return Record(run, Outcome(status, 2), results, epochs, probes, network, {"threads": 1}, 1.5, usage, attempt)


def plan(*seeds, command="a", **base):
    runs = tuple(PlannedRun(record(seed).run.id, seed, {"depth": 8}) for seed in seeds)
    return Plan("depth", "Does it?", "Us", base, ("depth",), (command,), runs, threads=1)


@pytest.fixture
def store(tmp_path):
    (tmp_path / "study").mkdir()
    return Store(tmp_path / "study")


def test_a_claim_that_is_given_back_while_claims_are_listed(store):
    """Its name is in the folder's list, and the file is no more."""
    with store.claim("b").acquire():
        (store.root / "claims" / "a.lock").symlink_to("no longer there")
        assert store.claimed() == {"b"}


def test_a_record_round_trips(store):
    written = record()
    store.write(written)
    assert list(store.records()) == [written]
    frames = store.frames()
    assert frames.epochs.to_dict("records") == [{"run": written.run.id, **written.epochs[0]}]
    assert frames.probes.to_dict("records") == [{"run": written.run.id, **written.probes[0]}]


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_numbers_that_json_has_not_round_trip(store, value):
    store.write(replace(record(), probes=[{**record().probes[0], "value": value}]))
    (path,) = store.root.glob("runs/*")
    json.loads(path.read_text(), parse_constant=pytest.fail)
    np.testing.assert_equal(store.frames().probes["value"].tolist(), [value])


def test_frames_have_a_row_a_run_and_a_column_a_field(store):
    for seed in (1, 0):
        store.write(record(seed))
    store.write(record(2, "diverged"))
    runs = store.frames().runs.set_index("seed")
    assert runs["status"].to_dict() == {0: "completed", 1: "completed", 2: "diverged"}
    assert runs.loc[0, "test_accuracy"] == 0.1 + 0.2
    assert pd.isna(runs.loc[2, "test_accuracy"])
    assert runs.loc[0, ["depth", "layers", "parameters", "net.skip", "train.steps"]].tolist() == [8, 8, 75_290, "A", 2]
    assert runs.loc[0, ["seconds", "cpu_seconds", "environment.threads"]].tolist() == [1.5, 2.5, 1]


def test_an_attempt_is_written_once_and_the_last_counts(store):
    store.write(record(status="crashed"))
    store.write(replace(record(), seconds=99.0))
    assert store.survey().statuses == {record().run.id: "crashed"}
    store.write(replace(record(), seconds=99.0, attempt=2))
    assert store.survey().statuses == {record().run.id: "completed"}
    assert [each.seconds for each in store.records()] == store.frames().runs["seconds"].tolist() == [99.0]


class TestParts:
    """Many runs in one file are what they were in many."""

    def test_the_tables_are_the_same(self, store):
        for seed in range(4):
            store.write(record(seed, "diverged" if seed == 2 else "completed"))
        frames, survey = store.frames(), store.survey()
        records = [replace(each, epochs=[], probes=[]) for each in store.records()]
        assert store.compact() == 4
        assert list(store.root.glob("runs/*")) == []
        again = store.frames()
        for name in ("runs", "epochs", "probes"):
            pd.testing.assert_frame_equal(getattr(frames, name), getattr(again, name))
        assert again.runs["net.depths"][0] == (1, 1, 1)
        assert store.survey().statuses == survey.statuses
        assert list(store.records()) == records
        assert store.has(record(1).run.id)
        assert store.compact() == 0

    def test_parts_and_files_are_read_together_and_a_file_goes_first(self, store):
        store.write(record(0))
        store.write(record(1, "crashed"))
        store.compact()
        store.write(record(1, attempt=2))
        store.write(record(2))
        assert set(store.survey().statuses.values()) == {"completed"}
        runs = store.frames().runs
        assert sorted(runs["seed"]) == [0, 1, 2]
        assert set(runs["status"]) == {"completed"}
        store.compact()
        assert sorted(store.frames().runs["seed"]) == [0, 1, 2]

    def test_runs_without_rows(self, store):
        for seed in range(2):
            store.write(replace(record(seed), epochs=[], probes=[]))
        store.compact()
        frames = store.frames()
        assert (len(frames.runs), len(frames.epochs), len(frames.probes), frames.damaged) == (2, 0, 0, ())

    @pytest.mark.parametrize("name", ["runs", "epochs", "probes"])
    def test_a_truncated_file_is_named_and_set_aside(self, store, name):
        store.write(record(0))
        store.compact()
        store.write(record(1))
        (path,) = store.root.glob(f"parts/*/{name}.parquet")
        path.write_bytes(path.read_bytes()[:-20])
        assert store.frames().runs["seed"].tolist() == [1]
        survey = store.survey()
        assert survey.statuses == {record(1).run.id: "completed"}
        assert [file.path for file in survey.damaged] == [path]
        store.set_aside(survey.damaged)
        assert store.survey() == replace(survey, damaged=())
        assert len(list(store.root.glob("damaged/*/runs.parquet"))) == 1


def test_what_a_dead_process_left_does_not_count_and_is_swept(store):
    store.add_plan(plan(0))
    (store.root / "runs").mkdir()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    half = store.root / "runs" / f".writing-{platform.node()}-{dead.pid}-0"
    half.write_text("{}")
    assert store.survey() == Survey()
    assert list(store.records()) == []
    living = store.root / "runs" / f".writing-{platform.node()}-{os.getpid()}-0"
    elsewhere = store.root / ".writing-elsewhere-1-0"
    living.touch()
    elsewhere.mkdir()
    store.add_plan(plan(0))
    assert not half.exists()
    assert living.exists()
    assert elsewhere.exists()


def test_a_plan_grows(store):
    assert store.plan() is None
    store.add_plan(plan(0, 1, steps=2))
    store.add_plan(plan(1, 2, command="b", steps=2))
    grown = store.plan()
    assert [run.seed for run in grown.runs] == [0, 1, 2]
    assert grown.commands == ("a", "b")
    assert grown.base == {"steps": 2}


@pytest.mark.parametrize("prefix", ["", "search."])
def test_a_setting_that_a_plan_does_not_name_has_its_default(prefix, store):
    """A plan of an earlier version, before there was such a setting; that of a search's confirmation, too."""

    def base(**settings):
        return {f"{prefix}{name.replace('__', '.')}": value for name, value in settings.items()}

    store.add_plan(plan(0, **base(train__momentum=0.9)))
    store.check_base(base(train__momentum=0.9, train__learning_rate_drops=[], train__nesterov=False, net__skip="A"))
    with pytest.raises(UserError, match=f"{prefix}train.nesterov=its default, not True"):
        store.check_base(base(train__momentum=0.9, train__nesterov=True))


def test_a_plan_with_another_base_is_refused(store):
    store.add_plan(plan(0, steps=2))
    before = (store.root / "study.json").read_bytes()
    with pytest.raises(UserError, match="was made with steps=2, not 3; choose another --out"):
        store.add_plan(plan(0, steps=3))
    assert (store.root / "study.json").read_bytes() == before


def damage(store, text):
    """Write `text` in the place of a record beside which there is a whole one; return its path."""
    store.write(record())
    store.write(record(1))
    path = store.root / "runs" / f"{record().run.id}.json"
    if isinstance(text, dict):
        text = seal({**unseal(path.read_bytes()), **text})
    path.write_text(text)
    return path


def test_a_record_from_before_usage_was_kept_is_read(store):
    store.write(record())
    (path,) = store.root.glob("runs/*")
    values = json.loads(path.read_text())
    assert values.pop("usage") == {"cpu_seconds": 2.5}
    del values["sha256"], values["attempt"]  # as all that came later
    path.write_text(json.dumps({**values, "schema": 2}))
    (read,) = store.records()
    assert read == replace(record(), usage={})
    assert "cpu_seconds" not in store.frames().runs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("[]", "must be a JSON object, but it is list"),
        ("{}", "must be of schema 3, but it has none"),
        ({"schema": 99}, "must be of schema 3, but it has 99"),
        ({"results": None}, "results"),
        ({"results": {"a": "b"}}, "results"),
        ({"run": None}, "run"),
        ({"run": {}}, "lacks 'net'"),
        ({"outcome": {"status": "odd", "step": 1}}, "outcome"),
        ({"seconds": "x"}, "seconds"),
        ({"epochs": {"a": [1], "b": []}}, "shorter"),
        ({"id": "other"}, "must have the name of its run"),
    ],
)
def test_a_damaged_record_is_named_set_aside_and_in_nobodys_way(store, text, reason):
    path = damage(store, text)
    frames = store.frames()
    assert frames.runs["seed"].tolist() == [1]
    ((damaged),) = frames.damaged
    assert damaged.path == path
    assert re.search(reason, damaged.reason)
    survey = store.survey(whole=True)
    assert (survey.statuses, survey.damaged) == ({record(1).run.id: "completed"}, frames.damaged)
    store.set_aside(frames.damaged)
    assert not path.exists()
    assert len(list(store.root.glob("damaged/*"))) == 1
    assert store.frames().damaged == ()


@pytest.mark.parametrize(
    "edit",
    [
        {"net": {"classes": "x"}}, {"net": {"classes": 10**400}}, {"net": {"classes": None}}, {"net": []},
        {"train": ["validation_fraction"]}, {"train": {"train_size": "x", "validation_fraction": 0.0}},
    ],
    ids=str,
)  # fmt: skip
def test_a_spec_by_which_no_run_can_be_judged_is_a_damaged_record(edit, store):
    """Also where specs are not read, as by `status`."""
    store.write(record())
    (path,) = store.root.glob("runs/*")
    values = unseal(path.read_bytes())
    path.write_text(seal({**values, "run": {**values["run"], **edit}}))
    for whole in (False, True):
        survey = store.survey(whole=whole)
        assert survey.statuses == {}
        assert [file.path for file in survey.damaged] == [path]


@pytest.mark.parametrize(
    "edit", [{"epochs": {"loss": [[]]}}, {"epochs": {"loss": ["x"]}}, {"probes": {"probe": ["x"], "value": ["y"]}}]
)
def test_rows_whose_values_are_no_numbers_are_a_damaged_record(edit, store):
    store.write(record())
    (path,) = store.root.glob("runs/*")
    path.write_text(seal({**unseal(path.read_bytes()), **edit}))
    frames = store.frames()
    assert [file.path for file in frames.damaged] == [path]
    assert frames.runs.empty


def test_two_write_one_plan_at_a_time(store):
    """Each adds its runs; none is lost."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seed: Store(store.root).add_plan(plan(seed)), range(16)))
    assert sorted(run.seed for run in store.plan().runs) == list(range(16))


def test_a_folder_without_room_is_one_line(store):
    (store.root / "runs").touch()
    with pytest.raises(UserError, match="records must have room in a writable folder, but .*: File exists"):
        store.write(record())


FOREIGN = ["{}", "[]", "hello", '{"schema": 1, "name": "x"}']


def foreign_plan(**change):
    values = {"schema": 1, **asdict(plan(0)), **change}
    return json.dumps(values)


FOREIGN += [foreign_plan(runs=[]), foreign_plan(runs=[1]), foreign_plan(commands=1), foreign_plan(factors=["b"])]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_study_json_is_named(store, content):
    (store.root / "study.json").write_text(content)
    with pytest.raises(UserError, match=r"study\.json"):
        store.plan()


def test_an_empty_store_has_no_rows(store):
    frames = store.frames()
    assert frames.runs.empty
    assert frames.epochs.empty
    assert frames.probes.empty


class TestWritable:
    def test_a_folder_that_can_be_made_is(self, tmp_path):
        check_writable(tmp_path / "a" / "b")
        assert not (tmp_path / "a").exists()

    def test_a_read_only_folder_is_refused(self, tmp_path):
        tmp_path.chmod(0o555)
        with pytest.raises(UserError, match=f"must be writable, but {tmp_path} is read-only"):
            check_writable(tmp_path / "a" / "b")
        tmp_path.chmod(0o755)

    def test_a_link_to_nowhere_is_refused(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        with pytest.raises(UserError, match="is not a folder"):
            check_writable(tmp_path / "link")

    def test_a_file_is_refused(self, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(UserError, match="is not a folder"):
            check_writable(tmp_path / "file" / "b")


def test_measurements_are_those_of_the_runs_that_count(tmp_path):
    """An arm that is taken out takes its measurements along, and brings them back."""
    store, records = Store(tmp_path), [record(seed) for seed in range(2)]
    for each in records:
        store.write(each)
        rows = [{"layer": "l", "block": 0, "index": 0, "path": "main", "value": 0.5}]
        item = Item(each.run.id, ProbeRequest("dead"), AUTO)
        measurements.write(tmp_path, measurements.Measurement(item, "measured", rows, 3, "val"))
    ids = [each.run.id for each in records]
    assert set(store.frames().probed["run"]) == {*ids}
    store.take_out(ids[:1])
    assert store.frames().probed["run"].tolist() == ids[1:]
    store.put_back(ids[:1])
    assert set(store.frames().probed["run"]) == {*ids}


@pytest.mark.skipif(sys.platform != "linux", reason="limits the size of files")
def test_a_part_that_cannot_be_written_is_named_and_no_record_is_lost(tmp_path):
    import resource

    store = Store(tmp_path)
    store.write(record())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            store.compact()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "parts")
    assert list((tmp_path / "parts").iterdir()) == []
    assert list(store.records()) == [record()]
