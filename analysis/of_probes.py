"""Measures of the rows of any probe, also a user's: `lesion.largest`, `reset[unit=block].mean`.

The name of such a measure consists of a probe, conditions on its rows, and a statistic:

    PROBE[COLUMN=VALUE,COLUMN=VALUE].STATISTIC

A condition is on a coordinate of the rows or on an option of the probe; `COLUMN!=VALUE` is on a coordinate only.
`of=COLUMN` computes the statistic of this column instead of `value`. `over=COLUMN` takes the order, and the slope, from
this column instead of `index`.
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
"""Statistics that always lie within the range of the values."""


@dataclass(frozen=True)
class OfProbe:
    """A measure of the rows of a probe.

    Attributes:
        probe: Name of the probe, as the rows have it.
        conditions: Value as text, by column or option. A column that ends with `!` must not have the value.
        statistic: One of `STATISTICS`.
        column: Column of the statistic.
        over: Column that gives the order, and the x of a slope.
    """

    probe: str
    conditions: tuple[tuple[str, str], ...]
    statistic: str
    column: str = "value"
    over: str = "index"

    @property
    def about(self) -> str:
        """Description of the measure."""
        column = "" if self.column == "value" else f" ({self.column})"
        where = "".join(f", {name}={value}" for name, value in self.conditions)
        return (
            f"{STATISTICS[self.statistic]} of the rows of the probe {self.probe}{column}{where}, of the trained network"
        )

    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The best and the worst possible value, from the probe; `None` without a bound."""
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
        """Return the rows of the probe that satisfy the conditions, in order."""
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
        rows: Rows of one probe.
        options: Options that are not at their defaults. If empty, the rows at the defaults are returned or, if there
            are none, the rows of the first other options.

    If there are rows of several steps, the rows after training are returned or, without these, those of the last step.
    """
    if rows.empty:
        return rows
    if "step" in rows:
        after = rows["step"].isna()
        rows = rows[after if after.any() else rows["step"] == rows["step"].max()]
    wanted = {f"{name}={value}" for name, value in (options or {}).items()}
    present = sorted(set(rows["options"]), key=lambda text: (len(text.split()), text))
    fit = [text for text in present if wanted <= set(text.split())]
    rows = rows[rows["options"] == fit[0]] if fit else rows[:0]
    if rows.empty:
        return rows
    sample = rows.groupby(["part", "images"]).ngroups
    return rows if sample == 1 else rows[rows["images"] == rows["images"].max()]


def of_probe(name: str) -> OfProbe | None:
    """Return the measure of this name, or `None` if the name does not have the form of one.

    Raises:
        UserError: The name has this form, but its statistic or a condition is not valid.
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
