"""Measures of what probes have measured: `lesion.largest`, `reset[unit=block].mean`, of any probe, a user's too.

The name of such a measure is a probe, conditions on its rows, and a statistic of them:

    PROBE[COLUMN=VALUE,COLUMN=VALUE].STATISTIC

A condition is on a coordinate of the rows or on an option of the probe, and `COLUMN!=VALUE` on a coordinate alone;
`of=COLUMN` takes the statistic of another column than `value`, and `over=COLUMN` the order and the slope of another
than `index`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError, nearest
from resnet_core.probes.registry import probes

if TYPE_CHECKING:
    import pandas as pd

    from resnet_core.runs.records.frames import Frames

_NAME = re.compile(r"(?P<probe>\w+)(\[(?P<conditions>[^\[\]]*)\])?\.(?P<statistic>\w+)")
STATISTICS: Mapping[str, str] = {
    "mean": "the mean", "largest": "the largest", "smallest": "the smallest", "first": "the first, from the input on",
    "last": "the last, from the input on", "range": "the largest less the smallest",
    "slope": "the least-squares slope over the index", "log10_largest": "log10 of the largest",
}  # fmt: skip
WITHIN = frozenset({"mean", "largest", "smallest", "first", "last"})
"""Statistics that are never beyond the values that they are of."""


@dataclass(frozen=True)
class OfProbe:
    """A measure of the rows of a probe.

    Attributes:
        probe: Name of the probe, as the rows have it.
        conditions: By column or option, what its value is written as; a column that ends with `!` must not have it.
        statistic: One of `STATISTICS`.
        column: That the statistic is of.
        over: The column that gives the order, and that a slope is over.
    """

    probe: str
    conditions: tuple[tuple[str, str], ...]
    statistic: str
    column: str = "value"
    over: str = "index"

    @property
    def about(self) -> str:
        """What it is, in words."""
        column = "" if self.column == "value" else f" ({self.column})"
        where = "".join(f", {name}={value}" for name, value in self.conditions)
        return (
            f"{STATISTICS[self.statistic]} of the rows of the probe {self.probe}{column}{where}, of the trained network"
        )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The best and the worst value, those of the probe's rows. None where there is no such bound."""
        known = probes().get(self.probe)
        if known is None or self.column != "value" or self.statistic not in WITHIN:
            return None, None
        return known.best, known.worst

    def __call__(self, frames: "Frames") -> "pd.Series[float]":
        """Return the value of each run that has been probed, by its id."""
        rows = self.rows(frames.probed)
        groups = rows.groupby("run")[self.column]
        match self.statistic:
            case "mean":
                return groups.mean()
            case "largest":
                return groups.max()
            case "smallest":
                return groups.min()
            case "first":
                return groups.first()
            case "last":
                return groups.last()
            case "log10_largest":
                return groups.max().map(_log10)
            case "range":
                return groups.max() - groups.min()
            case _:
                return rows.groupby("run")[[self.over, self.column]].apply(_slope)

    def rows(self, probed: "pd.DataFrame | None") -> "pd.DataFrame":
        """Return the rows of the probe on which the conditions hold, in the order of the index."""
        import pandas as pd

        if probed is None or probed.empty or not {self.column, self.over} <= {*probed}:
            return pd.DataFrame({"run": [], self.over: [], self.column: []}).astype({self.column: float})
        rows = probed[probed["probe"] == self.probe].dropna(axis=1, how="all")
        if rows.empty or not {self.column, self.over} <= {*rows}:
            return probed[:0].assign(**{self.column: 0.0, self.over: 0})
        options = [(name, value) for name, value in self.conditions if name.removesuffix("!") not in rows]
        for name, value in self.conditions:
            if name.removesuffix("!") in rows:
                holds = rows[name.removesuffix("!")].map(_text) == value
                rows = rows[~holds if name.endswith("!") else holds]
        rows = usual(rows, dict(options))
        rows = rows[rows[self.column].notna()]
        return rows.astype({self.column: float}).sort_values(["run", self.over], kind="stable")


def usual(rows: "pd.DataFrame", options: Mapping[str, str] | None = None) -> "pd.DataFrame":
    """Return the rows of a probe that were measured with these options, on the most images.

    Args:
        rows: Of one probe.
        options: Options that are not at their defaults. Without any: the rows at the defaults or, if there are none,
            those of the first other options.

    Of rows of several steps those after the training are returned or, if there are none, those of the last step.
    """
    if rows.empty:
        return rows
    if "step" in rows:
        after = rows["step"].isna()
        rows = rows[after if after.any() else rows["step"] == rows["step"].max()]
    wanted = {f"{name}={value}" for name, value in (options or {}).items()}
    there = sorted(set(rows["options"]), key=lambda text: (len(text.split()), text))
    fit = [text for text in there if wanted <= set(text.split())]
    rows = rows[rows["options"] == fit[0]] if fit else rows[:0]
    if rows.empty:
        return rows
    sample = rows.groupby(["part", "images"]).ngroups
    return rows if sample == 1 else rows[rows["images"] == rows["images"].max()]


def of_probe(name: str) -> OfProbe | None:
    """Return the measure of this name, or none if it is not written as one.

    Raises:
        UserError: It is, and its statistic or a condition is wrong.
    """
    match = _NAME.fullmatch(name)
    if not match:
        return None
    if match["statistic"] not in STATISTICS:
        raise UserError(
            f"a measure of a probe must end with a statistic, but got '{name}'{nearest(match['statistic'], STATISTICS)}"
        )
    conditions = {}
    for word in filter(None, (match["conditions"] or "").split(",")):
        column, equals, value = word.partition("=")
        if not equals:
            raise UserError(f"a condition of a measure must be COLUMN=VALUE, but got '{word}' in '{name}'")
        conditions[column.strip()] = value.strip()
    column = conditions.pop("of", "value")
    over = conditions.pop("over", "index")
    return OfProbe(match["probe"], tuple(conditions.items()), match["statistic"], column, over)


def _slope(rows: "pd.DataFrame") -> float:
    import numpy as np

    x, y = rows.to_numpy(float).T
    x = x - x.mean()
    return float(x @ y / (x @ x)) if (x @ x) > 0 else float(np.nan)


def _log10(value: float) -> float:
    return math.log10(value) if value > 0 else math.nan


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
