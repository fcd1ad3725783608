"""Comparisons of arms: effects seed by seed, main effects and interactions, trends over depth, differences of studies.

Each function takes `data`: the values of one measure, from `analysis.measures.measured` or from a user. It has one row
for each run and the columns `run`, `seed`, the factors, and `value`, which is NaN for a lost run. An arm is a
combination of levels.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from analysis.measures import bounds
from analysis.statistics import (
    Array,
    bootstrap_intervals,
    differ,
    holm,
    probability_of_improvement,
    sign_flip_tests,
    t_half_width,
    t_tests,
)
from analysis.study import INACTIVE

ARM = "arm"


def together(function: Callable[[pd.DataFrame], pd.DataFrame], data: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Apply a function to the rows of each measure, and return one table with a column `measure`.

    The p-values are corrected for the number of all rows of the table. Intervals of differences and of slopes end at
    the largest possible one: two errors differ by 1 at most.
    """
    parts = [(name, function(rows)) for name, rows in data.items()]
    parts = [(name, _bounded(part, name)) for name, part in parts if len(part)]
    if not parts:
        return pd.DataFrame()
    table = pd.concat([part.assign(measure=name) for name, part in parts], ignore_index=True)
    table.insert(0, "measure", table.pop("measure"))
    for name in ("p", "p_flip"):
        if name in table:
            table[f"{name}_corrected"] = holm(table[name].to_numpy(float))
    return table


def _bounded(table: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Return the table with intervals that end at the largest possible difference, or slope, of the measure."""
    if not {"effect", "difference", "slope"} & set(table):
        return table
    least, most = bounds(measure)
    largest = (most - least) * table.get("steepest", 1.0)
    table = table.assign(low=np.maximum(table["low"], -largest), high=np.minimum(table["high"], largest))
    return table.drop(columns="steepest", errors="ignore")


def pairs(arms: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of arms that differ in one factor.

    An arm is compared with the arm that has the reference level of the factor and the same levels of all others. The
    reference level is the one that most arms have, so in a design around a base it is the level of the base. Among
    levels that equally many arms have, it is the first. A factor that is inactive in one of the two arms counts as
    equal. If no two arms differ in one factor only, each arm is compared with the first.

    Args:
        arms: One row for each arm, one column for each factor, in the study's order.

    Returns:
        One row for each pair: `arm` and `reference` (positions of rows of `arms`), and `factor` (a column of `arms`, or
        `arm` if the pair differs in several).
    """
    codes = np.stack([_codes(arms[name]) for name in arms], axis=1) if len(arms) else np.empty((0, 0), int)
    rows = []
    for i in range(len(arms)):
        differs = (codes != codes[i]) & (codes >= 0) & (codes[i] >= 0)
        alone = differs.sum(axis=1) == 1
        for j, factor in enumerate(arms):
            others = np.flatnonzero(alone & differs[:, j])
            if len(others):
                lowest = others[np.argmin(codes[others, j])]
                if codes[lowest, j] < codes[i, j]:
                    rows.append((i, int(lowest), str(factor)))
    rows.sort(key=lambda row: list(map(str, arms)).index(row[2]))
    if not rows:
        rows = [(i, 0, ARM) for i in range(1, len(arms))]
    return pd.DataFrame(rows, columns=["arm", "reference", "factor"])


def _codes(levels: "pd.Series[Any]") -> npt.NDArray[np.intp]:
    """Return the rank of each level, by the number of arms with it and then by order; -1 for an inactive factor."""
    order = sorted(levels.unique()) if pd.api.types.is_numeric_dtype(levels) else list(levels.unique())
    if isinstance(levels.dtype, pd.CategoricalDtype):
        order = [level for level in levels.cat.categories if level in set(order)]
    counts = levels.value_counts()
    ranks = {level: i for i, level in enumerate(sorted(order, key=lambda level: -counts[level]))}
    return np.array([-1 if level == INACTIVE else ranks[level] for level in levels], dtype=np.intp)


def effects(data: pd.DataFrame, factors: Sequence[str], seed: int) -> pd.DataFrame:
    """Compare arms that differ in one factor, seed by seed.

    Args:
        data: See the module's docstring. With `failed`, the runs whose training failed are counted.
        factors: Columns of `data`.
        seed: Seed of the resamples and of the sign flips.

    Returns:
        One row for each pair of arms: `factor`; its `level` and the `reference` level; the levels of the other factors
        `at` which they are compared; `n` seeds of `N` on which both have a value; `effect`, the mean of the differences
        (level minus reference) with its 95 % interval of Student's t, `low` to `high`; `bootstrap_low`,
        `bootstrap_high` and `bootstrap`; `d`, the effect in standard deviations of the differences (Cohen's, paired);
        `above`, the probability that a run of the level has the higher value; the p-values of Student's t-test, `p`,
        and of sign flips, `p_flip`, each also corrected for the number of rows by Holm's method; `failed`,
        in how many runs of the two training failed, so that they have no value; and `lost`, how many have none for
        another reason.
    """
    names = list(factors)
    arms = data[names].drop_duplicates(ignore_index=True)
    compared = pairs(arms)
    if compared.empty:
        return pd.DataFrame()
    if "failed" not in data:
        data = data.assign(failed=False)
    numbered = data.merge(arms.assign(_arm=range(len(arms))), on=names)
    by_seed = numbered.pivot_table(index="_arm", columns="seed", values="value", aggfunc="mean", dropna=False)
    planned = numbered.pivot_table(index="_arm", columns="seed", values="failed", aggfunc="size").notna()
    failed = numbered.groupby("_arm")["failed"].sum().to_numpy()
    lost = numbered["value"].isna() & ~numbered["failed"]
    missing = lost.groupby(numbered["_arm"]).sum().to_numpy()
    values, exists = by_seed.to_numpy(float), planned.reindex(columns=by_seed.columns, fill_value=False).to_numpy()
    first, second = compared["arm"].to_numpy(), compared["reference"].to_numpy()
    differences = values[first] - values[second]
    n = np.isfinite(differences).sum(axis=1)
    effect, sd = _mean_and_sd(differences)
    half = t_half_width(n, sd)
    rng = np.random.default_rng(seed)
    low, high, methods = bootstrap_intervals(differences, rng)
    p, flips = t_tests(differences), sign_flip_tests(differences, rng)
    with np.errstate(divide="ignore", invalid="ignore"):
        d = np.where(sd > 0, effect / sd, np.nan)
    return pd.DataFrame({
        "factor": compared["factor"],
        "level": [_level(arms, i, factor) for i, factor in zip(first, compared["factor"], strict=True)],
        "reference": [_level(arms, i, factor) for i, factor in zip(second, compared["factor"], strict=True)],
        "at": [_at(arms, i, factor) for i, factor in zip(first, compared["factor"], strict=True)],
        "n": n, "N": (exists[first] & exists[second]).sum(axis=1),
        "effect": effect, "low": effect - half, "high": effect + half,
        "bootstrap_low": low, "bootstrap_high": high, "bootstrap": methods,
        "d": d,
        "above": [probability_of_improvement(values[i], values[j]) for i, j in zip(first, second, strict=True)],
        "p": p, "p_corrected": holm(p), "p_flip": flips, "p_flip_corrected": holm(flips),
        "failed": failed[first] + failed[second], "lost": missing[first] + missing[second],
    })  # fmt: skip


def _mean_and_sd(matrix: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of each row, ignoring NaN. The mean of no value, and the deviation of one, are
    NaN.
    """
    frame = pd.DataFrame(matrix)
    return frame.mean(axis=1).to_numpy(float), frame.std(axis=1).to_numpy(float)


def _level(arms: pd.DataFrame, row: int, factor: str) -> str:
    if factor != ARM:
        return str(arms[factor].iloc[row])
    return " ".join(f"{name}={arms[name].iloc[row]}" for name in _varied(arms))


def _at(arms: pd.DataFrame, row: int, factor: str) -> str:
    """Return a text: the levels of the other factors that vary and are active."""
    if factor == ARM:
        return ""
    others = ((name, arms[name].iloc[row]) for name in _varied(arms) if name != factor)
    return " ".join(f"{name}={level}" for name, level in others if level != INACTIVE)


def _varied(arms: pd.DataFrame) -> list[str]:
    return [str(name) for name in arms if arms[name].nunique(dropna=False) > 1]


def trends(data: pd.DataFrame, by: str, x: str = "layers") -> pd.DataFrame:
    """Return the change of a measure as `x` doubles: for each seed, the least-squares slope over log2 x.

    Args:
        data: See the module's docstring. A seed that lacks a value at one `x` of its group is left out,
            and counted in N.
        by: Column of the groups.
        x: Column of positive numbers.

    Returns:
        One row for each group with two `x` or more: `by`; `points`, the number of `x`; `n` of `N` seeds; `slope`, the
        mean over the seeds, with its 95 % interval of Student's t, `low` to `high`; `steepest`, the largest possible
        slope of a measure whose values are between 0 and 1; `p`, and `p_corrected` for the number of rows by Holm's
        method.
    """
    rows, slopes = [], []
    for group, runs in data[data[x].notna()].groupby(by, observed=True):
        table = runs.pivot_table(index="seed", columns=x, values="value", aggfunc="mean", dropna=False).astype(float)
        if table.shape[1] < 2:
            continue
        whole = table.dropna()
        doublings = np.log2(table.columns.to_numpy(float))
        doublings -= doublings.mean()
        fitted = (whole.to_numpy(float) * doublings).sum(axis=1) / (doublings**2).sum()
        steepest = doublings[doublings > 0].sum() / (doublings**2).sum()
        rows.append({by: group, "points": table.shape[1], "n": len(fitted), "N": len(table), "steepest": steepest})
        slopes.append(fitted)
    if not rows:
        return pd.DataFrame()
    matrix = np.full((len(rows), max(map(len, slopes))), np.nan)
    for line, fitted in zip(matrix, slopes, strict=True):
        line[: len(fitted)] = fitted
    slope, sd = _mean_and_sd(matrix)
    table = pd.DataFrame(rows)
    half = t_half_width(table["n"].to_numpy(), sd)
    p = t_tests(matrix)
    return table.assign(slope=slope, low=slope - half, high=slope + half, p=p, p_corrected=holm(p))


def across(first: pd.DataFrame, second: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Compare each arm of one study with the same arm of another.

    Args:
        first: Rows of one study; see the module's docstring.
        second: Rows of the other study.
        by: Columns of both tables that identify an arm.

    Returns:
        `by`; the numbers of values `n_first` and `n_second`; the `difference` of the means, first minus second, with
        its 95 % interval, `low` to `high`; and the kind of `interval`: `paired` by seed if both studies have the same
        two or more seeds, else `Welch`.
    """
    names = list(by)
    keys = pd.concat([first[names], second[names]]).drop_duplicates(ignore_index=True)
    matrices = []
    for data in (first, second):
        seeds = data.merge(keys.assign(_arm=range(len(keys))), on=names)
        matrices.append(seeds[seeds["value"].notna()].set_index("seed").groupby("_arm")["value"])
    rows = []
    for i in range(len(keys)):
        of_first, of_second = (
            groups.get_group(i) if i in groups.groups else pd.Series(dtype=float) for groups in matrices
        )
        rows.append({"n_first": len(of_first), "n_second": len(of_second), **_difference(of_first, of_second)})
    return keys.join(pd.DataFrame(rows))


def _difference(first: "pd.Series[float]", second: "pd.Series[float]") -> dict[str, Any]:
    none = {"difference": np.nan, "low": np.nan, "high": np.nan, "interval": ""}
    if first.empty or second.empty:
        return none
    center = float(first.mean() - second.mean())
    if len(first) < 2 or len(second) < 2:
        return none | {"difference": center}
    if set(first.index) == set(second.index):
        differences = (first.sort_index() - second.sort_index()).to_numpy(float)
        half = float(t_half_width(len(differences), np.std(differences, ddof=1)))
        return {"difference": center, "low": center - half, "high": center + half, "interval": "paired"}
    if not any(differ(np.array([values], dtype=np.float64))[0] for values in (first, second)):
        return none | {"difference": center}
    welch = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    return {"difference": center, "low": float(welch.low), "high": float(welch.high), "interval": "Welch"}
