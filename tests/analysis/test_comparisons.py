import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import comparisons, tables, variance
from analysis.statistics import holm
from analysis.study import INACTIVE


def runs(rows, factors):
    data = pd.DataFrame(rows, columns=[*factors, "seed", "value"])
    return data.assign(run=[f"r{i}" for i in range(len(data))])


@pytest.fixture
def grid():
    """Depth 8 and 20 by skip, three seeds: the value is depth / 10, twice that without the skip, and a seed's noise."""
    noise = np.random.default_rng(5).normal(0, 0.1, 12)
    cells = [(depth, skip, seed) for depth in (8, 20) for skip in ("none", "A") for seed in range(3)]
    return runs(
        [(d, s, i, d / 10 * (2 if s == "none" else 1) + e) for (d, s, i), e in zip(cells, noise, strict=True)],
        ["depth", "skip"],
    )


def compared(arms):
    compared_arms = comparisons.pairs(arms)
    return [
        (row.factor, *arms.iloc[row.arm].astype(str), "against", *arms.iloc[row.reference].astype(str))
        for row in compared_arms.itertuples()
    ]


def test_in_a_grid_arms_are_compared_with_the_first_level_of_each_factor():
    arms = pd.DataFrame([(8, "none"), (8, "A"), (20, "none"), (20, "A")], columns=["depth", "skip"])
    assert compared(arms.assign(skip=tables.in_order(arms["skip"]))) == [
        ("depth", "20", "none", "against", "8", "none"),
        ("depth", "20", "A", "against", "8", "A"),
        ("skip", "8", "A", "against", "8", "none"),
        ("skip", "20", "A", "against", "20", "none"),
    ]


def test_around_a_base_arms_are_compared_with_the_base():
    arms = pd.DataFrame([(8, "A"), (20, "A"), (20, "none"), (56, "A")], columns=["depth", "skip"])
    assert compared(arms) == [
        ("depth", "8", "A", "against", "20", "A"),
        ("depth", "56", "A", "against", "20", "A"),
        ("skip", "20", "none", "against", "20", "A"),
    ]


def test_an_inactive_factor_is_no_difference():
    arms = pd.DataFrame([("none", INACTIVE), ("A", "append"), ("A", "split")], columns=["skip", "zero_padding"])
    assert compared(arms) == [
        ("skip", "none", INACTIVE, "against", "A", "append"),
        ("zero_padding", "A", "split", "against", "A", "append"),
    ]


def test_arms_that_differ_in_several_factors_are_compared_with_the_first():
    arms = pd.DataFrame([(8, 64), (20, 32), (56, 16)], columns=["depth", "width"])
    assert compared(arms) == [
        ("arm", "20", "32", "against", "8", "64"),
        ("arm", "56", "16", "against", "8", "64"),
    ]
    assert comparisons.pairs(arms.iloc[:1]).empty


def test_effects_are_paired_by_seed(grid):
    table = comparisons.effects(grid, ["depth", "skip"], 0)
    row = table[(table["factor"] == "depth") & (table["at"] == "skip=A")].iloc[0]
    values = grid.pivot_table(index="seed", columns=["depth", "skip"], values="value")
    differences = values[20, "A"] - values[8, "A"]
    test = stats.ttest_rel(values[20, "A"], values[8, "A"])
    assert row[["level", "reference", "n", "N", "lost", "failed"]].tolist() == ["20", "8", 3, 3, 0, 0]
    assert row["effect"] == pytest.approx(differences.mean())
    assert row["d"] == pytest.approx(differences.mean() / differences.std())
    assert row[["low", "high"]].tolist() == pytest.approx(list(test.confidence_interval()))
    assert row["p"] == pytest.approx(test.pvalue)
    assert row["p_flip"] == pytest.approx(0.25)
    assert row["above"] == 1.0
    assert table["p_corrected"].tolist() == pytest.approx(holm(table["p"].to_numpy()).tolist())


def test_a_lost_run_takes_its_seed_out_and_is_counted(grid):
    grid.loc[[0, 3], "value"] = np.nan
    table = comparisons.effects(grid.assign(failed=grid.index == 3), ["depth", "skip"], 0)
    row = table[(table["factor"] == "skip") & (table["at"] == "depth=8")].iloc[0]
    assert row[["n", "N", "lost", "failed"]].tolist() == [2, 3, 1, 1]


def test_there_is_no_p_value_at_n_1(grid):
    table = comparisons.effects(grid[grid["seed"] == 0], ["depth", "skip"], 0)
    assert (table["n"] == 1).all()
    assert table["effect"].notna().all()
    assert table[["low", "high", "p", "p_corrected", "p_flip", "p_flip_corrected", "d"]].isna().all(axis=None)


def test_one_arm_has_no_effect(grid):
    arm = grid[(grid["depth"] == 8) & (grid["skip"] == "A")]
    assert comparisons.effects(arm, ["depth", "skip"], 0).empty
    assert variance.main_effects(arm, ["depth", "skip"]).empty


def test_sums_of_squares_of_a_balanced_design_by_hand(grid):
    table = variance.main_effects(grid, ["depth", "skip"]).set_index("term")
    assert list(table.index) == ["depth", "skip", "seed", "depth × skip", "residual"]
    mean = grid["value"].mean()
    for factor in ("depth", "skip", "seed"):
        by_hand = grid.groupby(factor)["value"].agg(lambda values: len(values) * (values.mean() - mean) ** 2).sum()
        assert table.loc[factor, "sum_sq"] == pytest.approx(by_hand)
    assert table["sum_sq"].sum() == pytest.approx(((grid["value"] - mean) ** 2).sum())
    assert table["share"].sum() == pytest.approx(1)
    residual = table.loc["residual"]
    ratio = table.loc["depth", "sum_sq"] / (residual["sum_sq"] / residual["df"])
    assert table.loc["depth", "F"] == pytest.approx(ratio)
    assert table.loc["depth", "p"] == pytest.approx(stats.f.sf(ratio, 1, residual["df"]))
    assert table.loc[["seed", "residual"], "p"].isna().all()


def test_tests_of_a_balanced_design_are_those_of_a_mixed_model(grid):
    from statsmodels.formula.api import mixedlm

    grid = grid.assign(
        value=grid["value"] + grid["seed"]
    )  # seeds that differ, so that the intercept's variance is not 0
    depth = variance.main_effects(grid, ["depth", "skip"]).set_index("term").loc["depth × skip", "F"]
    coded = grid.assign(a=(grid["depth"] == 20) - 0.5, b=(grid["skip"] == "A") - 0.5)
    fit = mixedlm("value ~ a * b", coded, groups="seed").fit(reml=True)
    assert fit.tvalues["a:b"] ** 2 == pytest.approx(depth, rel=1e-3)  # a likelihood's optimum is found to some digits


def test_interactions_that_the_runs_cannot_tell_apart_are_left_out(grid):
    corner = grid[~((grid["depth"] == 20) & (grid["skip"] == "none"))]
    assert variance.main_effects(corner, ["depth", "skip"])["term"].tolist() == ["depth", "skip", "seed", "residual"]
    assert variance.main_effects(grid[grid["seed"] == 0], ["depth", "skip"])["term"].tolist() == [
        "depth", "skip", "residual",
    ]  # fmt: skip


def test_equal_values_have_no_variance(grid):
    assert variance.main_effects(grid.assign(value=0.5), ["depth", "skip"]).empty
    exact = grid.assign(value=grid["depth"].astype(float))
    assert variance.main_effects(exact, ["depth", "skip"]).empty


def test_a_trend_is_a_slope_for_each_seed():
    rows = [
        (depth, seed, np.log2(depth) * slope + seed) for depth in (8, 16, 64) for seed, slope in enumerate((1, 2, 6))
    ]
    data = pd.DataFrame(rows, columns=["layers", "seed", "value"]).assign(label="a")
    row = comparisons.trends(data, "label").iloc[0]
    assert row[["points", "n", "N"]].tolist() == [3, 3, 3]
    assert row[["slope", "low", "high"]].tolist() == pytest.approx(
        [3.0, *stats.t.interval(0.95, 2, 3.0, stats.sem([1, 2, 6]))]
    )
    data.loc[0, "value"] = np.nan
    assert comparisons.trends(data, "label").iloc[0][["n", "N"]].tolist() == [2, 3]
    assert comparisons.trends(data[data["layers"] == 8], "label").empty


@pytest.mark.parametrize(
    ("measure", "low", "high"),
    [("test_error", -1, 1), ("test_loss", -11.2, 13.2), ("gradient_decades_at_init", -11.2, 13.2)],
)
def test_the_interval_of_a_slope_ends_at_the_steepest_one(measure, low, high):
    """From a depth to twice that depth an error changes by 1 at most; a loss has no largest value."""
    rows = [(8, 0, 0.5), (16, 0, 0.54), (8, 1, 0.0), (16, 1, 1.96)]
    data = pd.DataFrame(rows, columns=["layers", "seed", "value"]).assign(label="a")
    data["value"] /= 2 if measure == "test_error" else 1
    row = comparisons.together(lambda rows: comparisons.trends(rows, "label"), {measure: data}).iloc[0]
    assert "steepest" not in row
    assert row[["low", "high"]].tolist() == pytest.approx([low, high], abs=0.01)


def test_the_steepest_slope_is_that_of_a_step_at_the_middle():
    data = pd.DataFrame({"layers": [8, 16, 32, 64], "value": [0, 0, 1, 1]}).assign(label="a", seed=0)
    row = comparisons.trends(data, "label").iloc[0]
    assert row["slope"] == pytest.approx(row["steepest"]) == pytest.approx(0.4)


def test_p_values_of_several_measures_are_corrected_together(grid):
    effects = [comparisons.effects(grid, ["depth", "skip"], 0) for _ in range(2)]
    table = comparisons.together(
        lambda rows: comparisons.effects(rows, ["depth", "skip"], 0), {"loss": grid, "error": grid}
    )
    assert table["measure"].tolist() == ["loss"] * 4 + ["error"] * 4
    assert table["p_corrected"].tolist() == pytest.approx(
        holm(np.concatenate([arm["p"].to_numpy() for arm in effects])).tolist()
    )
    assert comparisons.together(lambda rows: rows, {}).empty


def test_arms_of_two_studies():
    ours = runs([("A", 0, 1.0), ("A", 1, 3.0), ("B", 0, 1.0), ("C", 0, 1.0), ("C", 1, 2.0)], ["skip"])
    theirs = runs(
        [("A", 0, 0.5), ("A", 1, 1.5), ("B", 0, np.nan), ("C", 0, 0.0), ("C", 5, 4.0), ("D", 0, 1.0)], ["skip"]
    )
    table = comparisons.across(ours, theirs, ["skip"]).set_index("skip")
    paired = stats.ttest_rel([1.0, 3.0], [0.5, 1.5]).confidence_interval()
    welch = stats.ttest_ind([1.0, 2.0], [0.0, 4.0], equal_var=False).confidence_interval()
    assert table.loc["A", ["n_first", "n_second", "difference", "interval"]].tolist() == [2, 2, 1.0, "paired"]
    assert table.loc["A", ["low", "high"]].tolist() == pytest.approx(list(paired))
    assert table.loc["C", "interval"] == "Welch"
    assert table.loc["C", ["low", "high"]].tolist() == pytest.approx(list(welch))
    assert table.loc[["B", "D"], ["n_first", "n_second"]].to_numpy().tolist() == [[1, 0], [0, 1]]
    assert table.loc[["B", "D"], ["difference", "low"]].isna().all(axis=None)


def test_the_interval_of_a_difference_of_two_seeds_ends_where_the_measure_does():
    """Student's t of two seeds would give -3.0 to 3.8 here; a loss has no greatest difference."""
    rows = [("none", 0, 0.1), ("A", 0, 0.23), ("none", 1, 0.2), ("A", 1, 0.87)]
    table = comparisons.together(
        lambda data: comparisons.effects(data, ["skip"], 0),
        dict.fromkeys(["test_error", "test_loss"], runs(rows, ["skip"])),
    ).set_index("measure")
    assert table.loc["test_error", ["low", "high"]].tolist() == [-1, 1]
    assert table.loc["test_loss", "low"] == pytest.approx(-3.03, abs=0.01)
    alone = comparisons.effects(runs(rows[:2], ["skip"]), ["skip"], 0)
    assert alone[["low", "high"]].isna().all(axis=None)
