"""Records as tidy tables, and tables as parquet files."""

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_core.runs.records.outcomes import CONSTANT, constant
from resnet_core.runs.records.record import Record, Stored, numbers
from resnet_core.sealed import encodable

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

NAMES = ("runs", "epochs", "probes")
JSON = "json:"  # prefix of the name of a column whose values parquet has no type for
TAKEN_FROM = "taken_from"
RECORD = "record"  # column of `runs.parquet` with the record, without its rows, as JSON


@dataclass(frozen=True)
class Damaged:
    """A file that should be a record but cannot be read."""

    path: "Path"
    reason: str


@dataclass(frozen=True)
class Frames:
    """The records as tidy tables, sorted by run.

    Attributes:
        runs: A row for each run: `run`, `seed`, the factors, `status` (see `records.outcomes`), `step`, `message`,
            the results, the cost of the network, `seconds`, `attempt`, `taken_from` (null for a run that the study
            trained; no column if it trained all), the used resources, `train_images` and so on,
            the environment as `environment.…`, and the fields of the specs as `net.…`, `train.…`, `probe.…`.
        epochs: `run`, and the columns of `Record.epochs`.
        probes: `run`, and the columns of `Record.probes`.
        damaged: Files that could not be read. Their records are in no table.
        probed: Measurements of trained networks, see `records.measurements.table`; `None` if not requested.
    """

    runs: "pd.DataFrame"
    epochs: "pd.DataFrame"
    probes: "pd.DataFrame"
    damaged: tuple[Damaged, ...] = ()
    probed: "pd.DataFrame | None" = None

    def of_runs(self, runs: Collection[str]) -> "Frames":
        """Return the tables of these runs."""
        tables = {name: getattr(self, name) for name in NAMES}
        if len(runs) == len(self.runs):
            return self
        return Frames(**{name: t if t.empty else t[t["run"].isin(set(runs))] for name, t in tables.items()})


def frames_of(read: Sequence[tuple[Stored, Record]]) -> Frames:
    """Return the tables of records. Each record is given with the stored values from which it was made."""
    import pandas as pd

    runs = pd.DataFrame([{name: encodable(value) for name, value in run_columns(record)} for _, record in read])
    stored = [each for each, _ in read]
    return Frames(runs, _rows(stored, "epochs"), _rows(stored, "probes"))


def run_columns(record: Record) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a run and their values."""
    run = record.run
    yield from {"run": run.id, "seed": run.seed, **run.factors}.items()
    yield from {**vars(record.outcome), "status": record.status}.items()
    yield from record.results.items()
    yield from record.network.items()
    yield from {"seconds": record.seconds, "attempt": record.attempt}.items()
    if record.taken_from:
        yield TAKEN_FROM, record.taken_from
    yield from record.usage.items()
    if record.data:
        counts = {"train": record.data.train_images, "val": record.data.validation_images}
        counts |= {"test": record.data.test_images} if run.train.test else {}
        yield from ((f"{part}_images", count) for part, count in counts.items())
        if record.data.class_counts:
            yield from zip(CONSTANT, constant(record.data.training_counts, run.train.balance), strict=True)
    yield from ((f"environment.{name}", value) for name, value in record.environment.items())
    for name, spec in (("net", run.net), ("train", run.train), ("probe", run.probe)):
        yield from ((f"{name}.{field}", value) for field, value in spec)


def _rows(stored: Sequence[Stored], name: str) -> "pd.DataFrame":
    import pandas as pd

    tables = [(record.id, getattr(record, name)) for record in stored]
    counts = [len(next(iter(table.values()), [])) for _, table in tables]
    if not sum(counts):
        return pd.DataFrame()
    joined: dict[str, list[Any]] = {"run": [run for (run, _), n in zip(tables, counts, strict=True) for _ in range(n)]}
    for column in dict.fromkeys(column for _, table in tables for column in table):
        joined[column] = [
            value
            for (_, table), n in zip(tables, counts, strict=True)
            for value in (map(encodable, numbers(table[column])) if column in table else [None] * n)
        ]
    return pd.DataFrame(joined)


def joined(parts: Sequence[Frames], damaged: Iterable[Damaged] = ()) -> Frames:
    """Return the concatenated tables of `parts`, which must have no run in common."""
    tables = {
        name: _concatenated([getattr(part, name) for part in parts if not getattr(part, name).empty]) for name in NAMES
    }
    return Frames(**tables, damaged=tuple(damaged))


def _concatenated(tables: "Sequence[pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    if not tables:
        return pd.DataFrame()
    table = tables[0] if len(tables) == 1 else pd.concat(tables, ignore_index=True)
    return table.sort_values("run", kind="stable", ignore_index=True)


def write_parquet(table: "pd.DataFrame", path: "Path") -> None:
    """Write a table, compactly. A column of values without a parquet type is written as JSON.

    The bytes of numbers are split by significance, which compresses them by a third. Statistics of columns and the
    metadata of pandas, which a table of few rows and many columns mostly consists of, are left out.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pandas.api.types import is_object_dtype

    encoded = table.copy()
    odd = [name for name in map(str, table) if is_object_dtype(table[name])]
    for name in odd:
        encoded[name] = [json.dumps(value) for value in table[name]]
    encoded = encoded.rename(columns={name: f"{JSON}{name}" for name in odd})
    written = pa.Table.from_pandas(encoded, preserve_index=False).replace_schema_metadata(None)
    numbers = [field.name for field in written.schema if pa.types.is_floating(field.type)]
    pq.write_table(
        written, path, compression="zstd", write_statistics=False, store_schema=False,
        use_byte_stream_split=numbers, use_dictionary=[name for name in written.column_names if name not in numbers],
    )  # fmt: skip


def read_parquet(path: "Path", columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Read a table that `write_parquet` wrote: the given columns, or all except the column of records.

    Raises:
        OSError, ValueError: The file is missing or damaged.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    wanted = columns or [name for name in pq.read_schema(path).names if name != RECORD]
    table = pd.read_parquet(path, columns=list(wanted))
    odd = [name for name in map(str, table) if name.startswith(JSON)]
    for name in odd:
        table[name] = _decoded(table[name])
    return table.rename(columns={name: name.removeprefix(JSON) for name in odd})


def _decoded(column: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    def value(text: str) -> Any:
        decoded = json.loads(text)
        return tuple(decoded) if isinstance(decoded, list) else decoded

    codes, words = pd.factorize(column)
    values = pd.Series([value(word) for word in words], dtype=object)
    return pd.Series(values.to_numpy()[codes], index=column.index, dtype=object)
