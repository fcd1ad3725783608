"""Importance of hyperparameters: the share of an objective's variance, by Optuna's fANOVA (Hutter et al. 2014)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis import tables
from analysis import trials as of_trials
from analysis.trials import BUDGET, ObjectiveColumn

LEAST = 10
"""Least number of trials for which importance is computed."""
FORESTS, TREES = 5, 16
MOST_TRIALS = 200
"""Most trials of a forest. Of more trials, each forest gets a new random sample, since the time grows faster than their
number.
"""
INACTIVE = "inactive"


def table(
    trials: pd.DataFrame, factors: Sequence[str], objective: ObjectiveColumn, rng: np.random.Generator
) -> tuple[pd.DataFrame, str]:
    """Return the importance of the hyperparameters for an objective.

    A random forest predicts the objective. The importance of a hyperparameter is the share of the prediction's variance
    over the space that this hyperparameter explains alone. The space is uniform between the smallest and the largest
    value that was tried. A number whose values span a factor of 20 or more enters by its logarithm. An inactive number
    gets the median of the active ones, and an inactive category is a category of its own.

    Args:
        trials: See `analysis.trials`. Only trials of the greatest number of epochs at which ten have a value are used.
        factors: Names of the hyperparameters.
        objective: The objective. A trial whose training failed has no value and is left out.
        rng: Random generator of the forests.

    Returns:
        One row for each hyperparameter of two values or more, the greatest importance first: `objective`,
        `hyperparameter`, `importance` (mean over five forests), `low` to `high` (their range), `values` (the number of
        values that were tried), `n` trials, and `epochs` if these differ. The second item says why the table is empty,
        if it is.
    """
    rows = of_trials.at_equal_epochs(trials, objective.name, LEAST)
    rows = rows[rows[objective.name].notna()]
    names = tables.varied(rows, factors)
    if len(rows) < LEAST:
        n = int(trials.loc[trials["status"] != "open", objective.name].notna().sum())
        return (
            pd.DataFrame(),
            f"Importance needs {LEAST} trials of equal epochs, but {n} in all have a {objective.name}.",
        )
    if not names or rows[objective.name].nunique() < 2:
        equal = objective.name if names else "every hyperparameter"
        return pd.DataFrame(), f"Importance needs trials that differ, but the {len(rows)} trials agree in {equal}."
    runs = pd.DataFrame([_forest(rows, names, objective, rng) for _ in range(FORESTS)])
    weighed = pd.DataFrame({
        "objective": objective.name, "hyperparameter": names, "importance": runs[names].mean().to_numpy(),
        "low": runs[names].min().to_numpy(), "high": runs[names].max().to_numpy(),
        "values": [rows[name].nunique(dropna=False) for name in names], "n": len(rows),
    })  # fmt: skip
    if trials[BUDGET].nunique() > 1:
        weighed["epochs"] = rows[BUDGET].iloc[0]
    return weighed.sort_values("importance", ascending=False, kind="stable", ignore_index=True), ""


def _forest(
    rows: pd.DataFrame, names: Sequence[str], objective: ObjectiveColumn, rng: np.random.Generator
) -> dict[str, float]:
    """Return the importance of each hyperparameter from one forest."""
    import optuna  # loads scikit-learn

    seed = int(rng.integers(2**31))
    if len(rows) > MOST_TRIALS:
        rows = rows.iloc[np.sort(rng.choice(len(rows), MOST_TRIALS, replace=False))]
    coded = {name: _coded(rows[name]) for name in names}
    ranges = {name: _range(values) for name, values in coded.items()}
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study()
    finally:
        optuna.logging.set_verbosity(verbosity)
    study.add_trials([
        optuna.trial.create_trial(
            value=float(value), params=dict(zip(names, levels, strict=True)), distributions=ranges
        )
        for value, *levels in zip(rows[objective.name], *coded.values(), strict=True)
    ])  # fmt: skip
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=TREES, seed=seed)
    try:
        return {name: float(value) for name, value in evaluator.evaluate(study, params=list(names)).items()}
    except RuntimeError:  # all sampled trials have the same objective
        return dict.fromkeys(names, np.nan)


def _coded(column: "pd.Series[Any]") -> list[Any]:
    """Return the values of a hyperparameter as numbers or as words."""
    scale = of_trials.scale(column)
    if scale == "categories":
        return column.fillna(INACTIVE).astype(str).tolist()
    values = column.astype("Float64").fillna(column.median()).to_numpy(float)
    return [float(value) for value in (np.log10(values) if scale == "log" else values)]


def _range(values: Sequence[Any]) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(values[0], str):
        return CategoricalDistribution(sorted(set(values)))
    return FloatDistribution(min(values), max(values))
