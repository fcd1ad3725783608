"""The figures of a report: tables in, matplotlib figures out, each with what is said of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import plots
from analysis.drawing import levels_of, literal

LINEAR_ERROR = 1e-3  # below, the axis of an error is linear, and reaches 0
MOST_ARMS = 8
"""Of more arms than these, the first are drawn: more lines cannot be told apart."""
MOST_PANELS = 4
MOST_ROWS = 40
MOST_WORDS = 12  # values that the text for those who cannot see a figure names
INK, PAPER_WHITE = "#1b1b1c", "#ffffff"
"""The colours of text and ground, which the page exchanges where it is dark."""
PROBES = {"weight_gradient_l2": "‖∂L/∂W‖₂ of each layer", "activation_gradient_l2": "‖∂L/∂x‖₂ between blocks"}


@dataclass(frozen=True)
class Style:
    """How figures are laid out.

    Attributes:
        width: Of a figure, in inches.
        row: Height of a row of panels, in inches.
        narrow: Whether what stands in a row is stacked.
        suffixes: Kinds of files.
        settings: Of matplotlib.
    """

    width: float
    row: float
    narrow: bool
    suffixes: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)


_SETTINGS: dict[str, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    "axes.facecolor": PAPER_WHITE, "figure.facecolor": PAPER_WHITE, "savefig.facecolor": PAPER_WHITE,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.alpha": 0.3, "axes.titlesize": "medium", "figure.dpi": 100, "savefig.dpi": 160,
    "svg.hashsalt": "resnet-report", "legend.frameon": False,
}  # fmt: skip
STYLES = {
    "screen": Style(10.0, 3.0, False, ("svg", "png"), _SETTINGS),
    # 89 mm is a single column of Nature's, 3.5 inches one of IEEE's; both ask for TrueType fonts and text as text.
    "paper": Style(3.5, 2.0, True, ("svg", "png", "pdf"), {
        **_SETTINGS, "font.size": 7, "legend.fontsize": 6, "lines.linewidth": 1.0, "lines.markersize": 3,
        "axes.linewidth": 0.6, "savefig.dpi": 600, "pdf.fonttype": 42, "ps.fonttype": 42, "svg.fonttype": "none",
    }),
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """A figure with what is said of it.

    Attributes:
        name: File name without its suffix.
        title: Of its section.
        figure: The figure.
        alt: What is to be seen, for who cannot see it.
        caption: How to read it.
    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str


@dataclass(frozen=True)
class Arms:
    """The labels that are drawn, of how many."""

    drawn: list[str]
    total: int

    @classmethod
    def of(cls, labels: "pd.Series[Any]") -> "Arms":
        """Return the first of the labels that are there."""
        levels = [str(level) for level in levels_of(labels)]
        return cls(levels[:MOST_ARMS], len(levels))

    def rows(self, data: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of what is drawn."""
        return data[data["label"].isin(self.drawn)]

    @property
    def note(self) -> str:
        """Say what is not drawn."""
        left = self.total - len(self.drawn)
        return f" Of {self.total} arms the first {len(self.drawn)} are drawn; all are in the tables." if left else ""


def effects(table: pd.DataFrame, style: Style, sure: str) -> Drawn:
    """Draw a forest of effects, a panel a measure.

    Args:
        table: As `analysis.comparisons.effects` returns it, with `measure`.
        style: How it is laid out.
        sure: What is known of the intervals.
    """
    measures = list(dict.fromkeys(table["measure"]))
    one = table[table["measure"] == measures[0]]
    kept, left = _largest(one, MOST_ROWS)
    names = {i: _effect_name(row, style) for i, row in zip(kept, one.loc[kept].to_dict("records"), strict=True)}
    places = [list(one.index).index(i) for i in kept]
    figure, axes = panels(1, len(measures), style, height=0.9 + 0.24 * len(kept), sharey=not style.narrow)
    for ax, measure in zip(axes[0], measures, strict=True):
        rows = table[table["measure"] == measure].iloc[places].assign(label=list(names.values()))
        plots.forest(rows, hue="factor", hue_order=list(dict.fromkeys(one["factor"])), legend=False, ax=ax)
        ax.set_title("\n".join(wrap(plots.words(measure), 60 // len(measures))))
        ax.set_xlabel("difference")
    if one["factor"].nunique() > 1:
        legend_below(figure, axes[0][0])
    said = "; ".join(
        f"{_effect_name(row, style)}: {_value(row['effect'])} [{_value(row['low'])}, {_value(row['high'])}]"
        for row in one.loc[kept[:MOST_WORDS]].to_dict("records")
    )
    return Drawn(
        "effects",
        "Effects",
        figure,
        f"A forest plot: differences between arms, a panel a measure, a line a comparison. "
        f"{plots.words(measures[0])}: {said}.",
        "A line is a level of a factor minus the reference level, all other factors being equal, seed by seed. Point: "
        f"mean over the seeds; bar: its 95 % interval of Student's t. {sure}"
        + (f" Of {len(one)} comparisons the {MOST_ROWS} of the greatest effect are drawn." if left else ""),
    )


def by_depth(data: Mapping[str, pd.DataFrame], said: str, style: Style, sure: str) -> Drawn:
    """Draw accuracy and error of the training and the test images against depth.

    Args:
        data: Of each measure its rows, see `analysis.measures.measured`, with `label`.
        said: The means in words.
        style: How it is laid out.
        sure: What is known of the intervals.
    """
    arms = Arms.of(next(iter(data.values()))["label"])
    figure, axes = panels(2, 2, style, sharey="row" if not style.narrow else "col")
    for line, kind in zip(axes, ("accuracy", "error"), strict=True):
        for ax, part in zip(line, ("train", "test"), strict=True):
            name = f"{part}_{kind}"
            rows = arms.rows(data[name]).rename(columns={"value": name})
            plots.measure_by_depth(rows, y=name, hue="label", hue_order=arms.drawn, legend=False, ax=ax)
            ax.set_title("training images" if part == "train" else "test images")
            ax.set_ylabel(kind)
        if kind == "error":
            smallest = min(data["train_error"]["value"].min(), data["test_error"]["value"].min())
            for ax in line:
                ax.set_yscale("symlog", linthresh=LINEAR_ERROR)
                ax.set_ylim(10 ** np.floor(np.log10(smallest)) if smallest >= LINEAR_ERROR else -2e-4, 1.3)
        else:
            line[0].set_ylim(-0.03, 1.03)
    _outer(axes, style)
    legend_below(figure, axes[1][1])
    return Drawn(
        "accuracy_by_depth",
        "Accuracy and error by depth",
        figure,
        f"Four panels, accuracy and error of training and test images against the number of layers, a line an arm. "
        f"Means: {said}.",
        f"At the last step, in inference mode; the error on a log scale, linear below {LINEAR_ERROR:g}. "
        f"{_MEANS} {sure}{arms.note}",
    )


def by_arm(data: Mapping[str, pd.DataFrame], said: str, style: Style, sure: str) -> Drawn:
    """Draw the error of the training and the test images of each arm; arguments as those of `by_depth`."""
    arms = _some([str(level) for level in levels_of(next(iter(data.values()))["label"])], MOST_ROWS)
    figure, axes = panels(1, 2, style, height=1.0 + 0.3 * len(arms), sharey=not style.narrow)
    for ax, part in zip(axes[0], ("train", "test"), strict=True):
        name = f"{part}_error"
        rows = data[name].rename(columns={"value": name})
        plots.measure_by_arm(rows[rows["label"].isin(arms)], x=name, legend=False, ax=ax)
        ax.set_title("training images" if part == "train" else "test images")
    left = next(iter(data.values()))["label"].nunique() - len(arms)
    return Drawn(
        "error_by_arm",
        "Error by arm",
        figure,
        f"Two panels, error of training and test images, a line an arm. Means: {said}.",
        f"At the last step, in inference mode. {_MEANS} {sure}"
        + (f" {left} arms more are in the tables." * (left > 0)),
    )


_MEANS = (
    "Line or large point: mean over the seeds; band or bar: its 95 % interval of Student's t; small open points: the "
    "seeds. A cross at the edge is a run without a value, which is in no mean: its training failed, or it was lost or "
    "is missing."
)


def gradient_by_depth(ends: pd.DataFrame, batch_size: str, style: Style) -> Drawn:
    """Draw weight and activation gradients from the input to the output, a panel a depth.

    Args:
        ends: As `analysis.tables.at_init_and_end` returns it, with `label` and `layers`.
        batch_size: Of the probes, in words.
        style: How it is laid out.
    """
    arms = Arms.of(ends["label"])
    probes = {name: text for name, text in PROBES.items() if (ends["probe"] == name).any()}
    depths = _some(sorted(ends["layers"].dropna().unique()), MOST_PANELS)
    figure, axes = panels(len(probes), len(depths), style, sharey="col" if style.narrow else "row")
    for line, (probe, name) in zip(axes, probes.items(), strict=True):
        for ax, depth in zip(line, depths, strict=True):
            rows = arms.rows(ends[(ends["probe"] == probe) & (ends["layers"] == depth)])
            plots.gradient_by_depth(rows, hue="label", style="when", hue_order=arms.drawn, legend=False, ax=ax)
            ax.set_title(f"{depth:g} layers")
            ax.set_ylabel(name)
    _outer(axes, style)
    legend_below(figure, *(ax for line in axes for ax in line))
    positive = ends["value"] > 0
    return Drawn(
        "gradient_by_depth",
        "Gradient magnitude by depth",
        figure,
        f"Panels for {', '.join(f'{depth:g}' for depth in depths)} layers: the gradient of each kernel, and that of "
        "each value between blocks, from the input to the output, on a log scale, at step 0 "
        "and at the last step. The ratios of near the input to near the output are in the table below.",
        f"On one fixed batch of {batch_size} training images, in training mode, L the mean cross-entropy. "
        "Line: geometric mean over the seeds; band: their range. Solid, filled markers: step 0; "
        "dashed, open: the last step of completed runs. "
        + (
            "No value is 0."
            if positive.all()
            else f"{int((~positive).sum())} values of 0, or none, have no place here."
        )
        + arms.note,
    )


def gradient_over_training(probes: pd.DataFrame, probe: str, style: Style) -> Drawn:
    """Draw a probe's magnitude over training as heat maps, layer by step, a row an arm and a column a depth.

    Args:
        probes: Rows of the probe on the main path, with `label` and `layers`.
        probe: Its name.
        style: How it is laid out.
    """
    rows = probes[(probes["value"] > 0) & np.isfinite(probes["value"])]
    labels = _some([str(level) for level in levels_of(rows["label"])], MOST_PANELS)
    depths = _some(sorted(rows["layers"].dropna().unique()), MOST_PANELS)
    cells = {(str(label), depth): part for (label, depth), part in rows.groupby(["label", "layers"], observed=True)}
    logs = np.log10(rows["value"].to_numpy(float))
    low, high = float(logs.min()), float(logs.max())
    figure, axes = panels(len(labels), len(depths), style, transposed=False)
    for line, label in zip(axes, labels, strict=True):
        for ax, depth in zip(line, depths, strict=True):
            if (label, depth) not in cells:
                ax.set_axis_off()
                continue
            plots.gradient_over_training(cells[label, depth], vmin=low, vmax=high, cbar=False, ax=ax)
            ax.set_title(f"{literal(label)}, {depth:g} layers")
            ax.set_ylabel("layer")
            ax.tick_params(axis="x", labelrotation=90 if style.narrow else 45)
    mesh = next(ax.collections[0] for line in axes for ax in line if ax.collections)
    figure.colorbar(mesh, ax=[ax for line in axes for ax in line], label=f"log10 {PROBES[probe].split(' ')[0]}")
    of = "weights" if probe.startswith("weight") else "activations"
    shown = len(labels) * len(depths) < rows["label"].nunique() * rows["layers"].nunique()
    return Drawn(
        f"gradient_over_training_{of}",
        f"Gradient of the {of} over training",
        figure,
        f"Heat maps of the gradient's magnitude, {PROBES[probe]}, layer by step, a row an arm and a column a depth: "
        f"{', '.join(labels)}; {', '.join(f'{depth:g}' for depth in depths)} layers. "
        f"Values from {10**low:.1e} to {10**high:.1e}.",
        "The input at the top; the measured steps side by side, whatever is between them. Colour: log10 of the "
        "geometric mean over the seeds, the same in all panels; blank: no value above 0."
        + (" Some arms are left out; all are in the records." if shown else ""),
    )


def learning_curves(curves: pd.DataFrame, style: Style) -> Drawn:
    """Draw loss and accuracy of training and validation images over the steps, a column a depth.

    Args:
        curves: The epochs of a study, with `label`, `layers` and `status`.
        style: How it is laid out.
    """
    arms = Arms.of(curves["label"])
    depths = _some(sorted(curves["layers"].dropna().unique()), MOST_PANELS)
    kinds = [kind for kind in ("loss", "accuracy") if kind in curves]
    figure, axes = panels(len(kinds), len(depths), style, sharey="col" if style.narrow else "row")
    parts = {
        (kind, depth): _both(rows, kind)
        for depth, rows in arms.rows(curves).groupby("layers", observed=True)
        for kind in kinds
    }
    for line, kind in zip(axes, kinds, strict=True):
        for ax, depth in zip(line, depths, strict=True):
            plots.learning_curve(
                parts[kind, depth], y=kind, hue="label", style="of", hue_order=arms.drawn, legend=False, ax=ax
            )
            ax.set_title(f"{depth:g} layers")
            if kind == "loss" and (curves["loss"] > 0).any():
                ax.set_yscale("log")
    _outer(axes, style)
    legend_below(figure, *(ax for line in axes for ax in line))
    completed = arms.rows(curves[curves["status"] == "completed"]).sort_values("step")
    last = completed.groupby(["label", "layers", "run"], observed=True)["loss"].last()
    ends = last.groupby(level=["label", "layers"], observed=True).agg(["mean", "size"]).reset_index()
    said = "; ".join(
        f"{arm.label} at {arm.layers:g} layers: {arm.mean:.3g} (n={arm.size})" for arm in ends.itertuples()
    )
    return Drawn(
        "learning_curves",
        "Learning curves",
        figure,
        f"Loss and accuracy against the step, a column a depth. Mean loss of the last epoch: {said or 'of no run'}.",
        "The loss on a log scale. Solid, filled markers: training images, means over the steps of an epoch, in "
        "training mode. Dashed, "
        "open: validation images, at the end of an epoch, in inference mode. Thin: the seeds, also "
        "of runs that were not completed; thick: the mean of those that reached the last step, so many of how many."
        + arms.note,
    )


def distributions(data: Mapping[str, pd.DataFrame], style: Style) -> Drawn:
    """Draw the empirical distribution of each measure, a line an arm.

    Args:
        data: Of each measure its rows, see `analysis.measures.measured`, with `label`.
        style: How it is laid out.
    """
    arms = Arms.of(next(iter(data.values()))["label"])
    figure, axes = panels(1, len(data), style, sharey=not style.narrow)
    for ax, (name, rows) in zip(axes[0], data.items(), strict=True):
        shown = arms.rows(rows).rename(columns={"value": name})
        plots.distribution(shown, x=name, hue="label", hue_order=arms.drawn, legend=False, ax=ax)
    if not style.narrow:
        for ax in axes[0][1:]:
            ax.set_ylabel("")
    legend_below(figure, axes[0][-1])
    medians = next(iter(data.values())).groupby("label", observed=True)["value"].median().reindex(arms.drawn)
    said = "; ".join(f"{label}: {_value(value)}" for label, value in medians.items())
    return Drawn(
        "distributions",
        "Distributions",
        figure,
        f"Empirical distribution functions, a panel a measure ({', '.join(map(plots.words, data))}), a line an arm. "
        f"Medians of the {plots.words(next(iter(data)))}: {said}.",
        "The share of an arm's runs, of all depths, with at most this value. A run whose training "
        "failed, that was lost, or is missing, counts as beyond all, so that its line ends below 1." + arms.note,
    )


def cost(data: pd.DataFrame, measure: str, said: str, style: Style) -> Drawn:
    """Draw a measure against multiply-accumulates and parameters; arguments as those of `by_depth`."""
    arms = Arms.of(data["label"])
    rows = arms.rows(data).rename(columns={"value": measure})
    figure, axes = panels(1, 2, style, sharey=not style.narrow)
    for ax, column in zip(axes[0], ("macs", "parameters"), strict=True):
        plots.measure_against_cost(rows, x=column, y=measure, hue="label", hue_order=arms.drawn, legend=False, ax=ax)
    if not style.narrow:
        axes[0][1].set_ylabel("")
    legend_below(figure, axes[0][1])
    return Drawn(
        "cost",
        f"{plots.words(measure).capitalize()} against cost",
        figure,
        f"{plots.words(measure)} against multiply-accumulates an image, and against parameters, a point an arm. "
        f"Means: {said}.",
        f"Arms of equal cost stand beside one another. {_MEANS}{arms.note}",
    )


def _both(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return `kind` of training and of validation images as one column."""
    about = ["run", "label", "step"]
    parts = [rows[[*about, kind]].assign(of="training")]
    if f"val_{kind}" in rows and rows[f"val_{kind}"].notna().any():
        parts.append(rows[[*about, f"val_{kind}"]].rename(columns={f"val_{kind}": kind}).assign(of="validation"))
    return pd.concat(parts, ignore_index=True)


def _effect_name(row: Mapping[Any, Any], style: Style) -> str:
    at = f"{chr(10) if style.narrow else ' '}({row['at']})" if row["at"] else ""
    factor = "" if row["factor"] == "arm" else f"{row['factor']} "
    return f"{factor}{row['level']} − {row['reference']}{at}"


def _largest(table: pd.DataFrame, most: int) -> tuple[list[Any], int]:
    """Return the rows of the greatest effect, in their order, and how many others there are."""
    if len(table) <= most:
        return list(table.index), 0
    greatest = set(table["effect"].abs().nlargest(most).index)
    return [i for i in table.index if i in greatest], len(table) - most


def _some(levels: Sequence[Any], most: int) -> list[Any]:
    """Return at most so many of the levels, evenly from the first to the last."""
    if len(levels) <= most:
        return list(levels)
    return [levels[round(i * (len(levels) - 1) / (most - 1))] for i in range(most)]


def _value(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3g}"


def panels(
    rows: int, columns: int, style: Style, *, height: float | None = None, transposed: bool = True, **options: Any
) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure and its axes by row and column; where the style is narrow, rows and columns change places."""
    turned = style.narrow and transposed
    lines, across = (columns, rows) if turned else (rows, columns)
    figure = Figure(figsize=(style.width, (height or style.row) * lines + 0.6), layout="constrained")
    axes = figure.subplots(lines, across, squeeze=False, **options)
    return figure, [list(line) for line in (axes.T if turned else axes)]


def _outer(axes: list[list[Axes]], style: Style) -> None:
    """Leave out the labels that the first panel of a row has already, and below others those of x."""
    for line in axes:
        for ax in line[1:] if not style.narrow else []:
            ax.set_ylabel("")
    last = [line[-1] for line in axes] if style.narrow else axes[-1]
    if axes[0][0].get_xlabel() == axes[-1][0].get_xlabel():
        for ax in (ax for line in axes for ax in line if ax not in last):
            ax.set_xlabel("")


def legend_below(figure: Figure, *axes: Axes) -> None:
    """Explain the lines of axes, each name once."""
    named = {text: handle for ax in axes for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
    columns = 1 if figure.get_figwidth() < 5 else 2 if max(map(len, named), default=0) > 40 else 4
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=columns)
