"""Plots in the style of seaborn: they take a tidy table and names of columns, draw on an `Axes`, and return it.

`ax=None` is the current axes. What is drawn is computed by `analysis.tables`. The groups of `hue` differ in colour
(safe for colour-blind readers), in marker and in line, so that a print in black and white can be read as well.
A legend is added unless `legend=False`, and says how many of how many runs are in a group.

All raise `UserError` if the table lacks a column.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import tables
from analysis.figures import scales
from analysis.figures.drawing import (
    LINES,
    check_columns,
    draw_band,
    draw_points,
    finish,
    given_or_current,
    groups_of,
    levels_of,
    literal,
    words,
)
from analysis.figures.marks import mark, means_said
from analysis.figures.search_plots import best_so_far, parallel_coordinates, pareto_front
from analysis.figures.training_plots import gradient_by_depth, gradient_over_training, learning_curve

__all__ = [
    "best_so_far", "distribution", "forest", "gradient_by_depth", "gradient_over_training",
    "learning_curve", "measure_against_cost", "measure_by_arm", "measure_by_depth", "parallel_coordinates",
    "pareto_front", "words",
]  # fmt: skip


def measure_by_depth(
    data: pd.DataFrame, *, x: str = "layers", y: str = "test_error", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure against depth: a line for the mean, a band for its 95 % interval (Student's t), a point per run.

    Args:
        data: One row for each run. Runs without a value of `y` are drawn in a lane above the axes and counted in the
            legend: as a cross if training failed (column `failed`), as a plus if they were lost. If there is a column
            `status`, a run that is not `completed` is a cross at its value.
        x: Column of the depth, drawn on a log scale.
        y: Column of the measure. Of `analysis.measures.MEASURES`, its bounds bound the intervals.
        hue: Column whose levels are drawn as separate lines.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.plot`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue)
    groups = groups_of(data[data[x].notna()], hue, hue_order, palette)
    for i, group in enumerate(groups):
        line = tables.means(group.rows, [x], y)
        draw_band(ax, line[x], line["low"], line["high"], group)
        style = {"color": group.color, "marker": group.marker, "ms": 5} | kwargs
        (drawn,) = ax.plot(line[x], line["mean"], label=group.counted(group.rows[y]), **style)
        mark(drawn, group.arm, means_said(line, group.arm, x, y))
        beside = group.rows[x] * (1 + 0.02 * (i + 1))  # right of the line, such that both are visible
        draw_points(ax, beside, group.rows[y], group)
    scales.log(ax.xaxis, scales.count)
    ticks = sorted(data[x].dropna().unique())
    if len(ticks) <= 12:
        ax.set_xticks(ticks, ["" for _ in ticks], minor=True)
        ax.set_xticks(scales.apart(ticks), [f"{tick:g}" for tick in scales.apart(ticks)])
    return finish(ax, x, y, legend and hue)


def measure_by_arm(
    data: pd.DataFrame, *, x: str = "test_error", y: str = "label", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure of each arm, one line for each arm: the mean, its 95 % interval (Student's t), a point per run.

    Args:
        data: One row for each run, see `measure_by_depth`.
        x: Column of the measure.
        y: Column of the arms, which are drawn from the top down in order.
        hue: Column whose levels differ in colour.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.errorbar`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue)
    places = {level: i for i, level in enumerate(levels_of(data[y]))}
    for group in groups_of(data, hue, hue_order, palette):
        arm = tables.means(group.rows, [y], x)
        at = arm[y].astype(object).map(places).astype(float)
        error = [(arm["mean"] - arm["low"]).fillna(0), (arm["high"] - arm["mean"]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 6, "capsize": 3} | kwargs
        drawn = ax.errorbar(arm["mean"], at, xerr=error, label=group.counted(group.rows[x]), **style)
        mark(drawn, group.arm, means_said(arm, group.arm, y, x), arm.loc[arm["mean"].notna(), y])
        runs = group.rows[y].astype(object).map(places).astype(float) + 0.18
        draw_points(ax, runs, group.rows[x], group, across=True)
    ax.set_yticks(list(places.values()), [literal(level) for level in places])
    ax.set_ylim(len(places) - 0.5, -0.5)
    finish(ax, x, "", legend and hue)
    return ax


def forest(
    data: pd.DataFrame, *, x: str = "effect", y: str = "label", low: str = "low", high: str = "high",
    hue: str | None = None, hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw effects with their intervals, one line for each effect, from the top down in the order of the rows.

    Args:
        data: One row for each effect, as `analysis.comparisons.effects` returns them. The line of an effect that is NaN
            is empty.
        x: Column of the effect.
        y: Column of the effect's name.
        low: Column of the interval's lower end.
        high: Column of its upper end.
        hue: Column whose levels differ in colour.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.errorbar`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, low, high, hue)
    data = data.reset_index(drop=True)
    ax.axvline(0.0, color="0.5", lw=1, zorder=0)
    for group in groups_of(data, hue, hue_order, palette):
        rows = group.rows
        error = [(rows[x] - rows[low]).fillna(0), (rows[high] - rows[x]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 5, "capsize": 2} | kwargs
        drawn = ax.errorbar(rows[x], rows.index, xerr=error, label=group.name, **style)
        mark(
            drawn,
            "",
            [
                f"{name}: {value:.4g} [{least:.4g}, {most:.4g}]"
                for name, value, least, most in zip(rows[y], rows[x], rows[low], rows[high], strict=True)
                if pd.notna(value)
            ],
        )
    ax.set_yticks(list(data.index), [literal(name) for name in data[y]])
    ax.set_ylim(len(data) - 0.5, -0.5)
    return finish(ax, x, "", legend and hue)


def distribution(
    data: pd.DataFrame, *, x: str = "test_error", hue: str | None = None, hue_order: Sequence[Any] | None = None,
    palette: Any = "colorblind", legend: bool = True, complementary: bool = False, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw empirical distribution functions: the share of the runs with a value of x or less.

    Args:
        data: One row for each run. A run without a value counts as beyond all values, so the line ends below 1.
        x: Column of the measure.
        hue: Column whose levels are drawn as separate lines.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        complementary: Whether to draw the share of runs with x or more, for a measure of which greater values are
            better. A run without a value then counts as below all values.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.step`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, hue)
    for i, group in enumerate(groups_of(data, hue, hue_order, palette)):
        values = np.sort(group.rows[x].dropna().to_numpy(float))
        share = np.arange(1, len(values) + 1) / max(1, len(group.rows))
        if complementary:
            share = share[::-1]
        style = {"color": group.color, "marker": group.marker, "ms": 4, "ls": LINES[i % len(LINES)]} | kwargs
        style |= {"markevery": max(1, len(values) // 8)}
        (drawn,) = ax.step(
            values, share, where="pre" if complementary else "post", label=group.counted(group.rows[x]), **style
        )
        mark(drawn, group.arm)
    ax.set_ylim(-0.03, 1.03)
    return finish(ax, x, "share with as much or more" if complementary else "share of the runs", legend and hue)


def measure_against_cost(
    data: pd.DataFrame, *, x: str = "macs", y: str = "test_accuracy", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure against the cost of the networks: the mean at each cost, its 95 % interval, a point per run.

    Args:
        data: One row for each run, see `measure_by_depth`.
        x: Column of the cost, drawn on a log scale.
        y: Column of the measure.
        hue: Column whose levels differ in colour.
        hue_order: Levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.errorbar`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue)
    for i, group in enumerate(groups_of(data[data[x].notna()], hue, hue_order, palette)):
        arm = tables.means(group.rows, [x], y)
        error = [(arm["mean"] - arm["low"]).fillna(0), (arm["high"] - arm["mean"]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 6, "capsize": 3} | kwargs
        aside = 1 + 0.03 * i  # such that arms of equal cost are both visible
        drawn = ax.errorbar(arm[x] * aside, arm["mean"], yerr=error, label=group.counted(group.rows[y]), **style)
        mark(drawn, group.arm, means_said(arm, group.arm, x, y))
        draw_points(ax, group.rows[x] * (aside + 0.015), group.rows[y], group)
    scales.log(ax.xaxis, scales.count)
    return finish(ax, x, y, legend and hue)
