import numpy as np
import pytest

from analysis.judging import calibration
from benchmarks.verdicts import SEEDS, cells, simulated

SIMULATIONS = 500


@pytest.fixture(scope="module")
def table():
    return calibration.table()


@pytest.mark.parametrize(
    ("claim", "errors", "n"),
    [
        ("A > B", "normal", 5), ("A < .3", "lognormal", 10), ("A < B + .02", "all fail .20", 10),
        ("|A - B| < .02", "t3", 3), ("(A - B) - (C - D) > 0", "A collapses .20", 10),
        ("rate(A) > .5", "rates of 0.5", 20),
    ],
)  # fmt: skip
def test_the_committed_rates_are_those_of_a_small_simulation(table, claim, errors, n):
    row = simulated(SIMULATIONS, lambda *what: what == (claim, errors, n, 1, "fixed")).iloc[0]
    keys = ["claim", "errors", "n", "claims", "looks"]
    committed = table.set_index(keys).loc[(claim, errors, n, 1, "fixed")]
    for name in ("false", "coverage", "power"):
        rate = committed[name]
        if np.isnan(rate):
            continue
        assert row[name] == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / SIMULATIONS) + 0.01), name


def test_every_cell_is_committed(table):
    assert [tuple(row) for row in table[["claim", "errors", "n", "claims", "looks"]].to_numpy()] == [
        what for what, _ in cells(1)
    ]


HARD = ("lognormal in A", "mean: ", "collapse")
"""Errors under which some cells fall short, which the page says."""


def test_verdicts_hold_what_they_promise_where_the_page_does_not_say_otherwise(table):
    """Four standard errors of 4,000 studies above 5 %, and below 94 %."""
    margin = 4 * np.sqrt(0.05 * 0.95 / table["simulations"].max())
    hard = table["errors"].str.contains("|".join(HARD)) | (
        table["errors"].eq("lognormal") & table["claim"].isin(["A < .3", "BCa of A"])
    )
    held = table[~hard & table["claim"].ne("BCa of A")]
    assert (held["false"] < 0.05 + margin).all()
    assert (held["coverage"].dropna() > 0.94 - margin).all()


def test_what_a_collapse_in_values_alone_leaves_is_known(table):
    """From 10 seeds on, a collapse that is not at chance is no false verdict either."""
    rows = table[
        table["errors"].str.contains("collapse") & ~table["errors"].str.startswith("mean") & (table["n"] >= 10)
    ]
    assert (rows["false"] < 0.065).all()


def test_the_power_with_normal_errors_is_four_fifths_of_students_at_least(table):
    normal = table[table["errors"].eq("normal") & table["power_t"].notna() & table["looks"].eq("fixed")]
    assert set(normal["n"]) == set(SEEDS)
    assert (normal["power"] > 0.78 * normal["power_t"]).all()


def test_what_a_report_says_of_few_seeds_is_the_table(table):
    rows = table[(table["claim"] == "BCa of A") & (table["n"] == 3)].set_index("errors")
    sentence = calibration.sentence(4, "bca")
    assert "of 3 seeds" in sentence
    assert f"{100 * rows.at['normal', 'coverage']:.1f} % of cases with normal errors" in sentence
    assert f"{100 * rows.at['lognormal', 'coverage']:.1f} % with skewed" in sentence
    assert calibration.sentence(1) == "One seed has no interval."
    alone = table[(table["claim"] == "A < .3") & (table["n"] == 5) & (table["errors"] == "lognormal")]
    assert calibration.of_verdicts(7).endswith(f"and {100 * alone['false'].iloc[0]:.1f} %.")
    assert calibration.of_verdicts(7).startswith("A verdict is meant to be false in at most 5 % of studies.")
    assert calibration.of_verdicts(1) == ""


def test_a_report_quotes_few_rows():
    assert len(calibration.quoted()) == len(SEEDS) * sum(map(len, calibration.QUOTED.values()))
