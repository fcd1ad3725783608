"""Parts: folders of three parquet tables that hold the records of many runs.

A part never changes. Its name is the checksum of its `digests.json`, which has the SHA-256 of each table and the
attempt of each run. A part is intact if its tables have these checksums. A damaged `digests.json` is computed again
from the tables. Parts of earlier versions have no checksums; all of their tables are read to check them.
"""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from numbers import Number
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_core.folders import naming, path_aside, sync, write_file
from resnet_core.runs.records.copies import Copy
from resnet_core.runs.records.files import RUN_ID, reason_of
from resnet_core.runs.records.frames import (
    NAMES,
    RECORD,
    TAKEN_FROM,
    Damaged,
    Frames,
    frames_of,
    read_parquet,
    write_parquet,
)
from resnet_core.runs.records.outcomes import COLUMNS, measured_in, statuses
from resnet_core.runs.records.record import NUMBERS_OF_PROBES, Record, Row, Stored
from resnet_core.sealed import UNREADABLE, sha256_of_file

if TYPE_CHECKING:
    import pandas as pd

DIGESTS = "digests.json"
NUMBERS = {
    "runs": (
        "seed", "step", "attempt", "layers", "parameters", "macs", "seconds",
        *(f"{part}_{kind}" for part in ("train", "val", "test") for kind in ("loss", "accuracy")),
    ),
    "epochs": ("epoch", "step", "learning_rate", "loss", "accuracy", "val_loss", "val_accuracy"),
    "probes": NUMBERS_OF_PROBES,
}  # fmt: skip
"""Numeric columns of each table; some may be missing."""
_COPIED = ("run", "attempt", "status", "step", "message")
_KIND = "sealed-"  # prefix of the names of parts with a checksum


class UnreadablePart(ValueError):
    """A part is damaged.

    Attributes:
        damaged: The damaged files.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(reason)
        self.damaged = Damaged(path, reason)


def folders(parts: Path) -> list[Path]:
    """Return the folders of the parts, in the order of their names."""
    return sorted(path for path in parts.glob("*") if not path.name.startswith("."))


def write(parts: Path, read: Sequence[tuple[Stored, Record]]) -> Path:
    """Write records into a new part, and return its folder."""
    frames = frames_of(read)
    texts = [json.dumps(replace(record, epochs=[], probes=[]).to_dict()) for _, record in read]
    parts.mkdir(exist_ok=True)
    aside = path_aside(parts)
    aside.mkdir()
    try:
        ended = [stored.outcome.status for stored, _ in read]  # `failed_to_train` is decided when a record is read
        runs = frames.runs.assign(status=ended).assign(**{RECORD: texts})
        for name, table in zip(NAMES, (runs, frames.epochs, frames.probes), strict=True):
            with naming(parts):  # the library does not name the file if the disk is full
                write_parquet(table, aside / f"{name}.parquet")
            sync(aside / f"{name}.parquet")
        text = _digests(aside, {stored.id: stored.attempt for stored, _ in read})
        write_file(aside / DIGESTS, text)
        place = parts / _name(text)
        if not place.exists():
            aside.rename(place)
            sync(parts)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return place


def check(folder: Path) -> None:
    """Check the checksums of a part.

    Raises:
        Unreadable: A checksum differs.
    """
    if not folder.name.startswith(_KIND):
        frames(folder)
        return
    try:
        text = (folder / DIGESTS).read_text()
        digests = json.loads(text) if _name(text) == folder.name else None
    except UNREADABLE:
        digests = None
    if digests is None:
        with _names(folder / "runs.parquet"):
            copied = copies(folder, checked=True)
        for name in NAMES:
            with _names(folder / f"{name}.parquet"):
                read_parquet(folder / f"{name}.parquet")
        if _name(_digests(folder, {copy.run: copy.attempt for copy in copied})) != folder.name:
            raise UnreadablePart(
                folder, "its tables must be those that were written, but their checksum is that of other tables"
            )
        return
    for name in NAMES:
        path = folder / f"{name}.parquet"
        with _names(path):
            if sha256_of_file(path) != digests["tables"][name]:
                raise ValueError("its content must be what was written, but its checksum is that of another content")


def attempts(folder: Path) -> dict[str, int]:
    """Return the attempt of each run of a part, which may be damaged, if `digests.json` can be read."""
    try:
        runs = json.loads((folder / DIGESTS).read_text())["runs"]
        return {run: attempt for run, attempt in runs.items() if RUN_ID.fullmatch(run) and attempt in range(1, 10**5)}
    except (*UNREADABLE, AttributeError):
        return {}


@lru_cache
def intact_attempts(folder: Path) -> Mapping[str, int]:
    """Return the attempt of each run of a part; empty if the part is damaged. Cached, since a part never changes."""
    try:
        return {copy.run: copy.attempt for copy in copies(folder)}
    except UnreadablePart:
        return {}


def copies(folder: Path, *, checked: bool = False) -> list[Copy]:
    """Return the records in a part.

    Args:
        folder: The part.
        checked: Whether the part has been checked.

    Raises:
        Unreadable: The part is damaged.
    """
    if not checked:
        check(folder)
    path = folder / "runs.parquet"
    with _names(path):
        table = _runs(path, list(dict.fromkeys([*_COPIED, TAKEN_FROM, *COLUMNS])))
        columns = [table[name].tolist() for name in _COPIED]
        origins = table[TAKEN_FROM].fillna("").tolist() if TAKEN_FROM in table else [""] * len(table)
        return [Copy(run, int(attempt), status, int(step), folder, str(message), tuple(known), origin)
                for run, attempt, status, step, message, known, origin
                in zip(*columns, measured_in(table).to_numpy().tolist(), origins, strict=True)]  # fmt: skip


def records(folder: Path, ids: Collection[str]) -> Iterator[Record]:
    """Yield records of a part that has been checked, without their rows.

    Raises:
        Unreadable: The part is damaged.
    """
    path = folder / "runs.parquet"
    with _names(path):
        texts = read_parquet(path, ["run", RECORD])
        texts_of_runs = [text for run, text in zip(texts["run"], texts[RECORD], strict=True) if run in ids]
        yield from [Stored.from_dict(json.loads(text)).record() for text in texts_of_runs]


def record(folder: Path, run_id: str) -> Record:
    """Return a record of a part, with its rows; see `whole`."""
    (only,) = whole(folder, {run_id})
    return only


def whole(folder: Path, ids: Collection[str]) -> list[Record]:
    """Return records of a part that has been checked, with their rows.

    Raises:
        Unreadable: The part is damaged.
    """
    tables = frames(folder).of_runs(ids)
    epochs, probes = _rows_by_run(tables.epochs), _rows_by_run(tables.probes)
    return [
        replace(record, epochs=epochs.get(record.run.id, []), probes=probes.get(record.run.id, []))
        for record in records(folder, ids)
    ]


def _rows_by_run(table: "pd.DataFrame") -> dict[str, list[Row]]:
    if table.empty:
        return {}
    rows = table.drop(columns="run").to_dict("records")
    by_run: dict[str, list[Row]] = {}
    for run, row in zip(table["run"], rows, strict=True):
        by_run.setdefault(run, []).append({str(name): value for name, value in row.items()})
    return by_run


def frames(folder: Path) -> Frames:
    """Return the tables of a part that has been checked.

    Raises:
        Unreadable: The part is damaged.
    """
    tables: dict[str, pd.DataFrame] = {}
    for name in NAMES:
        path = folder / f"{name}.parquet"
        with _names(path):
            tables[name] = _judged(_runs(path)) if name == "runs" else read_parquet(path)
            if not tables[name].empty and not set(tables[name]["run"]) <= set(tables["runs"]["run"]):
                raise ValueError("its rows must be of runs of the part, but some are of others")
            _check_numbers(name, tables[name])
    return Frames(tables["runs"], tables["epochs"], tables["probes"])


def _runs(path: Path, columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Return the table of runs, or some of its columns; runs of earlier versions get attempt 1."""
    import pyarrow.parquet as pq

    stored = {name.removeprefix("json:"): name for name in pq.read_schema(path).names}
    table = read_parquet(path, None if columns is None else [stored[name] for name in columns if name in stored])
    strange = next((run for run in table["run"] if not RUN_ID.fullmatch(str(run))), None)
    if strange is not None:
        raise ValueError(f"a run's id must be of 16 hexadecimal digits, but it has {str(strange)[:40]!r}")
    if table["run"].duplicated().any():
        raise ValueError("a part must have a run once, but it has one twice")
    return table if "attempt" in table else table.assign(attempt=1)


def _check_numbers(name: str, table: "pd.DataFrame") -> None:
    """Check that numeric columns have only numbers, for parts without checksums.

    Raises:
        ValueError: A column has another value.
    """
    from pandas.api.types import is_numeric_dtype

    for column in NUMBERS[name]:
        if column in table and not is_numeric_dtype(table[column]):
            strange = [value for value in table[column] if not isinstance(value, Number | None)]
            if strange:
                raise ValueError(f"`{column}` must have numbers, but it has {str(strange[0])[:40]!r}")


def _judged(runs: "pd.DataFrame") -> "pd.DataFrame":
    return runs.assign(status=statuses(runs).astype(runs["status"].dtype))


def _name(digests: str) -> str:
    return _KIND + hashlib.sha256(digests.encode()).hexdigest()[:32]


def _digests(folder: Path, runs: Mapping[str, int]) -> str:
    tables = {name: sha256_of_file(folder / f"{name}.parquet") for name in NAMES}
    return json.dumps({"tables": tables, "runs": dict(sorted(runs.items()))}, indent=1) + "\n"


@contextmanager
def _names(path: Path) -> Iterator[None]:
    """Context manager that turns errors into `Unreadable` with this file."""
    try:
        yield
    except UnreadablePart:
        raise
    except Exception as error:  # a reader of parquet files may raise anything on a damaged one
        raise UnreadablePart(path, reason_of(error)) from None
