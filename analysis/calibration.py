"""What simulation says of intervals and tests of few seeds: `calibration.csv`, made by `benchmarks.coverage`."""

from pathlib import Path

import pandas as pd

TABLE = Path(__file__).with_suffix(".csv")


def table() -> pd.DataFrame:
    """Return the simulated rates.

    Returns:
        A row a kind of `errors` and number of seeds `n`: from so many `simulations` (of the bootstrap and of the
        tests a fifth), how often the nominal 95 %
        interval of Student's `t`, of the `bca` and of the `percentile` bootstrap held the true mean; and how often
        at least one of five false claims was found at 5 % after Holm's correction, by t-tests (`false_t`) and by
        sign flips (`false_flip`).
    """
    return pd.read_csv(TABLE)


def sentence(n: int, name: str = "t") -> str:
    """Say how often the nominal 95 % interval of `n` seeds holds the truth.

    Args:
        n: Seeds; the greatest simulated number that is not above it counts.
        name: `t`, `bca` or `percentile`.
    """
    rates = table()
    simulated = rates[rates["n"] <= n]
    if simulated.empty:
        return "There is no interval below two seeds."
    rows = simulated[simulated["n"] == simulated["n"].max()].set_index("errors")[name]
    return (
        f"In simulation a 95 % interval of {simulated['n'].max()} seeds held the truth in "
        f"{100 * rows['normal']:.1f} % of cases with normal errors, and in {100 * rows['skewed']:.1f} % "
        "with skewed ones."
    )
