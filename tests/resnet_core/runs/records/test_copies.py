"""Which record of a run counts, and which is believed: in every order of writing, compaction, retry and damage."""

import json
import os
import random
from dataclasses import replace
from itertools import permutations

import pyarrow.parquet as pq
import pytest

from resnet_core.folders import sweep, write_new
from resnet_core.runs.records import parts
from resnet_core.runs.records.frames import RECORD, read_parquet, write_parquet
from resnet_core.runs.records.record import Stored
from resnet_core.runs.records.store import Store
from resnet_core.sealed import seal, unseal
from tests.resnet_core.runs.records.test_store import record

RUN = record().run.id


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def ending_of(store):
    """Return how the run ended, by each way of reading it."""
    frames = store.frames()
    return (
        store.survey().statuses.get(RUN),
        dict(zip(frames.runs["run"], frames.runs["status"], strict=True)).get(RUN) if len(frames.runs) else None,
        next((record.outcome.status for record in store.records() if record.run.id == RUN), None),
    )


@pytest.mark.parametrize("order", list(permutations(["compact", "killed", "crashed", "completed"])), ids="-".join)
def test_the_record_of_the_last_attempt_counts_everywhere(order, store):
    """Whatever was compacted when, and whatever the digests are by which parts are sorted."""
    attempt = 0
    for step in (*order, "compact"):
        if step == "compact":
            store.compact()
        else:
            attempt += 1
            last = step
            store.write(replace(record(status=step, attempt=attempt), seconds=random.random()))
    assert ending_of(store) == (last,) * 3
    assert list(store.root.glob("runs/*")) == []


@pytest.mark.parametrize("seconds", range(6))
def test_of_records_without_a_number_the_one_that_has_not_failed_is_newer(seconds, store):
    """Those of earlier versions: two parts, whose order depends on wall times."""
    for status in ("killed", "completed"):
        part = parts.write(store.root / "parts", [_read(replace(record(status=status), seconds=seconds))])
        table = read_parquet(part / "runs.parquet", pq.read_schema(part / "runs.parquet").names).drop(columns="attempt")
        write_parquet(table, part / "runs.parquet")
        (part / "digests.json").unlink()
        part.rename(part.with_name(f"{seconds}{status}"[::-1]))
    assert ending_of(store) == ("completed",) * 3


def _read(each):
    return Stored.from_dict(each.to_dict()), each


def test_two_that_write_one_attempt_do_not_both(store):
    store.write(record(status="crashed"))
    store.write(record())
    assert ending_of(store) == ("crashed",) * 3
    assert not write_new(store.root / "runs" / f"{RUN}.json", "")


def test_a_reader_finds_what_is_compacted_meanwhile_with_its_rows(store):
    store.write(record())
    store.compact()
    assert store.read(RUN) == record()
    assert store.has(RUN)
    assert not store.has(RUN, 2)


def test_a_compaction_that_was_killed_before_it_removed_the_files(store):
    store.write(record())
    text = (store.root / "runs" / f"{RUN}.json").read_text()
    store.compact()
    (store.root / "runs" / f"{RUN}.json").write_text(text)
    assert ending_of(store) == ("completed",) * 3
    assert len(store.frames().epochs) == 1
    store.compact()
    assert ending_of(store) == ("completed",) * 3


def test_no_older_failure_counts_where_the_newest_record_is_damaged(store):
    """It is to be executed once more, and as the next attempt, also after it was set aside."""
    store.write(record(status="killed"))
    store.compact()
    store.write(record(attempt=2))
    store.compact()
    (newest,) = [part for part in store.root.glob("parts/*") if '": 2' in (part / "digests.json").read_text()]
    _invert(newest / "epochs.parquet", -60)
    survey = store.survey()
    assert [file.path for file in survey.damaged] == [newest / "epochs.parquet"]
    assert ending_of(store) == (None,) * 3
    store.set_aside(survey.damaged)
    assert ending_of(store) == (None,) * 3
    assert store.survey().next_attempt(RUN) == 2
    store.write(record(attempt=2))
    assert ending_of(store) == ("completed",) * 3


def _invert(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["runs", "epochs", "probes"])
@pytest.mark.parametrize("place", [0, 0.2, 0.5, 0.9])
def test_an_inverted_byte_of_a_part_is_noticed_in_its_file(name, place, store):
    store.write(record())
    store.compact()
    (path,) = store.root.glob(f"parts/*/{name}.parquet")
    _invert(path, int(place * path.stat().st_size))
    assert [file.path for file in store.survey().damaged] == [path]
    assert [file.path for file in store.frames().damaged] == [path]


@pytest.mark.parametrize("content", ["", "{}", None, '{"tables": {}, "runs": {}}'])
def test_the_digests_of_a_part_follow_from_its_tables(content, store):
    store.write(record())
    store.compact()
    (path,) = store.root.glob("parts/*/digests.json")
    path.unlink() if content is None else path.write_text(content)
    assert ending_of(store) == ("completed",) * 3
    _invert(path.with_name("probes.parquet"), 100)
    assert store.survey().damaged[0].path in (path.parent, path.with_name("probes.parquet"))


def test_no_byte_of_a_record_changes_a_value_unnoticed(store):
    store.write(record())
    path = store.root / "runs" / f"{RUN}.json"
    content, rng = path.read_bytes(), random.Random(0)
    for place in rng.sample(range(len(content)), 60):
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(changed))
        seen = list(store.records())
        assert seen in ([], [record()])
        assert (store.survey().statuses == {}) == (seen == [])
        assert [file.path for file in store.survey().damaged] == ([] if seen else [path])


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_a_record_that_was_only_laid_out_anew_is_the_same(indent, store):
    store.write(record())
    path = store.root / "runs" / f"{RUN}.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
    assert list(store.records()) == [record()]
    assert ending_of(store) == ("completed",) * 3


def test_a_record_of_this_version_without_its_checksum_is_damaged(store):
    store.write(record())
    path = store.root / "runs" / f"{RUN}.json"
    path.write_text(json.dumps(unseal(path.read_bytes())))
    assert [file.reason for file in store.survey().damaged] == ["it must have a checksum, but it has none"]


@pytest.mark.parametrize("name", ["../../victim", "", "a" * 15, "A" * 16, "\n" * 16, 7])
def test_a_part_whose_runs_are_paths_is_damaged(name, store, tmp_path):
    """What is in a table becomes the name of a file."""
    store = Store(tmp_path / "study")
    store.root.mkdir()
    victim = tmp_path / "victim.npz"
    victim.touch()
    store.write(record())
    store.compact()
    (part,) = store.root.glob("parts/*")
    for table in ("runs", "epochs", "probes"):
        rows = read_parquet(part / f"{table}.parquet")
        write_parquet(rows.assign(run=name, **({RECORD: "{}"} if table == "runs" else {})), part / f"{table}.parquet")
    (part / "digests.json").unlink()
    part.rename(part.with_name("old"))
    survey = store.survey()
    assert survey.statuses == {}
    assert "must be of 16 hexadecimal digits" in survey.damaged[0].reason
    store.tidy(survey.statuses)
    assert victim.exists()


@pytest.mark.parametrize(("table", "column"), [("runs", "macs"), ("epochs", "loss"), ("probes", "value")])
def test_a_part_without_checksums_whose_numbers_are_words_is_damaged(table, column, store):
    """Those of earlier versions have none, so any table may be in their place."""
    store.write(record())
    store.compact()
    (part,) = store.root.glob("parts/*")
    path = part / f"{table}.parquet"
    write_parquet(read_parquet(path).assign(**{column: ""}), path)
    (part / "digests.json").unlink()
    part.rename(part.with_name("old"))
    assert store.survey().statuses == {}
    assert f"`{column}` must have numbers, but it has ''" in store.survey().damaged[0].reason
    assert store.frames().runs.empty


@pytest.mark.parametrize("name", ["0" * 15, "0" * 16 + "-1", "0" * 16 + "-02", "a b", "x"])
def test_a_file_whose_name_is_of_no_run_is_damaged(name, store):
    store.write(record())
    path = store.root / "runs" / f"{RUN}.json"
    values = {**unseal(path.read_bytes()), "id": name}
    path.rename(path.with_name(f"{name}.json")).write_text(seal(values))
    assert store.survey().statuses == {}
    assert len(store.survey().damaged) == 1


@pytest.mark.parametrize("kind", ["folder", "deep", "binary"])
def test_what_is_no_file_of_text_is_damaged(kind, store):
    (store.root / "runs").mkdir()
    path = store.root / "runs" / f"{RUN}.json"
    match kind:
        case "folder":
            path.mkdir()
        case "deep":
            path.write_text("[" * 100_000)
        case "binary":
            path.write_bytes(bytes(range(256)))
    assert [file.path for file in store.survey().damaged] == [path]
    store.set_aside(store.survey().damaged)
    assert store.survey().damaged == ()


def test_what_a_killed_compaction_left_is_swept(store, tmp_path):
    store.write(record())
    left = tmp_path / "parts" / ".writing-elsewhere-1-ab"
    left.mkdir(parents=True)
    sweep(tmp_path, "**/")
    assert left.exists()  # another machine may be at it
    os.utime(left, (0, 0))
    store.compact()
    assert not left.exists()
