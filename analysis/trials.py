"""Tables of a search: DataFrame in, DataFrame out.

A trial is a planned run of a search. Its number is its position in the plan, which is the order in which trials were
proposed, counted from 1. The argument `trials` is what `table` returns.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis import pareto, tables
from analysis.measures import COST, MEASURES, bounds, measured
from analysis.statistics import CONFIDENCE, differ, probability_of_improvement, tied
from analysis.study import StudyRecords
from resnet_core.errors import UserError

Direction = Literal["max", "min"]
COSTS = ("parameters", "macs")
BUDGET, KIND = "train.epochs", "net.kind"
WITH, PLAIN = "with a skip", "plain"
MOST_BEST = 10
MARGIN = 0.1
"""Distance of the hypervolume's reference point from the worst trial, relative to the range of the objective."""


@dataclass(frozen=True)
class ObjectiveColumn:
    """A measure of trials, with its direction."""

    name: str
    direction: Direction

    @property
    def rising(self) -> bool:
        return self.direction == "max"


def objectives(text: str) -> tuple[ObjectiveColumn, ...]:
    """Return the objectives of a text such as `val_accuracy (max), macs (min)`.

    Raises:
        UserError: The text does not have this form.
    """
    matches = [re.fullmatch(r"(\w+) \((max|min)\)", part.strip()) for part in text.split(",")]
    if None in matches:
        raise UserError(f"the objective of a search must be a measure and max or min, but study.json has '{text}'")
    return tuple(ObjectiveColumn(match[1], "max" if match[2] == "max" else "min") for match in matches if match)


def table(study: StudyRecords, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the trials of a search, in the order in which they were proposed.

    Args:
        study: The content of the search's folder.
        objectives: The objectives.

    Returns:
        One row for each planned run: `trial`, `run`, the hyperparameters (missing where they are inactive),
        `train.epochs`, `net.kind` (with a skip or plain), `status` (`open` without a record), `step`, `message`,
        `parameters`, `macs`, `seconds` (wall time), and one column for each objective. `failed` says whether training
        failed; then, and where it is not known, the value is missing.
    """
    trials = pd.DataFrame({"trial": range(1, len(study.planned) + 1), "run": [run.id for run in study.plan.runs]})
    for name in study.factors:
        trials[name] = _hyperparameter([run.factors[name] for run in study.plan.runs])
    known = [run.name for run in objectives if run.name not in MEASURES and run.name not in COST]
    columns = list(dict.fromkeys(["run", "status", "step", "message", "seconds", BUDGET, *known]))
    recorded = study.runs.reindex(columns=columns)
    recorded[KIND] = kinds(study.runs)
    trials = trials.merge(study.planned[["run", *COSTS]], on="run").merge(recorded, on="run", how="left")
    trials["status"] = trials["status"].astype(object).fillna("open")
    trials["failed"] = False
    for run in objectives:
        if run.name in MEASURES:
            values = measured(run.name, study.planned, study.frames).set_index("run").loc[trials["run"]]
            trials[run.name] = values["value"].to_numpy(float)
            trials["failed"] |= values["failed"].to_numpy(bool)
        trials[run.name] = trials[run.name].astype(float).replace([np.inf, -np.inf], np.nan)
    return trials.astype({**dict.fromkeys((*COSTS, "step", BUDGET), "Int64"), "seconds": "float"})


def _hyperparameter(values: Sequence[Any]) -> "pd.Series[Any]":
    """Return values as numbers if all are, else as text. Missing values are kept."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float}:
        return pd.Series(values, dtype="Float64" if float in kinds else "Int64")
    return pd.Series([None if value is None else str(value) for value in values], dtype="string")


def kinds(runs: pd.DataFrame) -> "pd.Series[Any]":
    """Return `with a skip` for each record whose network has a skip in any block, else `plain`."""
    kept = [
        option != "none" and (not mask or any("1" in stage for stage in mask))
        for option, mask in zip(runs["net.skip"], runs["net.skip_mask"], strict=True)
    ]
    return pd.Series(np.where(kept, WITH, PLAIN), index=runs.index, dtype=object)


def varied(trials: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Return the hyperparameters with two or more values, where inactive counts as a value, and epochs if they vary."""
    budgets = [BUDGET] if trials[BUDGET].nunique() > 1 else []
    return [*tables.varied(trials, factors), *budgets]


def rivals(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the completed trials of the most epochs that have a value of every objective."""
    known = trials[[objective.name for objective in objectives]].notna().all(axis=1)
    rows = trials[trials["status"].eq("completed") & known]
    return rows[rows[BUDGET] == rows[BUDGET].max()] if rows[BUDGET].notna().any() else rows


def at_equal_epochs(trials: pd.DataFrame, value: str, least: int = 1) -> pd.DataFrame:
    """Return the recorded trials of the greatest number of epochs with enough values; no trials if there is none."""
    recorded = trials[trials["status"] != "open"]
    counts = recorded[recorded[value].notna()].groupby(BUDGET, dropna=False).size()
    enough = counts[counts >= least]
    if enough.empty:
        return recorded.head(0)
    budget = enough.index.max() if trials[BUDGET].notna().any() else None
    return recorded if budget is None else recorded[recorded[BUDGET] == budget]


def best(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the best of `rivals`: the first ten by one objective, or the Pareto set of several, with its knee."""
    rows = rivals(trials, objectives)
    directions = [objective.direction for objective in objectives]
    if len(objectives) > 1 and len(rows):
        rows = rows[pareto.front_ranks(_matrix(rows, objectives), directions) == 0]
    rows = rows.sort_values(
        [objectives[0].name, "trial"], ascending=[not objectives[0].rising, True], ignore_index=True
    )
    if len(objectives) == 1:
        rows = rows.head(MOST_BEST)
    rows.insert(0, "rank", np.arange(1, len(rows) + 1))
    if len(objectives) > 1:
        at = pareto.knee(_matrix(rows, objectives), directions) if len(rows) else -1
        rows.insert(1, "knee", np.where(np.arange(len(rows)) == at, "knee", ""))
    return rows


def reference(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return what the hypervolume is measured against.

    Returns:
        One row for each objective: `objective`, `direction`, the `best` and the `worst` value of `rivals`, and the
        `reference`, which is a tenth of their range beyond the worst.
    """
    rows = rivals(trials, objectives)
    points = []
    for objective in objectives:
        low, high = rows[objective.name].min(), rows[objective.name].max()
        top, bottom = (high, low) if objective.rising else (low, high)
        points.append((objective.name, objective.direction, top, bottom, bottom + MARGIN * (bottom - top)))
    return pd.DataFrame(points, columns=["objective", "direction", "best", "worst", "reference"])


def hypervolumes(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the hypervolume of the trials so far, as a share of the box from the reference to the best values.

    Returns:
        `trials` that have a record, with `hypervolume`: 1 if one trial were best in every objective. Missing before
        the first of `rivals`, and if these do not differ in an objective.
    """
    to = reference(trials, objectives)
    directions = [objective.direction for objective in objectives]
    box = float(np.abs(to["best"] - to["reference"]).prod())
    recorded = trials[trials["status"] != "open"]
    counting = recorded.index.isin(rivals(trials, objectives).index)
    front, share = np.empty((0, len(objectives))), np.nan
    shares = []
    for point, counts in zip(_matrix(recorded, objectives), counting, strict=True):
        if counts and box > 0:
            joined = np.vstack([front, point])
            kept = pareto.front_ranks(joined, directions) == 0
            front = joined[kept]
            if kept[-1]:
                share = float(pareto.hypervolume(front, directions, to["reference"].to_numpy(float))) / box
        shares.append(share)
    return recorded.assign(hypervolume=shares)


def best_so_far(values: "pd.Series[Any]", direction: Direction) -> "pd.Series[Any]":
    """Return the best of the values up to each, in their order; missing before the first."""
    known = values.astype(float)
    return (known.cummax() if direction == "max" else known.cummin()).ffill()


def anytime(trials: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> pd.DataFrame:
    """Return the best result so far after each trial.

    Returns:
        The trials that have a record, in the order of their proposal, with `seconds_so_far` (wall time of the runs up
        to this one, one after the other) and, of one objective, `best_so_far` among the completed trials of as many
        epochs; of several, `hypervolume`.
    """
    rows = hypervolumes(trials, objectives) if len(objectives) > 1 else trials[trials["status"] != "open"]
    rows = rows.assign(seconds_so_far=rows["seconds"].cumsum())
    if len(objectives) > 1:
        return rows
    values = rows[objectives[0].name].where(rows["status"] == "completed")
    best_values = values.groupby(rows[BUDGET].fillna(0)).transform(best_so_far, direction=objectives[0].direction)
    return rows.assign(best_so_far=best_values)


def by_kind(trials: pd.DataFrame, objective: ObjectiveColumn) -> pd.DataFrame:
    """Summarise an objective over the trials with a skip, and over the plain ones, at equal epochs.

    Returns:
        One row for each kind: `network`, `n` values of `N` recorded trials, `failed` (their training failed, and
        they are in no mean), `median`, `best`, and `mean` with its 95 % interval of Student's t, `low` to `high`.
    """
    rows = at_equal_epochs(trials, objective.name)
    means = tables.means(rows, [KIND], objective.name).drop(columns="sd").set_index(KIND)
    groups = rows.groupby(KIND)
    values = groups[objective.name]
    means.insert(2, "failed", groups["failed"].sum())
    means.insert(3, "median", values.median())
    means.insert(4, "best", values.max() if objective.rising else values.min())
    return means.rename_axis("network").sort_index(ascending=False).reset_index()


def between_kinds(trials: pd.DataFrame, objective: ObjectiveColumn) -> pd.DataFrame:
    """Compare the trials with a skip with the plain ones, at equal epochs and unpaired.

    Returns:
        One row, or no row if either kind has fewer than two values: `objective`, `n_with`, `n_plain`, the `difference`
        of the means (with minus plain) and its 95 % interval by Welch, `low` to `high`; the p-values `p_welch` and
        `p_mann_whitney`; and `above`, the probability that a trial with a skip has the higher value.
    """
    rows = at_equal_epochs(trials, objective.name)
    kept, plain = (rows.loc[rows[KIND] == kind, objective.name].dropna().to_numpy(float) for kind in (WITH, PLAIN))
    if min(len(kept), len(plain)) < 2:
        return pd.DataFrame()
    row: dict[str, Any] = {
        "objective": objective.name, "n_with": len(kept), "n_plain": len(plain),
        "difference": kept.mean() - plain.mean(), "low": np.nan, "high": np.nan,
        "p_welch": np.nan, "p_mann_whitney": np.nan,
        "above": probability_of_improvement(kept, plain),
    }  # fmt: skip
    if differ(kept) or differ(plain):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # about equal values of one kind
            welch = stats.ttest_ind(kept, plain, equal_var=False)
        least, most = bounds(objective.name)
        row["low"], row["high"] = np.clip(welch.confidence_interval(CONFIDENCE), least - most, most - least)
        row["p_welch"] = welch.pvalue
    both = np.concatenate([kept, plain])
    if differ(both):
        row["p_mann_whitney"] = stats.mannwhitneyu(*np.split(tied(both), [len(kept)])).pvalue
    return pd.DataFrame([row])


def outcomes(trials: pd.DataFrame) -> pd.DataFrame:
    """Count the trials by status: `status`, `trials`, `share`, and the total `seconds`."""
    counts = trials.groupby("status").agg(trials=("trial", "size"), seconds=("seconds", "sum"))
    names = [*dict.fromkeys([name for name in (*tables.STATUSES, *counts.index) if name in counts.index])]
    counts.insert(1, "share", counts["trials"] / len(trials))
    return counts.reindex(names).reset_index()


def found_again(trials: pd.DataFrame, objective: ObjectiveColumn, summarised: pd.DataFrame) -> pd.DataFrame:
    """Compare the value by which a trial was chosen with that of the same network and training with fresh seeds.

    Args:
        trials: See the module's docstring.
        objective: The objective by which they were chosen, or the first one of several.
        summarised: The measures of the study of fresh seeds, see `analysis.tables.summaries`, with the factors `trial`
            and `net`, which is `found` or `twin`.

    Returns:
        One row for each trial: `trial`; `found`, the value of the search; `confirmed`, the mean of the same measure
        over `n` of `N` fresh seeds, with its 95 % interval of Student's t; and the `difference`, confirmed minus found.
    """
    if summarised.empty or not {"trial", "net"} <= set(summarised):
        return pd.DataFrame()
    again = summarised[(summarised["measure"] == objective.name) & (summarised["net"].astype(str) == "found")]
    values = trials.set_index("trial")[objective.name].reindex(again["trial"]).to_numpy(float)
    return pd.DataFrame({
        "trial": again["trial"], "found": values, "confirmed": again["mean"], "confirmed_low": again["low"],
        "confirmed_high": again["high"], "n": again["n"], "N": again["N"], "difference": again["mean"] - values,
    })  # fmt: skip


def scale(column: "pd.Series[Any]") -> Literal["categories", "linear", "log"]:
    """Return the range of a hyperparameter in words: numbers on a log scale if they span a factor of 20 or more."""
    if not pd.api.types.is_numeric_dtype(column):
        return "categories"
    low, high = column.min(), column.max()
    return "log" if pd.notna(low) and low > 0 and high / low >= 20 else "linear"


def _matrix(rows: pd.DataFrame, objectives: Sequence[ObjectiveColumn]) -> npt.NDArray[np.float64]:
    return rows[[objective.name for objective in objectives]].to_numpy(float)
