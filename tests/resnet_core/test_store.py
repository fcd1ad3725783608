import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, replace

import pandas as pd
import pytest

from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.nets.spec import cifar
from resnet_core.runs.records import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.store import Plan, PlannedRun, Store


def record(seed=0, status="completed"):
    run = Run(cifar(8), TrainSpec(steps=2, data_sha256="ab"), seed=seed, factors={"depth": 8})
    epochs = [{"epoch": 1, "step": 2, "loss": 0.1 + seed, "accuracy": 0.5}]
    probes = [{"step": 0, "epoch": 0, "probe": "p", "layer": "l", "index": 0, "path": "main", "value": 1e-30}]
    results = {"test_accuracy": 0.1 + 0.2} if status == "completed" else {}
    network = {"layers": 8, "parameters": 75_290, "macs": 1}
    return Record(run, Outcome(status, 2), results, epochs, probes, network, {"threads": 1}, 1.5)


def plan(*seeds, command="a", **base):
    runs = tuple(PlannedRun(record(seed).run.id, seed, {"depth": 8}) for seed in seeds)
    return Plan("depth", "Does it?", "Us", base, ("depth",), (command,), runs, threads=1)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "study")


def test_a_record_round_trips(store):
    written = record()
    store.write(written)
    (read,) = store.records()
    assert read == replace(written, epochs=[], probes=[])
    frames = store.frames()
    assert frames.epochs.to_dict("records") == [{"run": written.run.id, **written.epochs[0]}]
    assert frames.probes.to_dict("records") == [{"run": written.run.id, **written.probes[0]}]


def test_frames_have_a_row_a_run_and_a_column_a_field(store):
    for seed in (1, 0):
        store.write(record(seed))
    store.write(record(2, "diverged"))
    runs = store.frames().runs.set_index("seed")
    assert runs["status"].to_dict() == {0: "completed", 1: "completed", 2: "diverged"}
    assert runs.loc[0, "test_accuracy"] == 0.1 + 0.2
    assert pd.isna(runs.loc[2, "test_accuracy"])
    assert runs.loc[0, ["depth", "layers", "parameters", "net.skip", "train.steps"]].tolist() == [8, 8, 75_290, "A", 2]


def test_a_run_is_written_once(store):
    store.write(record())
    store.write(replace(record(), seconds=99.0))
    assert [kept.seconds for kept in store.records()] == [1.5]
    assert sorted(path.name for path in store.root.iterdir()) == [record().run.id]


def test_what_a_dead_process_left_does_not_count_and_is_swept(store):
    store.add_plan(plan(0))
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    half = store.root / f".writing-{platform.node()}-{dead.pid}-0"
    half.mkdir()
    (half / "run.json").write_text("{}")
    assert store.ids() == set()
    assert list(store.records()) == []
    living = store.root / f".writing-{platform.node()}-{os.getpid()}-0"
    elsewhere = store.root / ".writing-elsewhere-1-0"
    living.mkdir()
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


def test_a_setting_that_a_plan_does_not_name_has_its_default(store):
    """A plan of an earlier version, before there was such a setting."""
    store.add_plan(plan(0, **{"train.momentum": 0.9}))
    store.check_base({"train.momentum": 0.9, "train.learning_rate_drops": [], "train.nesterov": False, "net.skip": "A"})
    with pytest.raises(UserError, match="train.nesterov=its default, not True"):
        store.check_base({"train.momentum": 0.9, "train.nesterov": True})


def test_a_plan_with_another_base_is_refused(store):
    store.add_plan(plan(0, steps=2))
    before = (store.root / "study.json").read_bytes()
    with pytest.raises(UserError, match="was made with steps=2, not 3; choose another --out"):
        store.add_plan(plan(0, steps=3))
    assert (store.root / "study.json").read_bytes() == before


@pytest.mark.parametrize("name", ["run.json", "epochs.parquet", "probes.parquet"])
@pytest.mark.parametrize("content", [b"", b"{", b"{}", b"PAR1"])
def test_a_damaged_record_is_named(store, name, content):
    store.write(record())
    path = store.root / record().run.id / name
    path.write_bytes(content)
    with pytest.raises(UserError, match=str(path)):
        store.frames()


def test_a_record_of_another_schema_is_named(store):
    store.write(record())
    path = store.root / record().run.id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    with pytest.raises(UserError, match="must be of schema 1, but .* has 99"):
        store.frames()


def test_a_folder_without_its_run_json_is_written_anew(store):
    store.write(record())
    (store.root / record().run.id / "run.json").unlink()
    store.write(record())
    assert store.ids() == {record().run.id}


@pytest.mark.parametrize(
    "change",
    [
        {"results": None},
        {"results": {"a": "b"}},
        {"run": None},
        {"outcome": {"status": "odd", "step": 1}},
        {"seconds": "x"},
    ],
)
def test_a_record_with_a_wrong_value_is_named(store, change):
    store.write(record())
    path = store.root / record().run.id / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(UserError, match=r"run\.json"):
        list(store.records())


def test_a_record_in_another_records_folder_is_named(store):
    store.write(record())
    (store.root / record().run.id).rename(store.root / "other")
    with pytest.raises(UserError, match="must stand in the folder of its id"):
        list(store.records())


def test_a_table_with_other_columns_is_named(store):
    store.write(record())
    folder = store.root / record().run.id
    (folder / "probes.parquet").write_bytes((folder / "epochs.parquet").read_bytes())
    with pytest.raises(UserError, match=r"probes\.parquet lacks index, layer"):
        store.frames()


FOREIGN = ["{}", "[]", "hello", '{"schema": 1, "name": "x"}']


def foreign_plan(**change):
    values = {"schema": 1, **asdict(plan(0)), **change}
    return json.dumps(values)


FOREIGN += [foreign_plan(runs=[]), foreign_plan(runs=[1]), foreign_plan(commands=1), foreign_plan(factors=["b"])]


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_study_json_is_named(store, content):
    store.root.mkdir()
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
