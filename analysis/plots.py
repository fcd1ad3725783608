"""Figures on given axes: a table in, an `Axes` out. Nothing is computed here.

Arms differ in colour (safe for colour-blind readers), in marker and in line, so that a print in
black and white can be read as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

MARKERS = "os^Dvp*X"
WHEN = {"step 0": "-", "last step": (0, (3, 2))}
STYLE: dict[str, Any] = {
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "svg.hashsalt": "resnet-report",
}


@dataclass(frozen=True)
class Look:
    """How an arm is drawn."""

    color: tuple[float, float, float]
    marker: str


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Return a look for each label, the same for the same labels."""
    palette = sns.color_palette("colorblind", len(labels))
    return {label: Look(palette[i], MARKERS[i % len(MARKERS)]) for i, label in enumerate(labels)}


def measure_by_depth(summary: pd.DataFrame, runs: pd.DataFrame, measure: str, by: Mapping[str, Look], ax: Axes) -> Axes:
    """Draw a measure against the number of layers: a line the mean, a band its interval, a point a seed.

    Args:
        summary: A row an arm: `label`, `layers`, `n`, `N`, the measure with its `_low` and `_high`.
        runs: A row a run: `label`, `layers`, `status`, the measure. A run that was not completed is a
            cross at the bottom.
        measure: Name of the column, as `test_accuracy`.
        by: The look of each label.
        ax: Where to draw.
    """
    for i, (label, look) in enumerate(by.items()):
        arm = summary[summary["label"] == label].sort_values("layers")
        n, total = arm["n"].sum(), arm["N"].sum()
        ax.plot(
            arm["layers"], arm[measure], color=look.color, marker=look.marker,
            label=f"{label} ({n} of {total} runs)",
        )  # fmt: skip
        ax.fill_between(arm["layers"], arm[f"{measure}_low"], arm[f"{measure}_high"], color=look.color, alpha=0.2, lw=0)
        seeds = runs[runs["label"] == label]
        completed = seeds["status"] == "completed"
        style: dict[str, Any] = {
            "color": look.color,
            "marker": look.marker,
            "s": 14,
            "alpha": 0.7,
            "facecolors": "none",
        }
        shift = 1 + 0.02 * (i + 1)  # beside the line, so that neither hides the other
        ax.scatter(seeds["layers"][completed] * shift, seeds[measure][completed], **style)
        ax.scatter(seeds["layers"][~completed] * shift, [0.0] * int((~completed).sum()), color=look.color, marker="x")
    ax.set_xscale("log")
    ticks = sorted(summary["layers"].unique())
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.set_xticks([], minor=True)
    ax.set_xlabel("layers with weights")
    ax.set_ylabel(measure.replace("_", " "))
    return ax


def gradient_by_depth(profile: pd.DataFrame, by: Mapping[str, Look], ax: Axes) -> Axes:
    """Draw the gradient's magnitude from the input to the output, log scale; a band the seeds' range.

    Args:
        profile: Rows of one probe and one depth: `label`, `when`, `index`, `value`, `low`, `high`.
        by: The look of each label.
        ax: Where to draw.
    """
    for label, look in by.items():
        for when, line in WHEN.items():
            one = profile[(profile["label"] == label) & (profile["when"] == when)].sort_values("index")
            every = max(1, len(one) // 8)
            ax.plot(
                one["index"], one["value"], color=look.color, ls=line, marker=look.marker, ms=4, markevery=every,
                mfc=look.color if when == "step 0" else "white", label=f"{label}, {when}",
            )  # fmt: skip
            ax.fill_between(one["index"], one["low"], one["high"], color=look.color, alpha=0.15, lw=0)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    ax.set_xlabel("layer, from the input on")
    return ax


def learning_curve(curves: pd.DataFrame, measure: str, by: Mapping[str, Look], ax: Axes) -> Axes:
    """Draw a measure over the steps: a thin line a seed, a thick one the mean of the completed runs.

    Args:
        curves: Rows of one depth: `label`, `run`, `status`, `step`, the measure.
        measure: Name of the column.
        by: The look of each label.
        ax: Where to draw.
    """
    for label, look in by.items():
        arm = curves[curves["label"] == label]
        for _, seed in arm.groupby("run"):
            ax.plot(seed["step"], seed[measure], color=look.color, lw=0.6, alpha=0.6)
        mean = arm[arm["status"] == "completed"].groupby("step")[measure].mean()
        ax.plot(
            mean.index, mean, color=look.color, marker=look.marker, ms=4, markevery=max(1, len(mean) // 6), label=label
        )
    ax.set_xlabel("step")
    ax.set_ylabel(measure.replace("_", " ").replace("val ", "validation "))
    return ax
