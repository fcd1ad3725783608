"""`Record`: the stored result of a run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, PositiveInt, TypeAdapter

from resnet_core.runs.description import DataInfo
from resnet_core.runs.records.outcomes import measured, status_of
from resnet_core.runs.spec import Form, Run

SCHEMA = 3
Status = Literal["completed", "diverged", "out_of_memory", "timed_out", "crashed", "killed", "pruned"]
FAILED: tuple[Status, ...] = ("out_of_memory", "timed_out", "crashed", "killed")
"""Statuses of runs that failed for reasons outside their spec. Such a run may succeed when it is executed again."""

ADVICE: dict[str, str] = {
    "diverged": "lower the learning rates",
    "failed_to_train": "change the learning rates, or train for longer",
    "out_of_memory": "bound the networks or the batch, or give them more memory",
    "timed_out": "give them more time, or fewer steps",
    "crashed": "see their errors",
    "killed": "run them once more",
    "pruned": "leave --prune out",
}
"""Advice by status."""

Row = dict[str, Any]
Columns = dict[str, list[Any]]
NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # numbers that JSON does not have
NUMBERS_OF_PROBES = ("epoch", "step", "index", "value")
"""Numeric columns of the probes. All columns of the epochs are numeric."""


def _of_numbers(table: Columns, names: Iterable[str]) -> Columns:
    """Return the columns of a stored record, of which these must be of numbers.

    Raises:
        ValueError: A column of numbers has another value.
    """
    for name in names:
        for value in table.get(name, ()):
            if value is not None and not isinstance(value, int | float) and value not in NOT_FINITE:
                raise ValueError(f"the column {name} must have numbers, but has {value!r}")
    return table


StoredColumns = dict[str, list[str | bool | int | float | None]]
EpochColumns = Annotated[StoredColumns, AfterValidator(lambda table: _of_numbers(table, table))]
ProbeColumns = Annotated[StoredColumns, AfterValidator(lambda table: _of_numbers(table, NUMBERS_OF_PROBES))]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `completed`; `diverged`: the loss was not finite; `out_of_memory`; `timed_out`: the run exceeded its
            time limit; `crashed`: an error was raised, or native code crashed the process; `killed`: the process ended
            otherwise; `pruned`: a search ended the run after an epoch, since others were better at it.
        step: Number of updates made, as far as known.
        message: What happened, if the run was not completed; the traceback, if it crashed.
    """

    status: Status
    step: int
    message: str = ""


@dataclass(frozen=True)
class Record:
    """A run and its result.

    Attributes:
        run: The run.
        outcome: How it ended.
        results: `train_loss`, `train_accuracy`, `val_…` and, if the test images are used, `test_…`, each after the last
            step and in inference mode. With `ProbeSpec.by_class` also `…_balanced_accuracy`, `…_f1_macro` and
            `…_worst_class_accuracy`. Empty if the run was not completed, or had no step.
        epochs: A row for each epoch: `epoch`, `step` at its end, `learning_rate`, `loss` and `accuracy`
            (means over its steps, in training mode), `val_loss`, `val_accuracy`.
        probes: A row for each measured value: `step`, `epoch`, `probe`, `layer`, `index`, `path`, `value`.
        network: `layers`, `parameters` and `macs` of the network.
        environment: See `runtime.environment`.
        seconds: Wall time, summed over the processes that executed parts of the run.
        usage: `cpu_seconds` and `peak_memory_bytes` of the last of these processes, see `runtime.usage`, and
            `latency_seconds` if requested. May be empty.
        attempt: Number of the attempt, counted from 1. The record of the last attempt counts.
        data: Description of the data set; `None` in old records.
        form: How the network was compiled, see `TrainSpec.form`.
        taken_from: The study that trained the run, if the record is taken from another study; see `execution.taking`.
    """

    run: Run
    outcome: Outcome
    results: dict[str, float] = field(default_factory=dict)
    epochs: list[Row] = field(default_factory=list)
    probes: list[Row] = field(default_factory=list)
    network: dict[str, int] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    usage: dict[str, float] = field(default_factory=dict)
    attempt: int = 1
    data: DataInfo | None = None
    form: Form = "own"
    taken_from: str = ""

    @property
    def status(self) -> str:
        """The status of the outcome, or `failed_to_train`; see `resnet_core.runs.records.outcomes`."""
        counts = self.data.training_counts if self.data else ()
        return status_of(self.outcome.status, measured(self.results, dict(self.run.net), dict(self.run.train), counts))

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON-serialisable values. The rows are stored by columns."""
        return {
            "schema": SCHEMA,
            "id": self.run.id,
            "attempt": self.attempt,
            "run": self.run.to_dict(),
            "outcome": asdict(self.outcome),
            "results": self.results,
            "network": self.network,
            "environment": self.environment,
            "seconds": self.seconds,
            "usage": self.usage,
            **({"data": self.data.to_dict()} if self.data else {}),
            **({} if self.form == "own" else {"form": self.form}),
            **({"taken_from": self.taken_from} if self.taken_from else {}),
            "epochs": columns(self.epochs),
            "probes": columns(self.probes),
        }


@dataclass(frozen=True)
class Stored:
    """`Record.to_dict`, as it is checked when it is read."""

    id: str
    run: dict[str, Any]
    outcome: Outcome
    results: dict[str, float]
    network: dict[str, int]
    environment: dict[str, Any]
    seconds: float
    usage: dict[str, float] = field(default_factory=dict)
    data: DataInfo | None = None
    epochs: EpochColumns = field(default_factory=dict)
    probes: ProbeColumns = field(default_factory=dict)
    attempt: PositiveInt = 1
    form: Form = "own"
    taken_from: str = ""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Check the values, and return them as a `Stored`.

        Raises:
            ValidationError: A value is missing or has a wrong type.
        """
        return _STORED.validate_python(values)  # type: ignore[return-value]

    def record(self) -> Record:
        """Return the record.

        Raises:
            ValueError, KeyError, TypeError: The values are not those of a record.
        """
        epochs, probes = rows(self.epochs), rows(self.probes)
        about: dict[str, Any] = {"network": self.network, "environment": self.environment, "seconds": self.seconds}
        about |= {"usage": self.usage, "data": self.data, "attempt": self.attempt, "form": self.form}
        about |= {"taken_from": self.taken_from}
        return Record(Run.from_dict(self.run), self.outcome, self.results, epochs, probes, **about)


_STORED = TypeAdapter(Stored)


def columns(table: Iterable[Row]) -> Columns:
    """Return rows as columns. Numbers that are not finite become words."""
    listed = list(table)
    names = dict.fromkeys(name for row in listed for name in row)
    return {name: [_plain(row.get(name)) for row in listed] for name in names}


def rows(table: Columns) -> list[Row]:
    """Return columns as rows, the inverse of `columns`.

    Raises:
        ValueError: The columns differ in length.
    """
    values = [numbers(column) for column in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*values, strict=True)]


def numbers(column: list[Any]) -> list[Any]:
    """Return a column of `columns` with its words as numbers."""
    return [NOT_FINITE.get(value, value) if isinstance(value, str) else value for value in column]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
