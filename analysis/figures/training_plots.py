"""Plots of training: gradients and learning curves. `analysis.plots` exports them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis import tables
from analysis.figures import scales
from analysis.figures.drawing import (
    LINES,
    check_columns,
    draw_band,
    finish,
    given_or_current,
    groups_of,
    levels_of,
    literal,
    with_gaps,
)
from analysis.figures.marks import mark
from resnet_core.errors import UserError

MOST_LINES = 60
"""Most seeds that are drawn as one line each. Of more, the range is drawn."""


def gradient_by_depth(
    data: pd.DataFrame, *, x: str = "index", y: str = "value", hue: str | None = None, style: str | None = None,
    hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True, ax: Axes | None = None,
    **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the gradient's magnitude from the input to the output on a log scale, with a band for the range of the runs.

    Args:
        data: One row for each measurement of one probe, as the `probes` of a store with the factors of their runs. A
            line is the geometric mean of the values above 0.
        x: Column of the layer's place.
        y: Column of the magnitude.
        hue: Column whose levels are drawn as separate lines, by colour.
        style: Another, by the kind of line.
        hue_order: The levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.plot`.

    Raises:
        UserError: There are values of more than one probe.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue, style)
    probe = _one_probe(data)
    for group in groups_of(data, hue, hue_order, palette):
        for i, kind in enumerate(levels_of(group.rows[style]) if style else [""]):
            rows = group.rows[group.rows[style] == kind] if style else group.rows
            line = tables.profile(rows, [x], y)
            name = ", ".join(word for word in (group.name, literal(kind)) if word)
            look = {
                "color": group.color, "ls": LINES[i % len(LINES)], "marker": group.marker, "ms": 4,
                "markevery": max(1, len(line) // 8), "mfc": "white" if i else group.color, "label": name,
            }  # fmt: skip
            draw_band(ax, line[x], line["low"], line["high"], group)
            (drawn,) = ax.plot(line[x], line["value"], **look | kwargs)
            mark(drawn, group.arm)
    if (data[y] > 0).any():
        scales.log(ax.yaxis)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    name = probe if probe and y == "value" else y
    return finish(ax, "layer, from the input on" if x == "index" else x, name, legend and (hue or style))


def gradient_over_training(
    data: pd.DataFrame, *, x: str = "step", y: str = "index", value: str = "value", cmap: Any = "viridis",
    vmin: float | None = None, vmax: float | None = None, cbar: bool = True, ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw the gradient's magnitude as a heat map, layer by step: log10 of the geometric mean over the runs.

    Args:
        data: One row for each measurement of one probe, see `gradient_by_depth`. Where no value is above 0 it is left
            blank.
        x: Column of the step; steps are drawn side by side, whatever is between them.
        y: Column of the layer's place, the input at the top.
        value: Column of the magnitude.
        cmap: Matplotlib colour map.
        vmin: log10 of the magnitude at the lower end of the colour map.
        vmax: log10 of the magnitude at the upper end of the colour map.
        cbar: Whether to add a colour bar.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.pcolormesh`.

    Raises:
        UserError: There are values of more than one probe.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, value)
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
        axis.set_ticks(np.arange(len(levels))[::every] + 0.5, [literal(level) for level in levels[::every]])
    ax.invert_yaxis()
    if cbar and ax.figure is not None:
        ax.figure.colorbar(mesh, ax=ax, label=literal(f"log10 {value}"))
    ax.set_xlabel(literal(x))
    ax.set_ylabel("layer, from the input on" if y == "index" else literal(y))
    return ax


def learning_curve(
    data: pd.DataFrame, *, x: str = "step", y: str = "loss", hue: str | None = None, style: str | None = None,
    units: str = "run", hue_order: Sequence[Any] | None = None, palette: Any = "colorblind", legend: bool = True,
    ax: Axes | None = None, **kwargs: Any,
) -> Axes:  # fmt: skip
    """Draw a measure over the steps: a thin line for each run, and a thick one for the mean of runs that finished.

    Args:
        data: One row for each epoch of a run. The mean is over the runs of a group with a value at the group's last
            step, so it is over the same runs at every step.
        x: Column of the step.
        y: Column of the measure.
        hue: Column whose levels are drawn as separate lines, by colour.
        style: Another, by the kind of line.
        units: Column of the run.
        hue_order: The levels of `hue`, in order.
        palette: Seaborn palette.
        legend: Whether to add a legend.
        ax: Axes to draw on.
        **kwargs: Passed to `Axes.plot`.
    """
    ax = given_or_current(ax)
    check_columns(data, x, y, hue, style, units)
    for group in groups_of(data, hue, hue_order, palette):
        for i, kind in enumerate(levels_of(group.rows[style]) if style else [""]):
            rows = group.rows[group.rows[style] == kind] if style else group.rows
            rows = rows.sort_values([units, x])
            look: dict[str, Any] = {"color": group.color, "ls": LINES[i % len(LINES)]}
            if rows[units].nunique() <= MOST_LINES:
                (thin,) = ax.plot(*with_gaps(rows, x, y, units), lw=0.6, alpha=0.6, **look)
                mark(thin, group.arm)
            else:
                ends = rows.groupby(x)[y].agg(["min", "max"])
                draw_band(ax, ends.index, ends["min"], ends["max"], group)
            reached = rows[(rows[x] == rows[x].max()) & rows[y].notna()][units]
            mean = rows[rows[units].isin(reached)].groupby(x)[y].mean()
            name = f"{group.name} ({reached.nunique()} of {rows[units].nunique()})"
            look |= {"marker": group.marker, "ms": 4, "markevery": max(1, len(mean) // 6)}
            look |= {"mfc": "white" if i else group.color}
            (drawn,) = ax.plot(mean.index, mean, label=f"{name}, {literal(kind)}" if style else name, **look | kwargs)
            mark(drawn, group.arm)
    return finish(ax, x, y, legend and (hue or style))


def _one_probe(data: pd.DataFrame) -> str:
    """Return the name of the probe in a table; an empty text if there is no such column.

    Raises:
        UserError: The table contains several probes.
    """
    if "probe" not in data or data.empty:
        return ""
    if data["probe"].nunique() > 1:
        names = ", ".join(sorted(data["probe"].unique()))
        raise UserError(
            f"a figure of gradients must be of one probe, but the table has {names}; select the rows of one"
        )
    return str(data["probe"].iloc[0])
