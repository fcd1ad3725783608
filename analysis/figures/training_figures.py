"""Figures of training: gradients and learning curves."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis import plots
from analysis.figures import scales
from analysis.figures.drawing import levels_of, literal, words
from analysis.figures.layout import MOST_PANELS, Arms, Drawn, Style, legend_below, outer, panels, some

PROBES = {name: words(name) for name in ("weight_gradient_l2", "activation_gradient_l2")}


def gradient_by_depth(ends: pd.DataFrame, batch_size: str, style: Style) -> Drawn:
    """Draw weight and activation gradients from the input to the output, one panel for each depth.

    Args:
        ends: What `analysis.tables.at_init_and_end` returns, with `label` and `layers`.
        batch_size: Batch size of the probes, as text.
        style: Layout of the figure.
    """
    arms = Arms.from_labels(ends["label"])
    probes = {name: text for name, text in PROBES.items() if (ends["probe"] == name).any()}
    depths = some(sorted(ends["layers"].dropna().unique()), MOST_PANELS)
    figure, axes = panels(len(probes), len(depths), style, sharey="col" if style.narrow else "row")
    for line, (probe, name) in zip(axes, probes.items(), strict=True):
        for ax, depth in zip(line, depths, strict=True):
            rows = arms.rows(ends[(ends["probe"] == probe) & (ends["layers"] == depth)])
            plots.gradient_by_depth(rows, hue="label", style="when", hue_order=arms.drawn, legend=False, ax=ax)
            ax.set_title(f"{depth:g} layers")
            ax.set_ylabel(name)
    outer(axes, style)
    legend_below(figure, *(ax for line in axes for ax in line))
    positive = ends["value"] > 0
    return Drawn(
        "gradient_by_depth",
        "Gradient magnitude by depth",
        figure,
        f"Panels for {', '.join(f'{depth:g}' for depth in depths)} layers: the gradient of each kernel, and that of "
        "each value between blocks, from the input to the output, on a log scale, at step 0 "
        "and at the last step. The table below has the ratios of the gradient near the input to that near the output.",
        f"Measured on one fixed batch of {batch_size} training images, in training mode; L is the mean cross-entropy. "
        "A line is the geometric mean over the seeds, and a band is their range. Solid lines with filled markers: step "
        "0. Dashed lines with open markers: the last step of completed runs. "
        + (
            "No value is 0."
            if positive.all()
            else f"{int((~positive).sum())} values that are 0 or missing are not drawn."
        )
        + arms.note,
    )


def gradient_over_training(probes: pd.DataFrame, probe: str, style: Style) -> Drawn:
    """Draw a probe's magnitude over training as heat maps, layer by step, with arms as rows and depths as columns.

    Args:
        probes: Rows of the probe on the main path, with `label` and `layers`.
        probe: Name of the probe.
        style: Layout of the figure.
    """
    rows = probes[(probes["value"] > 0) & np.isfinite(probes["value"])]
    labels = some([str(level) for level in levels_of(rows["label"])], MOST_PANELS)
    depths = some(sorted(rows["layers"].dropna().unique()), MOST_PANELS)
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
    place = "weights" if probe.startswith("weight") else "activations"
    shown = len(labels) * len(depths) < rows["label"].nunique() * rows["layers"].nunique()
    return Drawn(
        f"gradient_over_training_{place}",
        f"Gradient of the {place} over training",
        figure,
        f"Heat maps of the gradient's magnitude, {PROBES[probe]}, by layer and step, a row for each arm and a column "
        f"for each depth: "
        f"{', '.join(labels)}; {', '.join(f'{depth:g}' for depth in depths)} layers. "
        f"Values from {10**low:.1e} to {10**high:.1e}.",
        "The input is at the top, and the measured steps are at equal distances. The colour is log10 of the geometric "
        "mean over the seeds, on the same scale in all panels. Blank cells have no value above 0."
        + (" Some arms are not drawn; the records have all of them." if shown else ""),
    )


def learning_curves(curves: pd.DataFrame, style: Style) -> Drawn:
    """Draw loss and accuracy of training and validation images over the steps, one column for each depth.

    Args:
        curves: The epochs of a study, with `label`, `layers` and `status`.
        style: Layout of the figure.
    """
    arms = Arms.from_labels(curves["label"])
    depths = some(sorted(curves["layers"].dropna().unique()), MOST_PANELS)
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
                scales.log(ax.yaxis)
    outer(axes, style)
    legend_below(figure, *(ax for line in axes for ax in line))
    off = _off_the_scale(arms.rows(curves), axes[kinds.index("loss")]) if "loss" in kinds else ""
    completed = arms.rows(curves[curves["status"] == "completed"]).sort_values("step")
    last = completed.groupby(["label", "layers", "run"], observed=True)["loss"].last()
    ends = last.groupby(level=["label", "layers"], observed=True).agg(["mean", "size"]).reset_index()
    text = "; ".join(
        f"{arm.label} at {arm.layers:g} layers: {arm.mean:.3g} (n={arm.size})" for arm in ends.itertuples()
    )
    return Drawn(
        "learning_curves",
        "Learning curves",
        figure,
        f"Loss and accuracy by step, a column for each depth. Mean loss of the last epoch: {text or 'of no run'}.",
        "The loss has a log scale. Solid lines with filled markers: training images, the mean over the steps of an "
        "epoch, in training mode. Dashed lines with open markers: validation images at the end of an epoch, in "
        "inference mode. Thin lines are single seeds, including runs that were not completed; thick lines are the mean "
        "of the runs that reached the last step. The legend has the number of these and of all runs." + off + arms.note,
    )


def _off_the_scale(curves: pd.DataFrame, axes: Sequence[Axes]) -> str:
    """End the scale of the loss at the largest loss of arms that have not exploded; return a sentence on the others."""
    ceiling = scales.ceiling(curves, "loss")
    if ceiling is None:
        return ""
    end, beyond = ceiling
    for ax in axes:
        scales.cut_at(ax, end)
    text = ", ".join(f"{row.label} at {row.layers:g} layers up to {row.greatest:.3g}" for row in beyond.itertuples())
    return f" The scale ends at {end:.3g}; marks show where a curve leaves it: {text}."


def _both(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Return a table with `kind` of the training and of the validation images in one column."""
    about = ["run", "label", "step"]
    parts = [rows[[*about, kind]].assign(of="training")]
    if f"val_{kind}" in rows and rows[f"val_{kind}"].notna().any():
        parts.append(rows[[*about, f"val_{kind}"]].rename(columns={f"val_{kind}": kind}).assign(of="validation"))
    return pd.concat(parts, ignore_index=True)
