"""Figures on axes of the user's own, as seaborn's: a tidy table first, its columns by name, an `Axes` out.

`ax=None` is the current axes. What is drawn is computed by `analysis.tables`. The groups of `hue` differ in colour
(safe for colour-blind readers), in marker and in line, so that a print in black and white can be read as well.
A legend is added unless `legend=False`, and says how many of how many runs are in a group.

All raise `UserError` if the table lacks a column.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from analysis import pareto, tables, trials
from resnet_core.errors import UserError

MARKERS = "os^Dvp*X"
LINES: tuple[Any, ...] = ("-", (0, (3, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
MOST_POINTS = 200
"""More points of a group than these are pixels in a file of vectors."""
MOST_LINES = 60
"""Of more seeds than these, their range is drawn in place of a line each."""
LOWER, UPPER = 0.015, 0.985
"""Where, between the edges of the axes from 0 to 1, what has no value is drawn."""
MOST_TICKS = 8
ASIDE = -0.1
"""Where, left of an axis from 0 to 1, what is inactive is drawn."""
SPREAD = 0.02
"""How far to both sides the lines of a level are spread, in the order of their colour, so that all show."""
BEHIND = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


@dataclass(frozen=True)
class Group:
    """A group of `hue`: its name, its rows, and how it is drawn."""

    name: str
    rows: pd.DataFrame
    color: Any
    marker: str

    def counted(self, values: "pd.Series[Any]", units: str | None = None) -> str:
        """Return the name with how many have a value, of how many."""
        if units is not None and units in self.rows:
            n, total = self.rows[values.notna()][units].nunique(), self.rows[units].nunique()
        else:
            n, total = int(values.notna().sum()), len(values)
        return f"{self.name} ({n} of {total})" if self.name else f"{n} of {total}"


def measure_by_depth(
    data: pd.DataFrame, *, x: str = "layers", y: str = "test_error", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure against depth: a line the mean, a band its 95 % interval (Student's t), a point a run.

    Args:
        data: A row a run. One without a value of `y` is a cross at the lower edge, and counted in the legend; with
            a column `status`, one that is not `completed` is a cross at its value.
        x: Column of the depth, drawn on a log scale.
        y: Column of the measure. Of `analysis.measures.MEASURES`, its bounds bound the intervals.
        hue: Column that tells lines apart.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.plot`.
    """
    ax = _axes(ax)
    _need(data, x, y, hue)
    groups = _groups(data[data[x].notna()], hue, hue_order, palette)
    for i, group in enumerate(groups):
        line = tables.means(group.rows, [x], y)
        _band(ax, line[x], line["low"], line["high"], group.color)
        style = {"color": group.color, "marker": group.marker, "ms": 5} | kwargs
        ax.plot(line[x], line["mean"], label=group.counted(group.rows[y]), **style)
        _points(ax, group.rows[x] * (1 + 0.02 * (i + 1)), group.rows[y], group)  # beside the line, so that both show
    ax.set_xscale("log")
    ticks = sorted(data[x].dropna().unique())
    if len(ticks) <= 12:
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.set_xticks([], minor=True)
    return _finish(ax, x, y, legend and hue)


def measure_by_arm(
    data: pd.DataFrame, *, x: str = "test_error", y: str = "label", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure of each arm, a line an arm: the mean, its 95 % interval (Student's t), a point a run.

    Args:
        data: A row a run, see `measure_by_depth`.
        x: Column of the measure.
        y: Column of the arms, from the top down in their order.
        hue: Column of colours.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.errorbar`.
    """
    ax = _axes(ax)
    _need(data, x, y, hue)
    places = {level: i for i, level in enumerate(_levels(data[y]))}
    for group in _groups(data, hue, hue_order, palette):
        arm = tables.means(group.rows, [y], x)
        at = arm[y].astype(object).map(places).astype(float)
        error = [(arm["mean"] - arm["low"]).fillna(0), (arm["high"] - arm["mean"]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 6, "capsize": 3} | kwargs
        ax.errorbar(arm["mean"], at, xerr=error, label=group.counted(group.rows[x]), **style)
        runs = group.rows[y].astype(object).map(places).astype(float) + 0.18
        _points(ax, runs, group.rows[x], group, across=True)
    ax.set_yticks(list(places.values()), [str(level) for level in places])
    ax.set_ylim(len(places) - 0.5, -0.5)
    _finish(ax, x, "", legend and hue)
    return ax


def forest(
    data: pd.DataFrame, *, x: str = "effect", y: str = "label", low: str = "low", high: str = "high",
    hue: str | None = None, hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw effects with their intervals, a line an effect, from the top down in the order of the rows.

    Args:
        data: A row an effect, as `analysis.comparisons.effects` returns them. One that is NaN has its line, empty.
        x: Column of the effect.
        y: Column of its name.
        low: Column of the interval's lower end.
        high: Column of its upper end.
        hue: Column of colours.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.errorbar`.
    """
    ax = _axes(ax)
    _need(data, x, y, low, high, hue)
    data = data.reset_index(drop=True)
    ax.axvline(0.0, color="0.5", lw=1, zorder=0)
    for group in _groups(data, hue, hue_order, palette):
        rows = group.rows
        error = [(rows[x] - rows[low]).fillna(0), (rows[high] - rows[x]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 5, "capsize": 2} | kwargs
        ax.errorbar(rows[x], rows.index, xerr=error, label=group.name, **style)
    ax.set_yticks(list(data.index), data[y].astype(str).tolist())
    ax.set_ylim(len(data) - 0.5, -0.5)
    return _finish(ax, x, "", legend and hue)


def gradient_by_depth(
    data: pd.DataFrame, *, x: str = "index", y: str = "value", hue: str | None = None, style: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the gradient's magnitude from the input to the output, on a log scale; a band the range of the runs.

    Args:
        data: A row a measurement of one probe, as the `probes` of a store with the factors of their runs. A line is
            the geometric mean of the values above 0.
        x: Column of the layer's place.
        y: Column of the magnitude.
        hue: Column that tells lines apart, by colour.
        style: Another, by the kind of line.
        hue_order: The levels of `hue`, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.plot`.

    Raises:
        UserError: There are values of more than one probe.
    """
    ax = _axes(ax)
    _need(data, x, y, hue, style)
    _one_probe(data)
    for group in _groups(data, hue, hue_order, palette):
        for i, kind in enumerate(_levels(group.rows[style]) if style else [""]):
            rows = group.rows[group.rows[style] == kind] if style else group.rows
            line = tables.profile(rows, [x], y)
            name = ", ".join(str(word) for word in (group.name, kind) if word != "")
            look = {
                "color": group.color, "ls": LINES[i % len(LINES)], "marker": group.marker, "ms": 4,
                "markevery": max(1, len(line) // 8), "mfc": "white" if i else group.color, "label": name,
            }  # fmt: skip
            _band(ax, line[x], line["low"], line["high"], group.color)
            ax.plot(line[x], line["value"], **look | kwargs)
    if (data[y] > 0).any():
        ax.set_yscale("log", subs=[])  # no ticks between powers of ten: over many decades they are a blur, and slow
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    return _finish(ax, "layer, from the input on" if x == "index" else x, y, legend and (hue or style))


def gradient_over_training(
    data: pd.DataFrame, *, x: str = "step", y: str = "index", value: str = "value", cmap: Any = "viridis",
    vmin: float | None = None, vmax: float | None = None, cbar: bool = True, ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the gradient's magnitude as a heat map, layer by step: log10 of the geometric mean over the runs.

    Args:
        data: A row a measurement of one probe, see `gradient_by_depth`. Where no value is above 0 it is left blank.
        x: Column of the step; steps are drawn side by side, whatever is between them.
        y: Column of the layer's place, the input at the top.
        value: Column of the magnitude.
        cmap: Of matplotlib.
        vmin: Value of log10 at the lower end of the colours.
        vmax: Value of log10 at the upper end.
        cbar: Whether the colours are explained beside it.
        ax: Where to draw.
        **kwargs: For `Axes.pcolormesh`.

    Raises:
        UserError: There are values of more than one probe.
    """
    ax = _axes(ax)
    _need(data, x, y, value)
    _one_probe(data)
    table = tables.profile(data, [y, x], value).pivot(index=y, columns=x, values="value")
    places, steps = table.index.to_numpy(), table.columns.to_numpy()
    mesh = ax.pcolormesh(
        np.arange(len(steps) + 1), np.arange(len(places) + 1), np.ma.masked_invalid(np.log10(table.to_numpy(float))),
        cmap=cmap, vmin=vmin, vmax=vmax, rasterized=True, **kwargs,
    )  # fmt: skip
    ax.grid(False)
    for axis, levels in ((ax.xaxis, steps), (ax.yaxis, places)):
        every = max(1, -(-len(levels) // 8))
        axis.set_ticks(np.arange(len(levels))[::every] + 0.5, [str(level) for level in levels[::every]])
    ax.invert_yaxis()
    if cbar and ax.figure is not None:
        ax.figure.colorbar(mesh, ax=ax, label=f"log10 {value}")
    ax.set_xlabel(x)
    ax.set_ylabel("layer, from the input on" if y == "index" else y)
    return ax


def learning_curve(
    data: pd.DataFrame, *, x: str = "step", y: str = "loss", hue: str | None = None, style: str | None = None,
    units: str = "run", hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure over the steps: a thin line a run, a thick one the mean of those that got to the last step.

    Args:
        data: A row an epoch of a run. The mean is over the runs of a group that have a value at its last step, so
            that it does not change its runs on its way.
        x: Column of the step.
        y: Column of the measure.
        hue: Column that tells lines apart, by colour.
        style: Another, by the kind of line.
        units: Column of the run.
        hue_order: The levels of `hue`, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.plot`.
    """
    ax = _axes(ax)
    _need(data, x, y, hue, style, units)
    for group in _groups(data, hue, hue_order, palette):
        for i, kind in enumerate(_levels(group.rows[style]) if style else [""]):
            rows = group.rows[group.rows[style] == kind] if style else group.rows
            rows = rows.sort_values([units, x])
            look: dict[str, Any] = {"color": group.color, "ls": LINES[i % len(LINES)]}
            if rows[units].nunique() <= MOST_LINES:
                ax.plot(*_with_gaps(rows, x, y, units), lw=0.6, alpha=0.6, **look)
            else:
                ends = rows.groupby(x)[y].agg(["min", "max"])
                _band(ax, ends.index, ends["min"], ends["max"], group.color)
            reached = rows[(rows[x] == rows[x].max()) & rows[y].notna()][units]
            mean = rows[rows[units].isin(reached)].groupby(x)[y].mean()
            name = f"{group.name} ({reached.nunique()} of {rows[units].nunique()})"
            look |= {"marker": group.marker, "ms": 4, "markevery": max(1, len(mean) // 6)}
            look |= {"mfc": "white" if i else group.color}
            ax.plot(mean.index, mean, label=f"{name}, {kind}" if style else name, **look | kwargs)
    return _finish(ax, x, y, legend and (hue or style))


def distribution(
    data: pd.DataFrame, *, x: str = "test_error", hue: str | None = None, hue_order: Sequence[Any] | None = None,
    palette: Any = "colorblind", legend: bool = True, complementary: bool = False, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw empirical distribution functions: the share of the runs with a value of x or less.

    Args:
        data: A row a run. One without a value is counted, beyond all values: the line ends below 1.
        x: Column of the measure.
        hue: Column that tells lines apart.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        complementary: Whether it is the share with x or more, of a measure that is to be great: a run without a value
            is below all values.
        ax: Where to draw.
        **kwargs: For `Axes.step`.
    """
    ax = _axes(ax)
    _need(data, x, hue)
    for i, group in enumerate(_groups(data, hue, hue_order, palette)):
        values = np.sort(group.rows[x].dropna().to_numpy(float))
        share = np.arange(1, len(values) + 1) / max(1, len(group.rows))
        if complementary:
            share = share[::-1]
        style = {"color": group.color, "marker": group.marker, "ms": 4, "ls": LINES[i % len(LINES)]} | kwargs
        style |= {"markevery": max(1, len(values) // 8)}
        ax.step(values, share, where="pre" if complementary else "post", label=group.counted(group.rows[x]), **style)
    ax.set_ylim(-0.03, 1.03)
    return _finish(ax, x, "share with as much or more" if complementary else "share of the runs", legend and hue)


def measure_against_cost(
    data: pd.DataFrame, *, x: str = "macs", y: str = "test_accuracy", hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure against the cost of the networks: the mean of each cost, its 95 % interval, a point a run.

    Args:
        data: A row a run, see `measure_by_depth`.
        x: Column of the cost, drawn on a log scale.
        y: Column of the measure.
        hue: Column of colours.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.errorbar`.
    """
    ax = _axes(ax)
    _need(data, x, y, hue)
    for i, group in enumerate(_groups(data[data[x].notna()], hue, hue_order, palette)):
        arm = tables.means(group.rows, [x], y)
        error = [(arm["mean"] - arm["low"]).fillna(0), (arm["high"] - arm["mean"]).fillna(0)]
        style = {"color": group.color, "fmt": group.marker, "ms": 6, "capsize": 3} | kwargs
        aside = 1 + 0.03 * i  # so that twins of equal cost both show
        ax.errorbar(arm[x] * aside, arm["mean"], yerr=error, label=group.counted(group.rows[y]), **style)
        _points(ax, group.rows[x] * (aside + 0.015), group.rows[y], group)
    ax.set_xscale("log")
    return _finish(ax, x, y, legend and hue)


def best_so_far(
    data: pd.DataFrame, *, x: str = "trial", y: str = "val_accuracy", direction: trials.Direction = "max",
    hue: str | None = None, hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the best value up to each trial, a point a trial.

    Args:
        data: A row a trial. One without a value of `y` is a cross at the edge of the worst; with a column `status`,
            one that is not `completed` is a cross at its value, and not in the line.
        x: Column of the order: the number of the trial, or the time up to its end.
        y: Column of the measure.
        direction: Whether the greatest value is the best, `max`, or the least, `min`.
        hue: Column that tells lines apart.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.step`.
    """
    ax = _axes(ax)
    _need(data, x, y, hue)
    last = data[x].max()
    for i, group in enumerate(_groups(data.sort_values(x), hue, hue_order, palette)):
        values = group.rows[y].astype(float)
        line = trials.best_so_far(values.where(_completed(group.rows, values)), direction)
        style: dict[str, Any] = {"color": group.color, "ls": LINES[i % len(LINES)]} | kwargs
        ax.step([*group.rows[x], last], [*line, *line.tail(1)], where="post", label=group.counted(values), **style)
        _points(ax, group.rows[x], values, group, edge=_worst(direction))
    return _finish(ax, x, y, legend and hue)


def pareto_front(
    data: pd.DataFrame, *, x: str = "macs", y: str = "val_accuracy",
    directions: tuple[trials.Direction, trials.Direction] = ("min", "max"), hue: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw one objective against another, a point a trial, and the front that no trial is beyond.

    Args:
        data: A row a trial. One without a value of `y` is a cross at the edge of the worst; with a column `status`,
            one that is not `completed` is a cross at its value, and not of the front.
        x: Column of an objective, drawn on a log scale if its values are above 0 and differ by a factor of 3 or more.
        y: Column of the other.
        directions: Of both, whether the greatest value is the best, `max`, or the least, `min`.
        hue: Column of colours; the front is that of all.
        hue_order: Its levels, in order.
        palette: A palette of seaborn's.
        legend: Whether there is one.
        ax: Where to draw.
        **kwargs: For `Axes.step`, of the front.
    """
    ax = _axes(ax)
    _need(data, x, y, hue)
    known = data[data[x].notna()].astype({x: float, y: float})
    for group in _groups(known, hue, hue_order, palette):
        name, edge = group.counted(group.rows[y]), _worst(directions[1])
        _points(ax, group.rows[x], group.rows[y], group, label=name, edge=edge)
    values = known.loc[_completed(known, known[y]), [x, y]].to_numpy()
    if len(values):
        front = values[pareto.front_ranks(values, directions) == 0]
        front = front[np.argsort(front[:, 0], kind="stable")]
        style: dict[str, Any] = {"color": "0.45", "lw": 1.2, "zorder": 1, "label": f"front ({len(front)})"} | kwargs
        ax.step(front[:, 0], front[:, 1], where="post" if directions[0] == "min" else "pre", **style)
        if values[:, 0].min() > 0 and values[:, 0].max() >= 3 * values[:, 0].min():
            ax.set_xscale("log")
            wide = values[:, 0].max() >= 100 * values[:, 0].min()
            ax.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
            ax.xaxis.set_major_formatter(EngFormatter(sep=""))
            ax.xaxis.set_minor_formatter(NullFormatter())
    return _finish(ax, x, y, legend)


def parallel_coordinates(
    data: pd.DataFrame, *, columns: Sequence[str], hue: str = "val_accuracy", direction: trials.Direction = "max",
    cmap: Any = "viridis", cbar: bool = True, ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a line a trial through its hyperparameters, whose axes lie below one another.

    Args:
        data: A row a trial. A missing value is drawn left of its axis, as inactive; a trial without a value of `hue` is
            not drawn.
        columns: Of the hyperparameters, from the top down. Numbers are drawn on a log scale if they span a factor
            of 20 or more; words evenly, in the order of their category or of their appearance.
        hue: Column of the measure that colours the lines, and is the last axis.
        direction: Whether the greatest value is drawn over the others, `max`, or the least, `min`.
        cmap: Of matplotlib.
        cbar: Whether the colours are explained beside it.
        ax: Where to draw.
        **kwargs: For `matplotlib.collections.LineCollection`.
    """
    ax = _axes(ax)
    _need(data, *columns, hue)
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


def _worst(direction: trials.Direction) -> float:
    """Return the edge at which what has no value is drawn: that of the worst."""
    return LOWER if direction == "max" else UPPER


def _coordinate(column: "pd.Series[Any]") -> tuple[Any, list[tuple[float, str]]]:
    """Return where values lie on an axis from 0 to 1, those that are missing left of it, and the ticks of the axis."""
    scale = trials.scale(column)
    levels = _levels(column) if scale == "categories" else sorted(column.dropna().unique())
    if scale == "categories" or len(levels) < 2:
        even = np.linspace(0, 1, len(levels)) if len(levels) > 1 else np.array([0.5])
        ticks = [(float(at), f"{x:g}" if scale != "categories" else str(x)) for at, x in zip(even, levels)]
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


def words(column: str) -> str:
    """Return the name of a column as an axis has it."""
    names = {
        "val_accuracy": "validation accuracy", "layers": "layers with weights", "macs": "multiply-accumulates",
        "train.epochs": "epochs",
    }  # fmt: skip
    return names.get(column, column.replace("_", " "))


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    current: Axes = plt.gca()
    return current


def _need(data: pd.DataFrame, *columns: str | None) -> None:
    missing = [name for name in columns if name is not None and name not in data]
    if missing:
        raise UserError(
            f"a figure needs the columns that it is of, but `{missing[0]}` is not among {', '.join(map(str, data))}"
        )


def _one_probe(data: pd.DataFrame) -> None:
    if "probe" in data and data["probe"].nunique() > 1:
        names = ", ".join(sorted(data["probe"].unique()))
        raise UserError(
            f"a figure of gradients must be of one probe, but the table has {names}; select the rows of one"
        )


def _levels(column: "pd.Series[Any]") -> list[Any]:
    """Return the levels that are there, in the order of their category or of their appearance."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        there = set(column.dropna().unique())
        return [level for level in column.cat.categories if level in there]
    return list(column.dropna().unique())


def _groups(data: pd.DataFrame, hue: str | None, order: Sequence[Any] | None, palette: Any) -> list[Group]:
    levels = ([None] if hue is None else _levels(data[hue])) if order is None else list(order)
    colors = sns.color_palette(palette, len(levels))
    return [
        Group(
            "" if hue is None else str(level), data if hue is None else data[data[hue] == level],
            colors[i], MARKERS[i % len(MARKERS)],
        )
        for i, level in enumerate(levels)
    ]  # fmt: skip


def _band(ax: Axes, x: Any, low: "pd.Series[Any]", high: "pd.Series[Any]", color: Any) -> None:
    ax.fill_between(x, low.astype(float), high.astype(float), color=color, alpha=0.18, lw=0)


def _completed(rows: pd.DataFrame, value: "pd.Series[Any]") -> "pd.Series[bool]":
    """Return which runs have a value, and were completed if the table says."""
    return value.notna() & rows["status"].eq("completed") if "status" in rows else value.notna()


def _points(
    ax: Axes, place: "pd.Series[Any]", value: "pd.Series[Any]", group: Group, *, across: bool = False,
    label: str | None = None, edge: float = LOWER,
) -> None:  # fmt: skip
    """Draw a run each: open, a cross if it was not completed, and at the edge of the axes if it has no value."""
    completed = _completed(group.rows, value)
    look: dict[str, Any] = {"color": group.color, "zorder": 3, "rasterized": len(value) > MOST_POINTS}
    kinds: list[tuple[Any, dict[str, Any]]] = [
        (completed, {"marker": group.marker, "s": 14, "alpha": 0.7, "facecolors": "none", "label": label}),
        (~completed & value.notna(), {"marker": "x", "s": 22}),
    ]
    for rows, marker in kinds:
        x, y = (value[rows], place[rows]) if across else (place[rows], value[rows])
        ax.scatter(x, y, **look, **marker)
    lost = place[value.isna()]
    edges = pd.Series(edge, lost.index)
    transform = ax.get_yaxis_transform() if across else ax.get_xaxis_transform()
    x, y = (edges, lost) if across else (lost, edges)
    ax.scatter(x, y, **look, marker="x", s=22, transform=transform)


def _with_gaps(rows: pd.DataFrame, x: str, y: str, units: str) -> tuple[Any, Any]:
    """Return the points of all runs, with a gap between two of them, so that they are one line to draw."""
    starts = np.flatnonzero(rows[units].ne(rows[units].shift()).to_numpy())[1:]
    return tuple(np.insert(rows[name].to_numpy(float), starts, np.nan) for name in (x, y))  # type: ignore[return-value]


def _finish(ax: Axes, x: str, y: str, legend: Any) -> Axes:
    ax.set_xlabel(words(x))
    ax.set_ylabel(words(y))
    if legend:
        ax.legend(frameon=False, fontsize="small")
    return ax
