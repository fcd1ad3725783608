"""Plots of a search on given axes. `analysis.plots` exports them, too."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from analysis import pareto, trials
from analysis.figures import scales
from analysis.figures.drawing import (
    LINES,
    MOST_POINTS,
    check_columns,
    draw_points,
    finish,
    given_or_current,
    groups_of,
    is_completed,
    levels_of,
    literal,
    words,
)
from analysis.figures.marks import mark

MOST_TICKS = 8
ASIDE = -0.1
"""Position of inactive hyperparameters, left of an axis from 0 to 1."""
SPREAD = 0.02
"""Spread of the lines of a level to both sides, in the order of their colour, such that all are visible."""
BEHIND = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def best_so_far(
    data: pd.DataFrame, *, x: str = "trial", y: str = "val_accuracy", direction: trials.Direction = "max",
    hue: str | None = None, hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the best value up to each trial, one point for each trial.

    Args:
        data: One row for each trial. One without a value of `y` is in a lane above the axes; with a column `status`,
            one that is not `completed` is a cross at its value, and not in the line.
        x: Column of the order: the number of the trial, or the time at its end.
        y: Column of the measure.
        direction: Whether the greatest value is the best, `max`, or the least, `min`.
        hue: Column whose levels are drawn as separate lines.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.step`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue)
    last = data[x].max()
    for i, group in enumerate(groups_of(data.sort_values(x), hue, hue_order, palette)):
        values = group.rows[y].astype(float)
        line = trials.best_so_far(values.where(is_completed(group.rows, values)), direction)
        style: dict[str, Any] = {"color": group.color, "ls": LINES[i % len(LINES)]} | kwargs
        (drawn,) = ax.step(
            [*group.rows[x], last], [*line, *line.tail(1)], where="post", label=group.counted(values), **style
        )
        mark(drawn, group.arm)
        draw_points(ax, group.rows[x], values, group)
    return finish(ax, x, y, legend and hue)


def pareto_front(
    data: pd.DataFrame, *, x: str = "macs", y: str = "val_accuracy",
    directions: tuple[trials.Direction, trials.Direction] = ("min", "max"), hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw one objective against another, one point for each trial, and the Pareto front.

    Args:
        data: One row for each trial. One without a value of `y` is in a lane above the axes; with a column `status`,
            one that is not `completed` is a cross at its value, and not of the front.
        x: Column of an objective, drawn on a log scale if its values are above 0 and differ by a factor of 3 or more.
        y: Column of the other objective.
        directions: Direction of each objective: `max` if the greatest value is the best, `min` if the least is.
        hue: Column whose levels differ in colour. The front is that of all trials.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.step`, of the front.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue)
    known = data[data[x].notna()].astype({x: float, y: float})
    for group in groups_of(known, hue, hue_order, palette):
        draw_points(ax, group.rows[x], group.rows[y], group, label=group.counted(group.rows[y]))
    values = known.loc[is_completed(known, known[y]), [x, y]].to_numpy()
    if len(values):
        front = values[pareto.front_ranks(values, directions) == 0]
        front = front[np.argsort(front[:, 0], kind="stable")]
        style: dict[str, Any] = {"color": "0.45", "lw": 1.2, "zorder": 1, "label": f"front ({len(front)})"} | kwargs
        ax.step(front[:, 0], front[:, 1], where="post" if directions[0] == "min" else "pre", **style)
        if values[:, 0].min() > 0 and values[:, 0].max() >= 3 * values[:, 0].min():
            scales.log(ax.xaxis, scales.count)
    return finish(ax, x, y, legend)


def parallel_coordinates(
    data: pd.DataFrame, *, columns: Sequence[str], hue: str = "val_accuracy", direction: trials.Direction = "max",
    cmap: Any = "viridis", cbar: bool = True, ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw one line for each trial through its hyperparameters, whose axes lie below one another.

    Args:
        data: One row for each trial. A missing value is drawn left of its axis, as inactive; a trial without a value of
            `hue` is not drawn.
        columns: Columns of the hyperparameters, from the top down. Numbers that span a factor of 20 or more are drawn
            on a log scale. Words are spaced evenly, in the order of their category or of their appearance.
        hue: Column of the measure that colours the lines and is the last axis.
        direction: Whether the line with the greatest value is drawn on top, `max`, or the one with the least, `min`.
        cmap: Matplotlib colour map.
        cbar: Whether to add a colour bar.
        ax: Axes to draw on.
        **kwargs: Passed to `matplotlib.collections.LineCollection`.
    """
    ax = given_or_current(ax)
    check_columns(data, *columns, hue)
    rows = data[data[hue].notna()].sort_values(hue, ascending=direction == "max", kind="stable")
    names = [*dict.fromkeys(name for name in columns if name != hue), hue]
    ax.hlines(range(len(names)), 0.0, 1.0, color="0.6", lw=0.8, zorder=1)
    places = np.full((len(rows), len(names)), ASIDE)
    for i, name in enumerate(names):
        places[:, i], ticks = _coordinate(rows[name])
        if name != hue and rows[name].nunique() <= MOST_TICKS and len(rows) > 1:
            places[:, i] += np.linspace(-SPREAD, SPREAD, len(rows))
        for at, text in ticks:
            ax.plot([at, at], [i - 0.06, i + 0.06], color="0.4", lw=0.8, zorder=3)
            ax.text(at, i + 0.1, text, ha="center", va="top", fontsize="x-small", zorder=4, bbox=BEHIND)
    segments = [np.column_stack([line, np.arange(len(names))]) for line in places]
    many = len(rows) > MOST_POINTS
    look = {"cmap": cmap, "lw": 0.5 if many else 1.0, "alpha": 0.75, "zorder": 2, "rasterized": many} | kwargs
    lines = LineCollection(segments, array=rows[hue].to_numpy(float), **look)
    ax.add_collection(lines)
    mark(lines, "", [_trial_said(row, names) for row in rows.to_dict("records")])
    ax.set_yticks(range(len(names)), [words(name) for name in names])
    ax.set_ylim(len(names) - 0.5, -0.4)
    ax.set_xlim(ASIDE - 0.04, 1.04)
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    if cbar and ax.figure is not None:
        ax.figure.colorbar(lines, ax=ax, label=words(hue))
    return ax


def _trial_said(row: Mapping[Any, Any], names: Sequence[str]) -> str:
    values = ((name, row[name]) for name in names if not pd.isna(row[name]))
    text = ", ".join(f"{words(name)} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in values)
    return f"trial {row['trial']}: {text}" if "trial" in row else text


def _coordinate(column: "pd.Series[Any]") -> tuple[Any, list[tuple[float, str]]]:
    """Return the positions of values on an axis from 0 to 1, with missing values left of it, and the axis' ticks."""
    scale = trials.scale(column)
    levels = levels_of(column) if scale == "categories" else sorted(column.dropna().unique())
    if scale == "categories" or len(levels) < 2:
        even = np.linspace(0, 1, len(levels)) if len(levels) > 1 else np.array([0.5])
        ticks = [(float(at), f"{x:g}" if scale != "categories" else literal(x)) for at, x in zip(even, levels)]
        places = column.map(dict(zip(levels, even))).astype(float)
    else:
        into = np.log10 if scale == "log" else np.asarray
        low, high = (float(into(float(x))) for x in (levels[0], levels[-1]))
        few = [float(x) for x in levels] if len(levels) <= MOST_TICKS else None
        if few is None:
            even = np.linspace(low, high, 5)
            few = [float(x) for x in (10**even if scale == "log" else even)]
        ticks = [((float(into(x)) - low) / (high - low), f"{x:.3g}") for x in few]
        places = (pd.Series(into(column.to_numpy(float, na_value=np.nan)), column.index) - low) / (high - low)
    if column.isna().any():
        ticks.append((ASIDE, "inactive"))
    return places.fillna(ASIDE).to_numpy(float), ticks
