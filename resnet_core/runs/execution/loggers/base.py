"""`Logger`, its registry, and the values that all loggers log."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from resnet_core.errors import UserError
from resnet_core.fingerprint import is_ours
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress

Row = Mapping[str, Any]


class Logger(Protocol):
    """Logs runs, in the process that launches them."""

    def progress(self, run: Run, progress: Progress) -> None:
        """Log the progress of a run. Several runs may alternate."""
        ...

    def end(self, record: Record) -> None:
        """Log the end of a run. `progress` may not have been called for it."""
        ...

    def close(self) -> None:
        """Write all files, and mark runs that did not end, if the format has a mark."""
        ...


class Sink(Protocol):
    """The log of one run."""

    def row(self, row: Row) -> None:
        """Log the row of an epoch, see `Record.epochs`."""
        ...

    def end(self, record: Record, unseen: Sequence[Row]) -> None:
        """Log the rows of epochs for which `row` was not called, and the end of the run."""
        ...

    def abandon(self) -> None:
        """Mark the run as not ended."""
        ...


class RunLogger:
    """A logger that opens a sink for each run.

    Args:
        open_sink: Function that opens the sink of a run.
    """

    def __init__(self, open_sink: Callable[[Run], Sink]) -> None:
        self._open = open_sink
        self._sinks: dict[str, Sink] = {}
        self._seen: dict[str, set[int]] = {}

    def _sink(self, run: Run) -> Sink:
        if run.id not in self._sinks:
            self._sinks[run.id] = self._open(run)
            self._seen[run.id] = set()
        return self._sinks[run.id]

    def progress(self, run: Run, progress: Progress) -> None:
        sink, row = self._sink(run), progress.row
        if row is not None and row["step"] not in self._seen[run.id]:
            self._seen[run.id].add(row["step"])
            sink.row(row)

    def end(self, record: Record) -> None:
        sink = self._sink(record.run)
        del self._sinks[record.run.id]
        seen = self._seen.pop(record.run.id)
        sink.end(record, [row for row in record.epochs if row["step"] not in seen])

    def close(self) -> None:
        while self._sinks:
            self._sinks.popitem()[1].abandon()


Open = Callable[[str, Path], Logger]
"""Function from the study's name and the logger's folder to a logger. It writes nothing before the first run."""


@dataclass(frozen=True)
class RegisteredLogger:
    """A registered logger: the function that opens it, and the package it needs, if any."""

    open: Open
    package: str = ""


LOGGERS: dict[str, RegisteredLogger] = {}


def register_logger(name: str, *, package: str = "") -> Callable[[Open], Open]:
    """Register the decorated function as the logger of `--log NAME`.

    A user's function may be registered again, as when a notebook cell is run again. It replaces the earlier one.

    Args:
        name: A new name.
        package: Module that must be installed. The extra of this project has the same name.

    Raises:
        UserError: This project has a logger of this name.
    """

    def register(open_: Open) -> Open:
        if name in LOGGERS and is_ours(LOGGERS[name].open):
            raise UserError(f"a logger's name must be new, but there is a logger '{name}' already; choose another")
        LOGGERS[name] = RegisteredLogger(open_, package)
        return open_

    return register


def settings(run: Run) -> dict[str, Any]:
    """Return the factors and the seed of `run`, and the fields of its specs that differ from their defaults."""
    specs = {"net": run.net, "train": run.train, "probe": run.probe}
    fields = {kind: json.loads(spec.canonical_json()) for kind, spec in specs.items()}
    named = {f"{kind}.{name}": value for kind, values in fields.items() for name, value in values.items()}
    return {**run.factors, "seed": run.seed, **named}


def measures(row: Row) -> dict[str, float]:
    """Return the measures in the row of an epoch."""
    return {name: float(value) for name, value in row.items() if name not in ("epoch", "step")}


def results(record: Record) -> dict[str, float]:
    """Return the final results by name, such as `results/test_accuracy`, and the wall time in seconds."""
    return {f"results/{name}": value for name, value in record.results.items()} | {"results/seconds": record.seconds}


def by_depth(record: Record) -> Iterator[tuple[str, int, float]]:
    """Yield the name, the index of the place and the value of each probe, at the first and the last probed step."""
    steps = [row["step"] for row in record.probes]
    for when, step in (("first", min(steps, default=0)), ("last", max(steps, default=0))):
        for row in sorted((row for row in record.probes if row["step"] == step), key=lambda row: int(row["index"])):
            yield f"{row['probe']}/{row['path']}_by_depth_{when}", row["index"], row["value"]
