"""Functions that the plots share: groups of `hue`, points, bands and names of axes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from pandas.api.types import is_number

from analysis.figures.marks import mark, tips_of
from resnet_core.errors import UserError, nearest
from resnet_core.telling import printable

MARKERS = "os^Dvp*X"
LINES: tuple[Any, ...] = ("-", (0, (3, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
MOST_POINTS = 200
"""Number of points of a group above which a vector file contains them as pixels."""
PARTS = {"train": "training ", "val": "validation "}
LANE = "without a value"
"""Label of the axes in which runs without a value are drawn."""
FAILED, LOST = "failed", "no result"
"""Text beside a lane."""


@dataclass(frozen=True)
class Group:
    """A group of `hue`: its name, its rows, its style, and the level as a page shows it."""

    name: str
    rows: pd.DataFrame
    color: Any
    marker: str
    arm: str = ""

    def counted(self, values: "pd.Series[Any]", units: str | None = None) -> str:
        """Return the name with the number of rows that have a value, and the number of all rows."""
        if units is not None and units in self.rows:
            n, total = self.rows[values.notna()][units].nunique(), self.rows[units].nunique()
        else:
            n, total = int(values.notna().sum()), len(values)
        return f"{self.name} ({n} of {total})" if self.name else f"{n} of {total}"


def literal(text: object) -> str:
    """Return text that Matplotlib draws literally: dollars start no formula, and control characters are escaped."""
    return printable(str(text)).replace("\t", " ").replace("$", r"\$")


def words(column: str) -> str:
    """Return the name of a column as an axis shows it."""
    names = {
        "layers": "layers with weights", "macs": "multiply-accumulates",
        "train.epochs": "epochs", "weight_gradient_l2": "‖∂L/∂W‖₂ of each layer",
        "activation_gradient_l2": "‖∂L/∂x‖₂ between blocks",
    }  # fmt: skip
    known = names.get(column, literal(column.replace("_", " ")))
    return re.sub(r"^(train|val) ", lambda part: PARTS[part[1]], known)


def given_or_current(ax: Axes | None) -> Axes:
    """Return the axes, or the current axes if `ax` is `None`."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    current: Axes = plt.gca()
    return current


def check_columns(data: pd.DataFrame, *columns: str | None) -> None:
    """Check that a table has all columns.

    Raises:
        UserError: A column is missing.
    """
    missing = [name for name in columns if name is not None and name not in data]
    if missing:
        raise UserError(
            f"a figure needs the columns that it is of, but the table has no `{missing[0]}`"
            f"{nearest(missing[0], map(str, data))}"
        )


def levels_of(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels in the order of their category, or of their appearance."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.dropna().unique())
        return [level for level in column.cat.categories if level in present]
    return list(column.dropna().unique())


def groups_of(data: pd.DataFrame, hue: str | None, order: Sequence[Any] | None, palette: Any) -> list[Group]:
    """Return the groups of `hue`, in the given order if there is one.

    Without it, levels are in the order of their category, or sorted. So a level has the same colour in all panels of a
    figure, whatever the order of the rows in their tables.
    """
    levels = ([None] if hue is None else _in_any_table(data[hue])) if order is None else list(order)
    colors = sns.color_palette(palette, len(levels))
    return [
        Group(
            "" if hue is None else literal(level), data if hue is None else data[data[hue] == level],
            colors[i], MARKERS[i % len(MARKERS)], "" if hue is None else str(level),
        )
        for i, level in enumerate(levels)
    ]  # fmt: skip


def _in_any_table(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels in an order that does not depend on the rows: numbers by value, words by letter."""
    levels = levels_of(column)
    if isinstance(column.dtype, pd.CategoricalDtype):
        return levels
    return sorted(levels, key=lambda level: (isinstance(level, str), level if is_number(level) else 0, str(level)))


def draw_band(ax: Axes, x: Any, low: "pd.Series[Any]", high: "pd.Series[Any]", group: Group) -> None:
    """Fill the area between two lines of a group."""
    mark(ax.fill_between(x, low.astype(float), high.astype(float), color=group.color, alpha=0.18, lw=0), group.arm)


def is_completed(rows: pd.DataFrame, value: "pd.Series[Any]") -> "pd.Series[bool]":
    """Return which runs have a value and, if the table has a column `status`, were completed."""
    return value.notna() & rows["status"].eq("completed") if "status" in rows else value.notna()


def draw_points(
    ax: Axes, place: "pd.Series[Any]", value: "pd.Series[Any]", group: Group, *, across: bool = False,
    label: str | None = None,
) -> None:  # fmt: skip
    """Draw a point for each run: open, or a cross if the run was not completed. Runs without a value are in a lane.

    Args:
        ax: Axes to draw on.
        place: Coordinate of each run along the other axis.
        value: Value of each run.
        group: Group of the runs.
        across: Whether values are along x.
        label: Text in the legend.
    """
    completed = is_completed(group.rows, value)
    look: dict[str, Any] = {"color": group.color, "zorder": 3, "rasterized": len(value) > MOST_POINTS}
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (completed, {"marker": group.marker, "s": 14, "alpha": 0.7, "facecolors": "none", "label": label}),
        (~completed & value.notna(), {"marker": "x", "s": 22}),
    ]
    for rows, marker in kinds:
        x, y = (value[rows], place[rows]) if across else (place[rows], value[rows])
        _mark_runs(ax.scatter(x, y, **look, **marker), group, value[rows])
    if value.isna().any():
        _draw_without_value(ax, place[value.isna()], group, look, across=across)


def _mark_runs(points: Any, group: Group, value: "pd.Series[Any]") -> None:
    """Mark the points with the runs that they stand for."""
    rows = group.rows.loc[value.index]
    alone = group.arm or "label" not in rows
    mark(points, group.arm, tips_of(rows, value, group.arm), () if alone else rows["label"])


def _draw_without_value(ax: Axes, place: "pd.Series[Any]", group: Group, look: dict[str, Any], *, across: bool) -> None:
    """Draw runs without a value in a lane outside the scale: a cross if training failed, a plus if the run was lost.

    If the table has no column `failed`, every such run is a cross.
    """
    failed = group.rows["failed"].astype(bool)[place.index] if "failed" in group.rows else place.notna()
    lane = lane_of(ax, across=across)
    for rows, marker, word in ((failed, "x", FAILED), (~failed, "+", LOST)):
        at = place[rows]
        if at.empty:
            continue
        beside = _beside_each_other(place)[at.index]
        x, y = (beside, at) if across else (at, beside)
        _mark_runs(lane.scatter(x, y, **look, marker=marker, s=22, label=word), group, at.map(lambda _: np.nan))
    words = [word for word in (FAILED, LOST) if any(points.get_label() == word for points in lane.collections)]
    axis = lane.xaxis if across else lane.yaxis
    axis.set_ticks([0.5], [" or ".join(words)])


def _beside_each_other(place: "pd.Series[Any]") -> "pd.Series[float]":
    """Return the positions of runs across a lane of width 1, such that runs at one place do not hide each other."""
    at = place.groupby(place, dropna=False)
    return (at.cumcount() + 1) / (at.transform("size") + 1)


def lane_of(ax: Axes, *, across: bool) -> Axes:
    """Return the lane for runs without a value: above the axes or, for values along x, right of them."""
    for child in ax.child_axes:
        if isinstance(child, Axes) and child.get_label() == LANE:
            return child
    if across:
        lane = ax.inset_axes((1.02, 0.0, 0.1, 1.0), sharey=ax, label=LANE)
        lane.set_xlim(0.0, 1.0)
        lane.xaxis.tick_top()
        lane.tick_params(left=False, labelleft=False, top=False, which="both")
    else:
        lane = ax.inset_axes((0.0, 1.02, 1.0, 0.07), sharex=ax, label=LANE)
        lane.set_ylim(0.0, 1.0)
        lane.tick_params(bottom=False, labelbottom=False, left=False, which="both")
    lane.grid(False)
    lane.spines[:].set_visible(False)
    lane.set_facecolor((0.5, 0.5, 0.5, 0.12))
    return lane


def with_gaps(rows: pd.DataFrame, x: str, y: str, units: str) -> tuple[Any, Any]:
    """Return the points of all runs with a gap after each run, such that they can be drawn as one line."""
    starts = np.flatnonzero(rows[units].ne(rows[units].shift()).to_numpy())[1:]
    return tuple(np.insert(rows[name].to_numpy(float), starts, np.nan) for name in (x, y))  # type: ignore[return-value]


def finish(ax: Axes, x: str, y: str, legend: Any) -> Axes:
    """Name the axes after their columns, add the legend, and return them."""
    ax.set_xlabel(words(x))
    ax.set_ylabel(words(y))
    if legend:
        ax.legend(frameon=False, fontsize="small")
    return ax
