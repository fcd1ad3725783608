"""Line figures of the section *Inside*: the rows of a probe over a coordinate, and over training."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from analysis.figures import scales
from analysis.figures.drawing import literal
from analysis.figures.inside_words import EVAL, PREFIX, arms_of, rows_of, sample, tips
from analysis.figures.layout import MOST_ARMS, Drawn, Style, legend_below, panels, some
from analysis.figures.marks import mark

MOVING = f"normalisation by moving statistics, {EVAL}"
BATCH = "normalisation by statistics of the batch"
ALONG = "place, from the input on"


@dataclass(frozen=True)
class LineFigure:
    """Specification of the line figure of a probe.

    Attributes:
        value: Description of a value; by default the name of the probe.
        x: Column that values are drawn over.
        along: Description of `x`.
        y: Column that is drawn.
        beside: Column of a second, dashed line; empty for no second line.
        dashed: Description of `beside`.
        groups: Column by which random draws are averaged; by default `x`.
        first: Column of which only the smallest value is drawn.
        mode: Mode of normalisation in words; `{training}` is replaced according to the option `training`.
        log: Whether the axis is logarithmic.
    """

    value: str
    x: str = "index"
    along: str = "index, from the input on"
    y: str = "value"
    beside: str = ""
    dashed: str = ""
    groups: str = ""
    first: str = ""
    mode: str = ""
    log: bool = False

    def mode_of(self, rows: pd.DataFrame) -> str:
        """Return the mode of normalisation in words."""
        options = str(rows["options"].iloc[0]).split()
        return {"training=True": BATCH, "training=False": MOVING}.get(
            next((word for word in options if word.startswith("training=")), ""), self.mode
        )


LINES: Mapping[str, LineFigure] = {
    "lesions": LineFigure("error", "count", "blocks taken out at once", mode=MOVING),
    "shuffle": LineFigure("error", "tau", "Kendall's tau with the trained order", groups="swaps", mode=MOVING),
    "linear_probe": LineFigure("accuracy of a linear classifier", along=ALONG, mode=MOVING),
    "iterative": LineFigure("cosine of F(x) with ∂L/∂x", along="block, from the input on", mode=MOVING),
    "paths": LineFigure("share of the gradient", "length", "branches on the path", "share", "share_of_paths",
                   "share of all paths", mode=MOVING),
    "shattering": LineFigure("autocorrelation of the gradient", along=ALONG, beside="white", first="lag",
                        mode="on a line between two of them, of whose points are the statistics of normalisation",
                        dashed="two standard deviations of gradients without correlation"),
    "stitching": LineFigure("error", along=ALONG, beside="control", dashed="the bottom at random weights", mode=MOVING),
    "weight_gradient_l2": LineFigure("‖∂L/∂W‖₂", along="layer, from the input on", mode=BATCH, log=True),
    "activation_gradient_l2": LineFigure("‖∂L/∂x‖₂", along=ALONG, mode=BATCH, log=True),
}  # fmt: skip
"""Line figures by the name of the probe in the rows."""
TITLES = {
    "lesions": "Error with blocks taken out at once", "shuffle": "Error with blocks exchanged",
    "linear_probe": "Linear classifiers by depth", "iterative": "Blocks as steps against the gradient",
    "paths": "Gradient by the length of the path", "shattering": "Likeness of the gradients of neighbouring inputs",
    "stitching": "Networks stitched together", "weight_gradient_l2": "Gradient by the weights, by depth",
    "activation_gradient_l2": "Gradient by the values between blocks, by depth",
}  # fmt: skip


def lines(rows: pd.DataFrame, spec: LineFigure, style: Style) -> Iterator[Drawn]:
    """Draw the rows of a probe over a coordinate, one line for each arm. A user's probe is drawn over its index.

    Args:
        rows: Rows of one probe, with `label` of the arm.
        spec: Specification of the figure.
        style: Layout of the figures.
    """
    probe = str(rows["probe"].iloc[0])
    rows, of_what = _chosen(rows, spec)
    if not {spec.x, spec.y} <= {*rows} or rows[spec.x].nunique() < 2:
        return
    labels, note = arms_of(rows, MOST_ARMS)
    figure, axes = panels(1, 1, style)
    ax, sentences = axes[0][0], []
    seeds = rows.drop_duplicates("run").set_index("run")["seed"]
    for i, label in enumerate(labels):
        of_arm = _by_seed(rows_of(rows, label), spec)
        means = of_arm.groupby(level=1).mean().sort_values(spec.x)
        points = ax.scatter(of_arm[spec.x], of_arm[spec.y], s=6, color=f"C{i}", alpha=0.4)
        runs = seeds.loc[of_arm.index.get_level_values("run")]
        mark(points, label, tips(label, runs, _at(of_arm[spec.x], spec), spec.value, of_arm[spec.y]))
        (line,) = ax.plot(means[spec.x], means[spec.y], color=f"C{i}", marker="o", ms=3, label=literal(label))
        mark(line, label, tips(label, [None] * len(means), _at(means[spec.x], spec), spec.value, means[spec.y]))
        if spec.beside in means:
            (dashed_line,) = ax.plot(means[spec.x], means[spec.beside], color=f"C{i}", lw=0.9, ls="--")
            mark(dashed_line, label)
        sentences.append(f"{label}: {means[spec.y].iloc[0]:.3g} to {means[spec.y].iloc[-1]:.3g}")
    _axes(ax, rows, spec)
    legend_below(figure, ax)
    draws = ", the mean of its draws" if rows.duplicated(["run", spec.groups or spec.x]).any() else ""
    dashed = f" Dashed: {spec.dashed}." if spec.beside in rows else ""
    yield Drawn(
        f"{PREFIX}{probe}", TITLES.get(probe, f"The probe {probe}"), figure,
        f"{_capital(spec.value)} over {spec.along}, a line for each arm. {'; '.join(sentences)}.",
        f"{_capital(_what(probe, spec))}{of_what}. Measured on "
        f"{'; '.join(filter(None, (sample(rows), spec.mode_of(rows))))}. "
        f"A line is the mean over the seeds, and a point is one seed{draws}.{dashed}{note}",
    )  # fmt: skip


def _at(values: "pd.Series[float]", spec: LineFigure) -> list[str]:
    return [f"{spec.x.replace('_', ' ')} {value:.4g}" for value in values]


def _what(probe: str, spec: LineFigure) -> str:
    return f"values of the probe {probe}" if spec.value == probe else spec.value


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _chosen(rows: pd.DataFrame, spec: LineFigure) -> tuple[pd.DataFrame, str]:
    """Return the rows that are drawn, and a note on the rows that are not."""
    rows = rows[rows["path"].isin(["main", ""])]
    if spec.first not in rows:
        return rows, ""
    least = rows[spec.first].min()
    return rows[rows[spec.first] == least], f", {spec.first} {least:g}"


def _by_seed(rows: pd.DataFrame, spec: LineFigure) -> pd.DataFrame:
    """Return the mean of each network at each value of the coordinate, indexed by both."""
    numbers = [name for name in dict.fromkeys((spec.x, spec.y, spec.beside)) if name in rows]
    keys = [rows["run"], rows[spec.groups or spec.x].rename("at")]
    return rows[numbers].astype(float).groupby(keys).mean()


def _axes(ax: Axes, rows: pd.DataFrame, spec: LineFigure) -> None:
    if np.all(rows[spec.x] == np.round(rows[spec.x])):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel(spec.along)
    ax.set_ylabel(literal(spec.value))
    if spec.log:
        scales.log(ax.yaxis)


MOST_PLACES = 8
SERIES = ("quantity", "unit", "lag")
"""Columns for which a figure over training draws only one value: the one in `FIRST`, or else the first."""
FIRST = {"quantity": "variance"}


def over_training(rows: pd.DataFrame, style: Style) -> Iterator[Drawn]:
    """Draw the values of a probe over the steps of training, one panel for each arm, one line for each place.

    Args:
        rows: Rows of one probe at all steps, with `label` of the arm.
        style: Layout of the figures.
    """
    if "step" not in rows or rows["step"].nunique(dropna=False) < 2 or rows["step"].notna().sum() == 0:
        return
    rows, series = _series(rows)
    probe = str(rows["probe"].iloc[0])
    steps = [*sorted(rows["step"].dropna().unique()), *([np.nan] if rows["step"].isna().any() else [])]
    names = ["end" if np.isnan(step) else f"{step:g}" for step in steps]
    end = " and after it (end)" if "end" in names else ""
    at = rows["step"].map({step: i for i, step in enumerate(steps)}).fillna(len(steps) - 1)
    labels, note = arms_of(rows)
    figure, axes = panels(1, len(labels), style, sharey=True)
    sentences = []
    for ax, label in zip(axes[0], labels, strict=True):
        of_arm = rows_of(rows.assign(at=at), label)
        places = some(sorted(of_arm["index"].unique()), MOST_PLACES)
        for i, place in enumerate(places):
            means = of_arm[of_arm["index"] == place].groupby("at")["value"].mean()
            color = colormaps["viridis"](0.9 * i / max(1, len(places) - 1))
            (line,) = ax.plot(means.index, means, color=color, marker="o", ms=3, label=f"place {place:g}")
            at_step = [f"place {place:g}, step {names[int(i)]}" for i in means.index]
            mark(line, label, tips(label, [None] * len(means), at_step, "value", means))
        whole = of_arm.groupby("at")["value"].mean()
        sentences.append(f"{label}: mean of the places from {whole.iloc[0]:.3g} to {whole.iloc[-1]:.3g}")
        ax.set_xticks(range(len(steps)), names)
        ax.set_xlabel("updates")
        mark(ax.set_title(literal(label)), label)
        if (of_arm["value"] > 0).all() and of_arm["value"].max() > 20 * of_arm["value"].min():
            scales.log(ax.yaxis)
    quantity = LINES[probe].value if probe in LINES else probe.replace("_", " ")
    axes[0][0].set_ylabel(literal(f"{quantity}{series}"))
    legend_below(figure, *axes[0], arms=False)
    yield Drawn(
        f"{PREFIX}{probe}_over_training", f"{_capital(probe.replace('_', ' '))} over training", figure,
        f"Values of the probe {probe}{series} over training: a panel for each arm, a line for each place. "
        f"{'; '.join(sentences)}.",
        f"Values of the probe {probe}{series} during training{end}. Measured on "
        f"{sample(rows.assign(step=np.nan))}. A line is the mean over the seeds at one place; places are counted from "
        f"the input. The steps are drawn at equal distances.{note}",
    )  # fmt: skip


def _plain(value: object) -> str | float:
    return int(value) if isinstance(value, float) and value == int(value) else value  # type: ignore[return-value]


def _series(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return the rows with equal options, of one series if the probe has several, and the name of the series."""
    options = rows[rows["step"].notna()]["options"].iloc[0]
    alike = (rows["options"] == options) & (rows["images"] == rows["images"].max())
    rows = rows[alike & rows["path"].isin(["main", ""])].dropna(axis=1, how="all")
    series = ""
    for column in SERIES:
        if column in rows and rows[column].nunique() > 1:
            values = rows[column].dropna()
            first = FIRST[column] if FIRST.get(column) in set(values) else _plain(values.min())
            rows, series = (
                rows[rows[column] == first],
                f"{series}, {first if column == 'quantity' else f'{column} {first}'}",
            )
    return (rows if "step" in rows else rows.assign(step=np.nan)), series
