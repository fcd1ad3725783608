"""Objectives of a search: one measure of a run, or several."""

import math
from dataclasses import dataclass
from typing import Any, Literal

from resnet_core.errors import UserError, nearest
from resnet_core.runs.records.record import Record
from resnet_core.runs.training.scores import BY_CLASS

Direction = Literal["max", "min"]
DIRECTIONS: dict[str, Direction] = {
    "val_accuracy": "max", "val_loss": "min", "val_error": "min",
    "val_balanced_accuracy": "max", "val_f1_macro": "max", "val_worst_class_accuracy": "max",
    "parameters": "min", "macs": "min", "latency_seconds": "min", "seconds": "min",
}  # fmt: skip
SHORT = {name: f"val_{name}" for name in BY_CLASS}
"""Short names of objectives."""
COSTS = ("parameters", "macs", "latency_seconds", "seconds")
"""Costs of a network, which cannot be the only objectives."""


@dataclass(frozen=True)
class Objective:
    """A measure to maximise or minimise."""

    name: str
    direction: Direction

    @property
    def text(self) -> str:
        return f"{self.name} ({self.direction})"

    def gain(self, record: Record) -> float:
        """Return the measure of a run, with the sign chosen so that larger is better."""
        return self.value(record) if self.direction == "max" else -self.value(record)

    @property
    def column(self) -> str:
        """The column of the epochs' rows with the measure, or with what it is computed from."""
        return "val_accuracy" if self.name == "val_error" else self.name

    @property
    def column_rises(self) -> bool:
        """Whether larger values of the column are better."""
        return self.name == "val_error" or self.direction == "max"

    def value(self, record: Record) -> float:
        """Return the measure of a run, or that of the last epoch of a pruned run; NaN if the run did not complete
        otherwise. Oracles treat NaN as the worst value.
        """
        if record.status == "pruned" and self.name not in COSTS:
            last = record.epochs[-1][self.column]
            return float(1.0 - last if self.name == "val_error" else last)
        if record.status not in ("completed", "pruned"):
            return math.nan
        if self.name in COSTS:
            seconds = {"seconds": record.seconds, **record.usage}
            return float(record.network.get(self.name, seconds.get(self.name, math.nan)))
        if self.name == "val_error":
            return 1.0 - record.results["val_accuracy"]
        return record.results[self.name]


def objectives(text: str) -> tuple[Objective, ...]:
    """Return the objectives of a text such as `val_accuracy,macs`.

    Raises:
        UserError: An objective is unknown or named twice, or all are costs.
    """
    names = [SHORT.get(name.strip(), name.strip()) for name in text.split(",")]
    for name in names:
        if name not in DIRECTIONS:
            raise UserError(f"--objective must be known, but got '{name}'{nearest(name, [*DIRECTIONS, *SHORT])}")
    if len(set(names)) < len(names):
        raise UserError(f"--objective must name each once, but got '{text}'")
    if set(names) <= set(COSTS):
        raise UserError(f"--objective must have a measure of what was learned, but got '{text}'; add val_accuracy")
    return tuple(Objective(name, DIRECTIONS[name]) for name in names)


def for_keras_tuner(objectives: tuple[Objective, ...]) -> Any:
    """Return the objectives in the form that KerasTuner takes."""
    import keras_tuner

    converted = [keras_tuner.Objective(objective.name, objective.direction) for objective in objectives]
    return converted if len(converted) > 1 else converted[0]
