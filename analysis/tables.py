"""Tables of a study: DataFrame in, DataFrame out.

`planned` has one row for each planned run. `frames` are the tables of a `Store`. `factors` are the columns of `planned`
that the study varies. An arm is one combination of levels; its runs differ in their seeds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.measures import COST, FAILED, MEASURES, bounds, measured
from analysis.measures import measure as known_measure
from analysis.statistics import failure_rates, summary, t_half_width
from resnet_core.runs.records.frames import Frames

RESULTS = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
STATUSES = ("completed", "failed_to_train", "diverged", "crashed")
WHEN = ["step 0", "last step"]
RATIOS = {
    "gradient_decades_at_init": ("weights", WHEN[0]),
    "gradient_decades_at_end": ("weights", WHEN[1]),
    "activation_gradient_decades_at_init": ("activations", WHEN[0]),
    "activation_gradient_decades_at_end": ("activations", WHEN[1]),
}
"""For measures that are logarithms of ratios: the quantity, and the time of the measurement."""


def in_order(levels: pd.Series) -> pd.Series:
    """Return `levels` as a sortable column: numbers by value, other levels by appearance."""
    if pd.api.types.is_numeric_dtype(levels):
        return levels
    return levels.astype(pd.CategoricalDtype(list(levels.unique()), ordered=True))


def varied(runs: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Return the factors with two or more levels in `runs`."""
    return [factor for factor in factors if runs[factor].nunique(dropna=False) > 1]


def outcomes(planned: pd.DataFrame, runs: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Count the runs of each arm by status.

    Args:
        planned: One row for each planned run: `run` and the factors.
        runs: The recorded runs.
        factors: Columns of both.

    Returns:
        The factors, `planned`, one column for each status, and `missing`: planned but not recorded. A status
        that is not in `STATUSES` has a column if a run has it. Then `failed_rate` and its interval, see
        `analysis.statistics.failure_rates`.
    """
    known = planned[["run", *factors]].merge(runs[["run", "status"]], on="run", how="left")
    known["status"] = known["status"].astype(object).fillna("missing")
    counts = known.groupby([*factors, "status"], observed=True).size().unstack(fill_value=0)
    others = [name for name in counts if name not in (*STATUSES, "missing")]
    counts = counts.reindex(columns=[*STATUSES, *others, "missing"], fill_value=0)
    counts.insert(0, "planned", counts.sum(axis=1))
    rates = failure_rates(known, factors).rename(columns=lambda name: name.replace("rate", "failed_rate"))
    counted = counts.rename_axis(columns=None).reset_index()
    return counted.join(rates[["failed_rate", "failed_rate_low", "failed_rate_high"]])


def values(planned: pd.DataFrame, frames: Frames, also: Sequence[str] = ()) -> dict[str, pd.DataFrame]:
    """Return the rows of each measure for which a planned run has a value; see `analysis.measures.measured`.

    The rate of failed training is not among them, since `outcomes` has it. `also` names measures of probes' rows to
    add.
    """
    names = [name for name in dict.fromkeys([*MEASURES, *also]) if name != FAILED]
    by_measure = {name: measured(name, planned, frames) for name in names}
    return {name: rows for name, rows in by_measure.items() if rows["value"].notna().any()}


def summaries(data: Mapping[str, pd.DataFrame], factors: Sequence[str], seed: int) -> pd.DataFrame:
    """Summarise measures of each arm over the seeds.

    Args:
        data: Rows by measure, as `values` returns them.
        factors: See the module's docstring.
        seed: Seed of the bootstrap. Each measure starts from it, so the numbers of a measure do not depend on others.

    Returns:
        One row for each measure and arm: `measure`, the factors, and the columns of `analysis.statistics.summary`,
        where `n` counts the values; `failed` counts the runs whose training failed, which have no value.
    """
    parts = []
    for name, rows in data.items():
        table = summary(rows, list(factors), np.random.default_rng(seed), bounds(name))
        failed = rows.groupby(list(factors), observed=True, dropna=False)["failed"].sum().to_numpy()
        table.insert(0, "measure", name)
        table.insert(list(table).index("N") + 1, "failed", failed)
        parts.append(table)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def accuracy(runs: pd.DataFrame, factors: Sequence[str], summarised: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each arm: its cost and its results.

    Args:
        runs: The rows of the training accuracy, see `analysis.measures.measured`.
        factors: See the module's docstring.
        summarised: What `summaries` returns, at least for `RESULTS`.

    Returns:
        The factors, `layers`, `parameters`, `macs`, `n` (completed) and `N` (planned), `failed` (diverged, or
        failed to train, and in no mean) and `lost` (without a result, for another reason or not yet run), and of every
        result the mean as `{result}` and its interval as `{result}_low` and `{result}_high`.
    """
    names = list(factors)
    counted = runs.assign(completed=runs["status"].eq("completed"))
    arms = counted.groupby(names, observed=True, dropna=False)
    table = arms[list(COST)].first().astype("Float64").astype("Int64")
    table["n"], table["N"], table["failed"] = arms["completed"].sum(), arms.size(), arms["failed"].sum()
    table["lost"] = table["N"] - table["n"] - table["failed"]
    table = table.reset_index()
    for result in RESULTS:
        rows = summarised[summarised["measure"] == result] if len(summarised) else summarised
        for column, name in (("mean", result), ("low", f"{result}_low"), ("high", f"{result}_high")):
            table[name] = rows[column].to_numpy(float) if len(rows) else np.nan
    return table


def gradients(summarised: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Return the ratios of the gradient near the input to that near the output.

    Args:
        summarised: What `summaries` returns.
        factors: See the module's docstring.

    Returns:
        The factors, `of` (weights or activations), `when`, `n` of `N` runs whose ratio is a number above 0, and
        over these the geometric mean `ratio` and its 95 % interval of Student's t over the logarithms, `low` to
        `high`. Above 1, the gradient is larger near the input.
    """
    rows = summarised[summarised["measure"].isin(list(RATIOS))] if len(summarised) else summarised
    if not len(rows):
        return pd.DataFrame()
    table = rows[list(factors)].assign(
        of=[RATIOS[name][0] for name in rows["measure"]], when=[RATIOS[name][1] for name in rows["measure"]],
        n=rows["n"], N=rows["N"], ratio=10 ** rows["mean"], low=10 ** rows["low"], high=10 ** rows["high"],
    )  # fmt: skip
    return table.sort_values([*factors, "of", "when"], ascending=[*[True] * len(factors), False, False])


def published(planned: pd.DataFrame, frames: Frames, figures: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return published figures with the corresponding values of the records.

    Args:
        planned: See the module's docstring.
        frames: See the module's docstring.
        figures: Published figures as dictionaries, see `ablations.study.Published`.

    Returns:
        One row for each figure: `measure`, `arm`; `published`, or NaN if training failed there; `statistic`, the
        published statistic and its number of runs in words; `ours`, the same statistic over our runs (the mean if the
        statistic is unknown); the `difference`, ours minus published; the `mean` of our `n` of `N` runs and its 95 %
        interval of Student's t, `low` to `high`; `failed`, the share of our runs whose training failed or, if training
        failed in the source, that are above the source's threshold of failure; `source`.
    """
    rows = []
    for figure in figures:
        arm = planned[matches(planned, figure["arm"])]
        data = measured(figure["measure"], arm, frames)
        values = data["value"].dropna().to_numpy(float)
        mean = values.mean() if len(values) else np.nan
        half = float(t_half_width(len(values), np.std(values, ddof=1))) if len(values) > 1 else np.nan
        low, high = np.clip([mean - half, mean + half], *bounds(figure["measure"]))
        statistic, failed = figure.get("statistic", ""), figure.get("failed", False)
        value = np.nan if figure["value"] is None else float(figure["value"])
        ours = _statistic(statistic, figure["measure"])(values) if len(values) else np.nan
        printed = np.nan if failed else value
        rows.append({
            "measure": figure["measure"], "arm": " ".join(f"{name}={level}" for name, level in figure["arm"].items()),
            "published": printed, "statistic": _statistic_words(figure), "ours": ours, "difference": ours - printed,
            "mean": mean, "low": low, "high": high, "n": len(values), "N": len(arm),
            "failed": _failed_share(data, value if failed else np.inf),
            "source": figure["source"],
        })  # fmt: skip
    return pd.DataFrame(rows)


def _failed_share(data: pd.DataFrame, threshold: float) -> float:
    """Return the share of ended runs whose training failed or whose value is above a threshold."""
    ended = data[data["failed"] | data["value"].notna()]
    return float((ended["failed"] | (ended["value"] > threshold)).mean()) if len(ended) else np.nan


def _statistic(name: str, measure: str) -> Callable[[Any], Any]:
    """Return the function that computes a published figure's statistic from values."""
    if name == "best":
        less_is_better = known_measure(measure).best == 0
        return np.min if less_is_better else np.max
    return np.median if name == "median" else np.mean


def _statistic_words(figure: Mapping[str, Any]) -> str:
    """Return a published figure's statistic as a text: `median of 5`, `mean of 5 ± 0.0016`, `failed: above 0.2`."""
    statistic, runs, spread = figure.get("statistic", ""), figure.get("runs"), figure.get("spread")
    words = f"{statistic or 'not known'} of {runs}" if runs else statistic or "not known"
    words += f" ± {spread:g}" if spread else ""
    if not figure.get("failed", False):
        return words
    threshold = f": above {figure['value']:g}" if figure["value"] is not None else ""
    return f"failed{threshold}" + (f", {words}" if statistic or runs else "")


def matches(planned: pd.DataFrame, levels: Mapping[str, Any]) -> "pd.Series[bool]":
    """Return which planned runs have these levels."""
    matching = pd.Series(True, index=planned.index)
    for factor, level in levels.items():
        matching &= planned[factor].astype(object) == (tuple(level) if isinstance(level, list) else level)
    return matching


def means(data: pd.DataFrame, by: Sequence[str], y: str) -> pd.DataFrame:
    """Return `by`, `n` of `N` values of `y`, their `mean`, and its 95 % interval of Student's t, `low` to `high`.

    The interval is cut at the bounds of `y` if it is one of `analysis.measures.MEASURES`.
    """
    groups = data.groupby(list(by), observed=True)[y]
    table = groups.agg(n="count", N="size", mean="mean", sd="std").reset_index()
    half = t_half_width(table["n"].to_numpy(), table["sd"].to_numpy(float))
    low, high = bounds(y)
    return table.assign(low=(table["mean"] - half).clip(low), high=(table["mean"] + half).clip(upper=high))


def profile(data: pd.DataFrame, by: Sequence[str], y: str = "value") -> pd.DataFrame:
    """Summarise magnitudes on a log scale.

    Args:
        data: One row for each magnitude: `by` and `y`.
        by: Columns that identify a group.
        y: Column of the magnitudes.

    Returns:
        `by`; for the `n` values above 0, the geometric mean `value` and the range `low` to `high`; and `left_out`, the
        number of other values.
    """
    positive = data[y].where((data[y] > 0) & np.isfinite(data[y])).astype(float)
    logs = data[list(by)].assign(log=np.log(positive), size=positive)
    groups = logs.groupby(list(by), observed=True)
    table = groups.agg(n=("size", "count"), value=("log", "mean"), low=("size", "min"), high=("size", "max"))
    table["value"] = np.exp(table["value"])
    table["left_out"] = groups.size() - table["n"]
    return table.reset_index()


def at_init_and_end(runs: pd.DataFrame, probes: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the rows of `probes` on the main path at step 0 and at the last step of completed runs.

    Returns:
        The columns of `probes`, `when` (`step 0` or `last step`) and `columns` of `runs`.
    """
    wanted = ["run", "status", "step", *columns]
    joined = probes[probes["path"] == "main"].merge(runs[wanted], on="run", suffixes=("", "_of_run"))
    last = (joined["step"] == joined["step_of_run"]) & (joined["status"] == "completed")
    joined["when"] = np.select([joined["step"] == 0, last], WHEN, default="")
    joined = joined[joined["when"] != ""].drop(columns=["step_of_run", "status"])
    return joined.astype({"when": pd.CategoricalDtype(WHEN, ordered=True)})


def failures(runs: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Return the recorded runs that were not completed: `run`, the factors, `seed`, `status`, `step`, `message`."""
    lost = runs[runs["status"] != "completed"]
    return lost[["run", *factors, "seed", "status", "step", "message"]]


def in_common(runs: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """Return the fields of the specs that are equal in all runs: `setting`, such as `train.steps`, and `value`."""
    fields = [name for name in map(str, runs) if name.partition(".")[0] in kinds]
    texts = {name: {str(value) for value in runs[name].astype(object).unique()} for name in fields}
    return pd.DataFrame(
        [(name, *settings) for name, settings in texts.items() if len(settings) == 1], columns=["setting", "value"]
    )


def environments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the environment of the runs: `setting`, `value`, and the number of `runs` with this value."""
    names = {name: name.partition(".")[2] for name in map(str, runs) if name.startswith("environment.")}
    long = runs[list(names)].rename(columns=names).melt(var_name="setting").dropna().astype({"value": "str"})
    return long.groupby(["setting", "value"], sort=True).size().rename("runs").reset_index()
