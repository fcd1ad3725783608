"""The figures of a report: tables in, matplotlib figures out."""

from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import plots

WIDTH = 10.0
ROW = 3.0


@dataclass(frozen=True)
class Drawn:
    """A figure with what is said of it.

    Attributes:
        name: File name without its suffix.
        alt: What is to be seen, for who cannot see it.
        caption: How to read it.
    """

    name: str
    title: str
    figure: Figure
    alt: str
    caption: str


def accuracy_by_depth(summary: pd.DataFrame, runs: pd.DataFrame) -> Drawn:
    """Draw training and test accuracy against depth."""
    by = plots.looks(list(summary["label"].cat.categories))
    figure, axes = _panels(1, 2, sharey=True)
    for ax, part in zip(axes[0], ("train", "test"), strict=True):
        plots.measure_by_depth(summary, runs, f"{part}_accuracy", by, ax)
        ax.set_title("training images" if part == "train" else "test images", fontsize=10)
    axes[0][0].set_ylabel("accuracy")
    axes[0][1].set_ylabel("")
    axes[0][0].set_ylim(-0.03, 1.03)
    _legend_below(figure, axes[0][0])
    means = "; ".join(
        f"{row['label']} at {row['layers']} layers: train {row['train_accuracy']:.3f}, "
        f"test {row['test_accuracy']:.3f} (n={row['n']} of {row['N']})"
        for _, row in summary.sort_values(["label", "layers"]).iterrows()
    )
    return Drawn(
        "accuracy_by_depth",
        "Accuracy by depth",
        figure,
        f"Two panels, training and test accuracy against the number of layers, a line an arm. Means: {means}.",
        "At the last step, in inference mode. Line: mean over the seeds; band: its 95 % bootstrap interval "
        "(of three values, no wider than their range); small open points: the seeds; crosses at 0: runs that "
        "were not completed, which are in no mean.",
    )


def gradient_by_depth(profile: pd.DataFrame, batch_size: str) -> Drawn:
    """Draw weight and activation gradients from the input to the output, a panel a depth."""
    by = plots.looks(list(profile["label"].cat.categories))
    depths = sorted(profile["layers"].unique())
    rows = {"weight_gradient_l2": "‖∂L/∂W‖₂ of each layer", "activation_gradient_l2": "‖∂L/∂x‖₂ between blocks"}
    figure, axes = _panels(len(rows), len(depths), sharey="row")
    for line, (probe, name) in zip(axes, rows.items(), strict=True):
        for ax, depth in zip(line, depths, strict=True):
            plots.gradient_by_depth(profile[(profile["probe"] == probe) & (profile["layers"] == depth)], by, ax)
            ax.set_title(f"{depth} layers", fontsize=10)
        line[0].set_ylabel(name)
    _legend_below(figure, axes[0][0])
    left_out = int(profile["left_out"].sum())
    return Drawn(
        "gradient_by_depth",
        "Gradient magnitude by depth",
        figure,
        f"Panels for {', '.join(map(str, depths))} layers; above the gradient of each kernel, below that of each "
        "value between blocks, from the input on the left to the output on the right, on a log scale, at step 0 "
        "and at the last step. The ratios of near the input to near the output are in the table below.",
        f"On one fixed batch of {batch_size} training images, in training mode, L the mean cross-entropy. "
        "Line: geometric mean over the seeds; band: their range. Filled markers: step 0; "
        "open: the last step of completed runs. "
        + (f"{left_out} values of 0, or none, have no place on a log scale." if left_out else "No value is 0."),
    )


def learning_curves(curves: pd.DataFrame) -> Drawn:
    """Draw loss and validation accuracy over the steps, a panel a depth."""
    by = plots.looks(list(curves["label"].cat.categories))
    depths = sorted(curves["layers"].unique())
    measures = [name for name in ("loss", "accuracy", "val_accuracy") if name in curves]
    figure, axes = _panels(len(measures), len(depths), sharey="row")
    for line, measure in zip(axes, measures, strict=True):
        for ax, depth in zip(line, depths, strict=True):
            plots.learning_curve(curves[curves["layers"] == depth], measure, by, ax)
            ax.set_title(f"{depth} layers", fontsize=10)
        for ax in line[1:]:
            ax.set_ylabel("")
    _legend_below(figure, axes[0][0])
    completed = curves[curves["status"] == "completed"].sort_values("step")
    last = completed.groupby(["label", "layers", "run"], observed=True)["loss"].last()
    arms = last.groupby(level=["label", "layers"], observed=True).agg(["mean", "size"]).reset_index()
    means = "; ".join(f"{arm.label} at {arm.layers} layers: {arm.mean:.3g} (n={arm.size})" for arm in arms.itertuples())
    return Drawn(
        "learning_curves",
        "Learning curves",
        figure,
        f"Loss and accuracy against the step, a column a depth. Mean loss of the last epoch: {means}.",
        "Loss and accuracy: means over the steps of an epoch, in training mode. Validation accuracy: at the end of "
        "an epoch, in inference mode, on images kept aside. Thin lines: the seeds, also those of runs that were "
        "not completed; thick: the mean of those that were.",
    )


def _panels(rows: int, columns: int, **options: Any) -> tuple[Figure, list[list[Axes]]]:
    with rc_context(plots.STYLE):
        figure = Figure(figsize=(WIDTH, ROW * rows + 0.6), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, [list(line) for line in axes]


def _legend_below(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
