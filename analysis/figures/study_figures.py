"""Figures of the results of arms. Each function takes tables and returns a `Drawn`: a figure with its texts."""

from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd

from analysis import plots
from analysis.figures import scales
from analysis.figures.drawing import levels_of
from analysis.figures.layout import MOST_ROWS, MOST_WORDS, Arms, Drawn, Style, legend_below, outer, panels, some
from analysis.figures.marks import of_measure

LINEAR_ERROR = 1e-3  # below, the axis of an error is linear, and reaches 0
MEANS = (
    "A line or large point is the mean over the seeds, a band or bar is its 95 % interval by Student's t, and small "
    "open points are single seeds. Runs without a value are drawn outside the scale and are not part of any mean: a "
    "cross is a run whose training failed, a plus is a run that was lost or is missing."
)


def effects(table: pd.DataFrame, style: Style) -> Drawn:
    """Draw a forest of effects, one panel for each measure.

    Args:
        table: What `analysis.labels.named_effects` returns, with a column `measure`.
        style: Layout of the figure.
    """
    measures = list(dict.fromkeys(table["measure"]))
    first = table[table["measure"] == measures[0]]
    kept, left = _largest(first, MOST_ROWS)
    names = {i: _effect_name(row, style) for i, row in zip(kept, first.loc[kept].to_dict("records"), strict=True)}
    places = [list(first.index).index(i) for i in kept]
    figure, axes = panels(1, len(measures), style, height=0.9 + 0.24 * len(kept), sharey=not style.narrow)
    for ax, measure in zip(axes[0], measures, strict=True):
        rows = table[table["measure"] == measure].iloc[places].assign(label=list(names.values()))
        plots.forest(rows, hue="factor", hue_order=list(dict.fromkeys(first["factor"])), legend=False, ax=ax)
        of_measure(ax, measure)
        ax.set_title("\n".join(wrap(plots.words(measure), 60 // len(measures))))
        ax.set_xlabel("difference")
    if first["factor"].nunique() > 1:
        legend_below(figure, axes[0][0])
    text = "; ".join(
        f"{_effect_name(row, style)}: {_value(row['effect'])} [{_value(row['low'])}, {_value(row['high'])}]"
        for row in first.loc[kept[:MOST_WORDS]].to_dict("records")
    )
    return Drawn(
        "effects",
        "Effects",
        figure,
        f"A forest plot of the differences between arms: a panel for each measure, a line for each comparison. "
        f"{plots.words(measures[0])}: {text}.",
        "Each line compares a level of a factor with the reference level, seed by seed, with all other factors equal. "
        "The point is the mean difference over the seeds, and the bar is its 95 % interval by Student's t."
        + (f" The {MOST_ROWS} largest of {len(first)} effects are drawn." if left else ""),
    )


def by_depth(data: Mapping[str, pd.DataFrame], text: str, style: Style) -> Drawn:
    """Draw accuracy and error of the training and the test images against depth.

    Args:
        data: The rows of each measure, see `analysis.measures.measured`, with `label`.
        text: The means in words.
        style: Layout of the figure.
    """
    arms = Arms.from_labels(next(iter(data.values()))["label"])
    figure, axes = panels(2, 2, style, sharey="row" if not style.narrow else "col")
    for line, kind in zip(axes, ("accuracy", "error"), strict=True):
        for ax, part in zip(line, ("train", "test"), strict=True):
            name = f"{part}_{kind}"
            rows = arms.rows(data[name]).rename(columns={"value": name})
            plots.measure_by_depth(rows, y=name, hue="label", hue_order=arms.drawn, legend=False, ax=ax)
            of_measure(ax, name)
            ax.set_title("training images" if part == "train" else "test images")
            ax.set_ylabel(kind)
        if kind == "error":
            smallest = min(data["train_error"]["value"].min(), data["test_error"]["value"].min())
            for ax in line:
                ax.set_yscale("symlog", linthresh=LINEAR_ERROR)
                ax.yaxis.set_major_formatter(scales.NUMBER)
                ax.set_ylim(10 ** np.floor(np.log10(smallest)) if smallest >= LINEAR_ERROR else -2e-4, 1.3)
        else:
            line[0].set_ylim(-0.03, 1.03)
    outer(axes, style)
    legend_below(figure, axes[1][1])
    return Drawn(
        "accuracy_by_depth",
        "Accuracy and error by depth",
        figure,
        f"Four panels with the accuracy and error of training and test images by the number of layers, a line for "
        f"each arm. "
        f"Means: {text}.",
        f"Measured at the last step, in inference mode. The error has a log scale, which is linear below "
        f"{LINEAR_ERROR:g}. "
        f"{MEANS}{arms.note}",
    )


def by_arm(data: Mapping[str, pd.DataFrame], text: str, style: Style) -> Drawn:
    """Draw the error of the training and the test images of each arm; the arguments are those of `by_depth`."""
    arms = some([str(level) for level in levels_of(next(iter(data.values()))["label"])], MOST_ROWS)
    figure, axes = panels(1, 2, style, height=1.0 + 0.3 * len(arms), sharey=not style.narrow)
    for ax, part in zip(axes[0], ("train", "test"), strict=True):
        name = f"{part}_error"
        rows = data[name].rename(columns={"value": name})
        plots.measure_by_arm(rows[rows["label"].isin(arms)], x=name, legend=False, ax=ax)
        of_measure(ax, name)
        ax.set_title("training images" if part == "train" else "test images")
    left = next(iter(data.values()))["label"].nunique() - len(arms)
    return Drawn(
        "error_by_arm",
        "Error by arm",
        figure,
        f"Two panels with the error of training and test images, a line for each arm. Means: {text}.",
        f"Measured at the last step, in inference mode. {MEANS}" + (f" The tables have {left} more arms." * (left > 0)),
    )


def distributions(data: Mapping[str, pd.DataFrame], style: Style) -> Drawn:
    """Draw the empirical distribution of each measure, one line for each arm.

    Args:
        data: The rows of each measure, see `analysis.measures.measured`, with `label`.
        style: Layout of the figure.
    """
    arms = Arms.from_labels(next(iter(data.values()))["label"])
    figure, axes = panels(1, len(data), style, sharey=not style.narrow)
    for ax, (name, rows) in zip(axes[0], data.items(), strict=True):
        shown = arms.rows(rows).rename(columns={"value": name})
        plots.distribution(shown, x=name, hue="label", hue_order=arms.drawn, legend=False, ax=ax)
        of_measure(ax, name)
    if not style.narrow:
        for ax in axes[0][1:]:
            ax.set_ylabel("")
    legend_below(figure, axes[0][-1])
    medians = next(iter(data.values())).groupby("label", observed=True)["value"].median().reindex(arms.drawn)
    text = "; ".join(f"{label}: {_value(value)}" for label, value in medians.items())
    return Drawn(
        "distributions",
        "Distributions",
        figure,
        f"Empirical distribution functions: a panel for each measure ({', '.join(map(plots.words, data))}), a line for "
        f"each arm. "
        f"Medians of the {plots.words(next(iter(data)))}: {text}.",
        "Share of the runs of an arm, over all depths, with at most this value. A run that failed, was lost or is "
        "missing has no value, so the line of its arm ends below 1." + arms.note,
    )


def accuracy_by_cost(data: pd.DataFrame, measure: str, text: str, style: Style) -> Drawn:
    """Draw a measure against multiply-accumulates and parameters; the arguments are those of `by_depth`."""
    arms = Arms.from_labels(data["label"])
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
        f"{plots.words(measure)} against multiply-accumulates for one image, and against parameters, a point for each "
        f"arm. "
        f"Means: {text}.",
        f"Arms of equal cost are drawn side by side. {MEANS}{arms.note}",
    )


def _effect_name(row: Mapping[Any, Any], style: Style) -> str:
    at = f"{chr(10) if style.narrow else ' '}({row['at']})" if row["at"] else ""
    return f"{row['level']} minus {row['reference']}{at}"


def _largest(table: pd.DataFrame, most: int) -> tuple[list[Any], int]:
    """Return the rows with the greatest effects in their original order, and the number of other rows."""
    if len(table) <= most:
        return list(table.index), 0
    greatest = set(table["effect"].abs().nlargest(most).index)
    return [i for i in table.index if i in greatest], len(table) - most


def _value(value: float) -> str:
    return "none" if np.isnan(value) else f"{value:.3g}"
