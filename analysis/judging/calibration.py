"""Simulated error rates of verdicts and intervals with few seeds: `calibration.csv`, made by `benchmarks.verdicts`."""

from pathlib import Path

import pandas as pd

TABLE = Path(__file__).with_suffix(".csv")
QUOTED = {
    "A > B": ("normal", "lognormal", "t3", "A fails .20", "all fail .20", "A collapses .20", "lognormal in A"),
    "A < .3": ("normal", "lognormal", "t3", "A fails .20", "A collapses .20"),
    "rate(A) > rate(B)": ("rates of 0.2",),
}
"""Claims and error distributions that a report shows: two arms, one arm against a bound, and failure rates."""


def table() -> pd.DataFrame:
    """Return the simulated rates.

    Returns:
        One row for each cell: `claim`, `errors` (their distribution), `n` seeds, the number of `claims`
        that are judged together, `looks` (`fixed`, or `sequential`: seeds are added from 3 to 20 until all claims are
        decided) and `simulations`. Then three rates. `false`: a verdict was false. `coverage`: the nominal 95 %
        interval contained the true value. `power`: an effect was found that Student's t-test finds in 80 % of studies
        with normal errors. `false_t`, `coverage_t` and `power_t` are the rates of Student's t alone.
        `benchmarks/verdicts.md` describes the distributions and the true values.
    """
    return pd.read_csv(TABLE)


def quoted() -> pd.DataFrame:
    """Return the rows that a report shows."""
    rates = table()
    simple = rates[(rates["claims"] == 1) & (rates["looks"] == "fixed")]
    rows = [simple[(simple["claim"] == claim) & simple["errors"].isin(errors)] for claim, errors in QUOTED.items()]
    return pd.concat(rows, ignore_index=True).drop(columns=["claims", "looks", "simulations"])


def sentence(n: int, name: str = "t") -> str:
    """Return a sentence on the coverage of the nominal 95 % interval of an arm's mean over `n` seeds.

    Args:
        n: Number of seeds. The largest simulated number that is not greater is used.
        name: `t` (Student's t) or `bca` (bootstrap).
    """
    rows = _simulated("BCa of A", n)
    if rows.empty:
        return "One seed has no interval."
    rates = rows["coverage" if name == "bca" else "coverage_t"]
    return (
        f"In simulations a 95 % interval of {rows['n'].iloc[0]} seeds contained the true mean in "
        f"{100 * rates['normal']:.1f} % of cases with normal errors and in {100 * rates['lognormal']:.1f} % with "
        "skewed errors."
    )


def of_verdicts(n: int) -> str:
    """Return a sentence on how often a verdict with `n` seeds is false; arguments as those of `sentence`."""
    pair, alone = _simulated("A > B", n), _simulated("A < .3", n)
    if pair.empty:
        return ""
    return (
        f"A verdict is meant to be false in at most 5 % of studies. In simulations with {pair['n'].iloc[0]} seeds "
        "(benchmarks/verdicts.md), claims exactly at their bound were decided, falsely, in "
        f"{_percent(pair, 'normal')} % of studies with normal errors, {_percent(pair, 'lognormal')} % with skewed "
        f"errors and {_percent(pair, 'all fail .20')} % if a fifth of the runs fails. For claims that compare one arm "
        f"with a bound it was {_percent(alone, 'normal')} % and {_percent(alone, 'lognormal')} %."
    )


def _simulated(claim: str, n: int) -> pd.DataFrame:
    """Return the rows of a claim for the largest simulated number of seeds up to n, by the distribution of errors."""
    rates = table()
    matching = (rates["claim"] == claim) & (rates["claims"] == 1) & (rates["looks"] == "fixed") & (rates["n"] <= n)
    rows: pd.DataFrame = rates[matching & (rates["n"] == rates.loc[matching, "n"].max())]
    return rows.set_index("errors")


def _percent(rows: pd.DataFrame, errors: str) -> str:
    rates = rows["false"]
    return f"{100 * rates[errors]:.1f}"
