import numpy as np
import pytest

from analysis import calibration
from benchmarks.coverage import SEEDS, simulated

BOOTSTRAPPED, FAMILIES = 200, 200


@pytest.mark.parametrize("errors", ["normal", "skewed", "difference"])
@pytest.mark.parametrize("n", [3, 5])
def test_the_committed_rates_are_those_of_a_small_simulation(errors, n):
    row = simulated(errors, n, 1000, np.random.default_rng(7))
    committed = calibration.table().set_index(["errors", "n"]).loc[(errors, n)]
    for name, simulations in (("t", 1000), ("bca", BOOTSTRAPPED), ("percentile", BOOTSTRAPPED),
                              ("false_t", FAMILIES), ("false_flip", FAMILIES)):  # fmt: skip
        rate = committed[name]
        assert row[name] == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / simulations) + 0.005), name


def test_students_interval_of_normal_errors_holds_what_it_says():
    table = calibration.table()
    normal = table[table["errors"] == "normal"]
    assert normal["n"].tolist() == list(SEEDS)
    assert normal["t"].to_numpy() == pytest.approx(0.95, abs=4 * np.sqrt(0.95 * 0.05 / 20_000))
    assert (normal["false_t"] < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)).all()


def test_sign_flips_find_nothing_with_five_seeds():
    table = calibration.table()
    assert (table[table["n"] <= 5]["false_flip"] == 0).all()


def test_what_a_report_says_of_few_seeds_is_the_table():
    row = calibration.table().set_index(["errors", "n"])["bca"]
    said = calibration.sentence(4, "bca")
    assert "of 3 seeds" in said
    assert f"{100 * row['normal', 3]:.1f} % of cases with normal errors" in said
    assert f"{100 * row['skewed', 3]:.1f} % with skewed" in said
    assert calibration.sentence(1) == "There is no interval below two seeds."
