"""Figures of a search's report. Each function takes tables and returns a `Drawn`: a figure with its texts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

from analysis import plots
from analysis.figures.layout import MOST_ROWS, MOST_WORDS, Drawn, Style, legend_below, panels
from analysis.formats import text
from analysis.trials import BUDGET, COSTS, KIND, PLAIN, WITH, Direction, ObjectiveColumn

COLOURS = ListedColormap(colormaps["viridis"](np.linspace(0.2, 0.85, 256)))
"""Colours that are visible on dark and on light backgrounds."""
MOST_AXES = 18
"""Most hyperparameters of a figure. If there are more, the first are drawn."""
CROSSES = "A cross is a trial that was not completed; without a value it is drawn outside the scale"


def anytime(rows: pd.DataFrame, objectives: Sequence[ObjectiveColumn], style: Style) -> Drawn:
    """Draw the best result of the search so far against the trials, and against the time.

    Args:
        rows: What `analysis.trials.anytime` returns.
        objectives: The objectives.
        style: Layout of the figure.
    """
    several, epochs = len(objectives) > 1, rows[BUDGET].nunique() > 1
    name = "hypervolume" if several else objectives[0].name
    hue = None if several or not epochs else BUDGET
    seen = rows if several else _masked(rows, objectives[:1])
    figure, axes = panels(1, 2, style, sharey=not style.narrow)
    for ax, x in zip(axes[0], ("trial", "seconds_so_far"), strict=True):
        direction: Direction = "max" if several else objectives[0].direction
        plots.best_so_far(_sorted(seen, hue), x=x, y=name, direction=direction, hue=hue, legend=False, ax=ax)
        ax.set_ylabel("hypervolume, share of the box" if several else plots.words(name))
    axes[0][1].set_xlabel("seconds of all trials so far")
    if not style.narrow:
        axes[0][1].set_ylabel("")
    if hue:
        legend_below(figure, axes[0][0])
    ends = seen[name] if several else rows["best_so_far"]
    some = ends.iloc[sorted({round(i * (len(rows) - 1) / 4) for i in range(5)})]
    numbers = rows.loc[some.index, "trial"]
    sentence = "; ".join(f"{text(value)} after trial {trial}" for value, trial in zip(some, numbers, strict=True))
    return Drawn(
        "anytime",
        "Anytime performance",
        figure,
        f"Two panels with the {'hypervolume' if several else f'best {plots.words(name)}'} so far, by the number of the "
        f"trial and by the seconds of all trials so far. {sentence}.",
        (
            "The hypervolume of the trials so far, as a share of the box between the reference point and the best "
            "value of each objective; both are in the table of objectives."
            f"{' Only trials with the most epochs count.' if epochs else ''} A cross is a trial that was not completed."
            if several
            else "The line is the best value of the completed trials so far"
            f"{' with as many epochs' if epochs else ''}, and the points are the trials. {CROSSES}."
        )
        + " Trials are in the order of their proposal. Seconds are the sum of the wall times of their runs, even if "
        "several ran at once.",
    )


def importance(table: pd.DataFrame, style: Style) -> Drawn:
    """Draw what `analysis.importance.table` returns: the importance of hyperparameters, one panel per objective."""
    measures = list(dict.fromkeys(table["objective"]))
    names = list(dict.fromkeys(table["hyperparameter"]))[:MOST_ROWS]
    figure, axes = panels(1, len(measures), style, height=0.9 + 0.24 * len(names), sharey=not style.narrow)
    for ax, measure in zip(axes[0], measures, strict=True):
        rows = table[table["objective"] == measure].set_index("hyperparameter").reindex(names)
        plots.forest(rows.reset_index(), x="importance", y="hyperparameter", legend=False, ax=ax)
        ax.set_xlim(left=-0.02)
        ax.set_title(plots.words(measure))
        ax.set_xlabel("share of the variance")
    first = table[table["objective"] == measures[0]].head(MOST_WORDS)
    sentence = "; ".join(
        f"{row['hyperparameter']}: {text(row['importance'])} [{text(row['low'])}, {text(row['high'])}]"
        for row in first.to_dict("records")
    )
    return Drawn(
        "importance",
        "Importance of hyperparameters",
        figure,
        f"The share of the variance of the {plots.words(measures[0])} that each hyperparameter explains: {sentence}.",
        "Importance by fANOVA. The point is the mean over the random forests, and the bar is their range. The note at "
        "the table explains what it means and what it does not.",
    )


def parallel_coordinates(
    trials: pd.DataFrame, names: Sequence[str], objectives: Sequence[ObjectiveColumn], style: Style
) -> Drawn:  # fmt: skip
    """Draw one line for each trial through its hyperparameters to the objective.

    Args:
        trials: See `analysis.trials`.
        names: Hyperparameters in the order of their axes.
        objectives: The objectives. The first one colours the lines.
        style: Layout of the figure.
    """
    first, *others = objectives
    kept = [*names[:MOST_AXES], *(objective.name for objective in others)]
    rows = _masked(trials[trials["status"] == "completed"], objectives)
    figure, axes = panels(1, 1, style, height=0.6 + 0.5 * (len(kept) + 1))
    plots.parallel_coordinates(
        rows, columns=kept, hue=first.name, direction=first.direction, cbar=False, ax=axes[0][0],
        cmap=COLOURS.reversed() if first.rising else COLOURS,
    )  # fmt: skip
    best = rows.sort_values(first.name, ascending=not first.rising, kind="stable").head(1).to_dict("records")[0]
    sentence = ", ".join(f"{name} {text(best[name])}" for name in kept[:MOST_WORDS])
    left = len(names) - MOST_AXES
    return Drawn(
        "parallel_coordinates",
        "Parallel coordinates",
        figure,
        f"An axis for each hyperparameter and a line for each trial, from the uppermost axis to the "
        f"{plots.words(first.name)}. The best trial, {text(best[first.name])}, has {sentence}.",
        f"Each line is one of the {int(rows[first.name].notna().sum())} completed trials. Its colour is that of its "
        "value on the last axis; the best is darkest and on top. Lines of one level are spread in this order. Trials "
        "in which a hyperparameter is inactive are left of its axis. Axes whose values span a factor of 20 or more are "
        "logarithmic."
        + (" Trials with different numbers of epochs are drawn together." if BUDGET in kept else "")
        + (f" The table of all trials has {left} more hyperparameters." if left > 0 else ""),
    )


def skips(rows: pd.DataFrame, objectives: Sequence[ObjectiveColumn], text: str, style: Style) -> Drawn:
    """Draw the distribution of each objective over the trials with a skip, and over the plain ones.

    Args:
        rows: Recorded trials of equal epochs, see `analysis.trials.at_equal_epochs`.
        objectives: The objectives.
        text: Sentence with the numbers of the table.
        style: Layout of the figure.
    """
    figure, axes = panels(1, len(objectives), style, sharey=not style.narrow)
    masked = _masked(rows, objectives)
    for ax, objective in zip(axes[0], objectives, strict=True):
        order = [kind for kind in (WITH, PLAIN) if (rows[KIND] == kind).any()]
        plots.distribution(
            masked, x=objective.name, hue=KIND, hue_order=order, complementary=objective.rising, legend=False, ax=ax
        )
        ax.set_ylabel(f"share with this value or {'more' if objective.rising else 'less'}")
    legend_below(figure, *axes[0])
    return Drawn(
        "skips",
        "Skip against plain",
        figure,
        f"Empirical distribution functions of {', '.join(plots.words(objective.name) for objective in objectives)}: "
        f"the trials with a skip and the plain ones. {text}",
        "Share of the trials that reach a value. The legend has the number of trials with a value and of all trials. A "
        "trial that was not completed has no value, so a line may end below 1.",
    )


def objectives_by_cost(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn], text: str, style: Style) -> Drawn:
    """Draw the objective against parameters, multiply-accumulates and other objectives, with the front of each pair.

    Args:
        trials: See `analysis.trials`.
        objectives: The objectives. The first one that is not a cost is drawn against the others.
        text: Sentence with the numbers of the table of the best trials.
        style: Layout of the figure.
    """
    y = next((objective for objective in objectives if objective.name not in COSTS), objectives[0])
    others = {
        **{name: ObjectiveColumn(name, "min") for name in COSTS},
        **{objective.name: objective for objective in objectives if objective is not y},
    }
    seen = _masked(trials[trials["status"] != "open"], [y])
    hue = BUDGET if seen[BUDGET].nunique() > 1 else KIND
    figure, axes = panels(1, len(others), style, sharey=not style.narrow)
    for ax, objective in zip(axes[0], others.values(), strict=True):
        directions = (objective.direction, y.direction)
        plots.pareto_front(
            _sorted(seen, hue), x=objective.name, y=y.name, directions=directions, hue=hue, legend=False, ax=ax
        )
    if not style.narrow:
        for ax in axes[0][1:]:
            ax.set_ylabel("")
    legend_below(figure, axes[0][0])
    return Drawn(
        "cost",
        "Cost",
        figure,
        f"{plots.words(y.name)} against {', '.join(map(plots.words, others))}, a point for each trial. {text}",
        f"The points are the trials{', by their number of epochs' if hue == BUDGET else ''}; the legend has the number "
        f"of trials with a value and of all trials. {CROSSES}. The line is the Pareto front: no completed trial is "
        "beyond it in both. The left panel has its number of trials.",
    )


def _masked(rows: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the trials with missing values for trials that were not completed, which would be outliers."""
    done = rows["status"] == "completed"
    return rows.assign(
        **{objective.name: rows[objective.name].where(done) for objective in objectives if objective.name not in COSTS}
    )


def _sorted(rows: pd.DataFrame, hue: str | None) -> pd.DataFrame:
    """Return the trials with `hue` as an ordered category."""
    if hue is None:
        return rows
    levels = sorted(rows[hue].dropna().unique(), reverse=hue == KIND)
    names = [level if hue == KIND else f"epochs={int(level)}" for level in levels]
    words = rows[hue].map(dict(zip(levels, names, strict=True)))
    return rows.assign(**{hue: pd.Categorical(words, names, ordered=True)})
