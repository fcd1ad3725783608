"""Tables of a study: DataFrame in, DataFrame out.

`runs`, `epochs` and `probes` are the frames of a `Store`; `factors` are the columns of `runs` that
the study varies. An arm is one combination of levels; its runs differ in their seeds.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.statistics import geometric_mean, mean_interval

MEASURES = ("train_accuracy", "test_accuracy", "train_loss", "test_loss")
STATUSES = ("completed", "diverged", "crashed")
WHEN = ["step 0", "last step"]
RATIOS = {"weight_gradient_l2": (1, -2), "activation_gradient_l2": (0, -1)}
"""Of each probe, the sites compared: second and last convolution, first and last value between blocks."""


def in_order(levels: pd.Series) -> pd.Series:
    """Return `levels` so that they sort: numbers by value, all else by appearance."""
    if pd.api.types.is_numeric_dtype(levels):
        return levels
    return levels.astype(pd.CategoricalDtype(list(levels.unique()), ordered=True))


def varied(runs: pd.DataFrame, factors: Sequence[str]) -> list[str]:
    """Return the factors of which `runs` has two levels or more."""
    return [factor for factor in factors if runs[factor].nunique(dropna=False) > 1]


def arm_labels(runs: pd.DataFrame, factors: Sequence[str]) -> pd.Series:
    """Return what tells an arm from others of its depth: `skip=none`, or `all` if nothing does."""
    names = [factor for factor in varied(runs, factors) if factor != "depth"]
    words = [name + "=" + runs[name].astype(str) for name in names]
    labels = pd.Series("all", index=runs.index)
    if words:
        labels = words[0].str.cat(pd.DataFrame(dict(enumerate(words[1:])), index=runs.index), sep=" ")
    return in_order(labels)


def outcomes(planned: pd.DataFrame, runs: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Count the runs of each arm by how they ended.

    Args:
        planned: A row a planned run: `run` and the factors.
        runs: The recorded runs.
        factors: Columns of both.

    Returns:
        The factors, `planned`, a column a status, and `missing`: planned and not recorded. A status other
        than `STATUSES` has a column if a run has it.
    """
    status = planned.merge(runs[["run", "status"]], on="run", how="left")["status"].fillna("missing")
    counts = planned.groupby([*factors, status], observed=True).size().unstack(fill_value=0)
    others = [name for name in counts if name not in (*STATUSES, "missing")]
    counts = counts.reindex(columns=[*STATUSES, *others, "missing"], fill_value=0)
    counts.insert(0, "planned", counts.sum(axis=1))
    return counts.rename_axis(columns=None).reset_index()


def accuracy(
    planned: pd.DataFrame, runs: pd.DataFrame, factors: Sequence[str], rng: np.random.Generator
) -> pd.DataFrame:
    """Summarise each arm: its cost and its results over the seeds.

    Returns:
        The factors, `layers`, `parameters`, `macs`, `n` (completed) and `N` (planned), and of every
        measure the mean over the completed runs as `{measure}` and its interval as
        `{measure}_low` and `{measure}_high`. What was lost is in n of N, not in the mean.
    """
    rows = []
    for levels, arm in planned.groupby(list(factors), observed=True):
        recorded = runs[runs["run"].isin(arm["run"])]
        completed = recorded[recorded["status"] == "completed"]
        row = dict(zip(factors, levels, strict=True))
        row |= {name: recorded[name].iloc[0] if len(recorded) else pd.NA for name in ("layers", "parameters", "macs")}
        row |= {"n": len(completed), "N": len(arm)}
        for measure in MEASURES:
            values = completed[measure].to_numpy(float) if measure in completed else np.array([])
            row[measure] = values.mean() if len(values) else np.nan
            row[f"{measure}_low"], row[f"{measure}_high"] = mean_interval(values, rng)
        rows.append(row)
    return pd.DataFrame(rows).astype(dict.fromkeys(("layers", "parameters", "macs"), "Int64"))


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


def gradient_profile(selected: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Summarise gradients layer by layer over the seeds.

    Args:
        selected: Rows of one or more probes, as `at_init_and_end` returns them.
        by: Columns that tell the lines of a figure apart; `probe` and `when` are added.

    Returns:
        `by`, `probe`, `when`, `index`, and of the `n` values above 0 the geometric mean `value` and the
        range `low` to `high`; `left_out` counts the others.
    """
    groups = selected.groupby([*by, "probe", "when", "index"], observed=True)["value"]
    return groups.agg(
        n=lambda values: int((values > 0).sum()),
        value=geometric_mean,
        low=lambda values: values[values > 0].min(),
        high=lambda values: values[values > 0].max(),
        left_out=lambda values: int((~(values > 0)).sum()),
    ).reset_index()


def gradient_ratios(selected: pd.DataFrame, planned: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Compare the gradient near the input with that near the output, run by run.

    Returns:
        The factors, `probe`, `when`, `n` of the `N` planned runs whose ratio is a number above 0, and over
        these the geometric mean `ratio` and the range `low` to `high`. Above 1, the gradient is larger
        near the input.
    """
    rows = []
    for (*levels, probe, when), group in selected.groupby([*factors, "probe", "when"], observed=True):
        if probe not in RATIOS:
            continue
        near_input, near_output = RATIOS[probe]
        table = group.pivot(index="run", columns="index", values="value").to_numpy(float)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = table[:, near_input] / table[:, near_output]
        ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
        spread = {"low": ratios.min(), "high": ratios.max()} if len(ratios) else {"low": np.nan, "high": np.nan}
        total = int((planned[list(factors)] == levels).all(axis=1).sum())
        row = {"probe": probe, "when": when, "n": len(ratios), "N": total, "ratio": geometric_mean(ratios), **spread}
        rows.append({**dict(zip(factors, levels, strict=True)), **row})
    return pd.DataFrame(rows)


def learning_curves(runs: pd.DataFrame, epochs: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return `epochs` with `columns` of `runs`."""
    return epochs.merge(runs[["run", *columns]], on="run")


def in_common(runs: pd.DataFrame, kinds: Sequence[str]) -> pd.DataFrame:
    """Return the fields of the specs in which all runs agree: `setting`, as `train.steps`, and `value`."""
    fields = [name for name in map(str, runs) if name.partition(".")[0] in kinds]
    texts = {name: {str(value) for value in runs[name].astype(object).unique()} for name in fields}
    return pd.DataFrame(
        [(name, *found) for name, found in texts.items() if len(found) == 1], columns=["setting", "value"]
    )


def environments(runs: pd.DataFrame) -> pd.DataFrame:
    """Return what the runs were made with: `setting`, `value`, and in how many `runs`."""
    names = {name: name.partition(".")[2] for name in map(str, runs) if name.startswith("environment.")}
    long = runs[list(names)].rename(columns=names).melt(var_name="setting").dropna().astype({"value": "str"})
    return long.groupby(["setting", "value"], sort=True).size().rename("runs").reset_index()
