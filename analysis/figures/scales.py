"""Log axes with two or more labels that do not overlap, in plain characters; and losses beyond the end of an axis."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.ticker import Formatter, FuncFormatter, Locator, MaxNLocator, NullLocator

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
MOST_LABELS = 6
EXPLODED = 10.0
"""Ratio of an arm's greatest loss to that of the median arm from which the arm is off the scale."""
CLOSEST = 0.08
"""Least distance of labels, relative to the length of an axis."""


class LogTicks(Locator):
    """Ticks of a log scale: powers of ten, and for fewer than three decades also two and five times these."""

    def __call__(self) -> Any:
        axis: Any = self.axis
        return self.tick_values(*axis.get_view_interval())

    def tick_values(self, vmin: float, vmax: float) -> Any:
        """Return the ticks between two values above 0."""
        low, high = sorted((vmin, vmax))
        if not (low > 0 and np.isfinite(high)):
            return np.array([])
        powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        for parts in ((1.0,), (1.0, 2.0, 5.0)):
            ticks = np.sort(np.outer(10.0**powers, parts).ravel())
            ticks = ticks[(ticks >= low * 0.999) & (ticks <= high * 1.001)]
            if len(ticks) >= 3:
                return ticks[:: -(-len(ticks) // MOST_LABELS)]
        return MaxNLocator(4).tick_values(low, high)


def number(value: float, _: object = None) -> str:
    """Return the label of a tick: 0.01, 20, or 10⁻⁵."""
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:g}".replace("-", "−")
    mantissa, exponent = f"{value:.3e}".split("e")
    power = f"10{str(int(exponent)).translate(RAISED)}"
    return power if float(mantissa) == 1 else f"{float(mantissa):g}·{power}"


def count(value: float, _: object = None) -> str:
    """Return the label of a tick of a large number: 20, 500k, or 2M."""
    unit, suffix = next(((unit, suffix) for unit, suffix in SUFFIXES if abs(value) >= unit), (1.0, ""))
    return f"{value / unit:.4g}{suffix}"


NUMBER: Formatter = FuncFormatter(number)


def log(axis: XAxis | YAxis, label: Any = number) -> None:
    """Put an axis on a log scale."""
    set_scale = axis.axes.set_xscale if isinstance(axis, XAxis) else axis.axes.set_yscale
    set_scale("log")
    axis.set_major_locator(LogTicks())
    axis.set_minor_locator(NullLocator())  # over many decades, minor ticks overlap and are slow
    axis.set_major_formatter(FuncFormatter(label))


def apart(values: Iterable[float]) -> list[float]:
    """Return, in order, the values whose labels on a log scale do not overlap."""
    logs = np.log(sorted(values))
    span = logs[-1] - logs[0] if len(logs) else 0.0
    kept: list[float] = []
    for value in logs:
        if not kept or value - kept[-1] >= CLOSEST * span:
            kept.append(value)
    return [float(np.exp(value)) for value in kept]


def ceiling(values: pd.DataFrame, y: str) -> tuple[float, pd.DataFrame] | None:
    """Return the end of a scale for the arms that have not exploded, and the arms beyond it.

    Args:
        values: One row for each measurement: `label`, `layers` and y.
        y: Column of a loss.

    Returns:
        The end, and one row for each arm and depth whose greatest value, `greatest`, is beyond it. The table is empty
        if there are none.
    """
    finite = values[np.isfinite(values[y].astype(float))]
    greatest = finite.groupby(["label", "layers"], observed=True)[y].max()
    if len(greatest) < 2:
        return None
    exploded = greatest > EXPLODED * greatest.quantile(0.5, interpolation="lower")
    if not exploded.any():
        return None
    end = 1.5 * float(greatest[~exploded].max())
    return end, greatest[exploded].rename("greatest").reset_index()


def cut_at(ax: Axes, end: float) -> None:
    """Set the end of an axis of y, and mark the points at which lines leave it."""
    bottom = ax.get_ylim()[0]
    ax.set_ylim(bottom, end)
    for line in ax.get_lines():
        x, y = np.asarray(line.get_xdata(), dtype=float), np.asarray(line.get_ydata(), dtype=float)
        beyond = x[y > end]
        if len(beyond):
            ax.plot(
                beyond[:1],
                [0.985],
                "^",
                color=line.get_color(),
                ms=5,
                clip_on=False,
                transform=ax.get_xaxis_transform(),
            )
