import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from analysis import statistics
from analysis.judging import power


def rng():
    return np.random.default_rng(0)


def sample(*values):
    return np.array([values], dtype=float)


@pytest.fixture
def data():
    """Arm a has three values; b two and a lost run; c one; d none."""
    rows = [("a", 1.0), ("a", 2.0), ("a", 6.0), ("b", 5.0), ("b", 5.0), ("b", np.nan), ("c", 7.0), ("d", np.nan)]
    return pd.DataFrame(rows, columns=["arm", "value"])


def test_a_summary_is_that_of_plain_pandas_and_scipy(data):
    table = statistics.summary(data, ["arm"], rng()).set_index("arm")
    groups = data.groupby("arm")["value"]
    assert table["n"].to_dict() == {"a": 3, "b": 2, "c": 1, "d": 0}
    assert table["N"].to_dict() == {"a": 3, "b": 3, "c": 1, "d": 1}
    for column, expected in (("mean", groups.mean()), ("sd", groups.std()), ("median", groups.median())):
        pd.testing.assert_series_equal(table[column], expected, check_names=False)
    low, high = stats.t.interval(0.95, 2, loc=3.0, scale=stats.sem([1.0, 2.0, 6.0]))
    assert table.loc["a", ["low", "high"]].tolist() == pytest.approx([low, high])
    assert table.loc["b", ["low", "high", "bootstrap_low", "bootstrap_high", "bootstrap"]].tolist() == [
        5.0, 5.0, 5.0, 5.0, "equal values",
    ]  # fmt: skip
    assert table.loc[["c", "d"], ["low", "high", "bootstrap_low", "bootstrap_high"]].isna().all(axis=None)


def test_the_interval_of_a_summary_ends_at_the_bounds(data):
    table = statistics.summary(data, ["arm"], rng(), (0.0, 6.5)).set_index("arm")
    assert table.loc["a", ["low", "high"]].tolist() == [0.0, 6.5]


@pytest.mark.parametrize("size", [2, 5, 12, 300])
def test_the_bootstrap_is_scipys_bca(size):
    values = np.random.default_rng(1).lognormal(size=(1, size)) * 1e-200
    low, high, methods = statistics.bootstrap_intervals(values, rng())
    expected = stats.bootstrap(
        (values[0] * 1e200,), np.mean, n_resamples=10_000, method="BCa", rng=rng()
    ).confidence_interval
    assert (low[0] * 1e200, high[0] * 1e200) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert methods[0] == "BCa"


def test_where_bca_is_undefined_the_percentiles_are_taken():
    class OnlyTheLast:
        def integers(self, low, high, shape):
            return np.full(shape, high - 1)

    low, high, methods = statistics.bootstrap_intervals(sample(0.1, 0.2, 0.6), OnlyTheLast())
    assert (low[0], high[0], methods[0]) == (pytest.approx(0.6), pytest.approx(0.6), "percentile")


def test_the_bootstrap_of_thousands_of_values_is_near_students_interval():
    values = np.random.default_rng(2).normal(5.0, 1.0, (2, 3000))
    low, high, methods = statistics.bootstrap_intervals(values, rng())
    for row, ends in zip(values, zip(low, high, strict=True), strict=True):
        assert ends == pytest.approx(statistics.t_interval(row), abs=0.01)
    assert methods.tolist() == ["BCa", "BCa"]


def test_a_row_without_two_values_has_no_interval_and_nan_are_left_out():
    low, high, methods = statistics.bootstrap_intervals(
        np.array([[1.0, np.nan, np.nan], [2.0, 2.0, np.nan], [0.0, np.nan, 1.0]]), rng()
    )
    assert methods.tolist() == ["", "equal values", "BCa"]
    assert np.isnan([low[0], high[0]]).all()
    assert (low[1], high[1]) == (2.0, 2.0)
    assert low[2] >= 0.0
    assert high[2] <= 1.0


def test_the_same_generator_gives_the_same_interval_and_leaves_the_global_one_alone():
    values = sample(0.3, 0.1, 0.8, 0.2)
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first, second = (statistics.bootstrap_intervals(values, rng())[:2] for _ in range(2))
    assert np.array_equal(first, second)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_t_tests_are_scipys_and_there_is_no_p_value_at_n_1():
    matrix = np.array([[1.0, 2.0, 3.0], [1.0, np.nan, np.nan], [2.0, 2.0, 2.0], [1.0, np.nan, 4.0]])
    tested = statistics.t_tests(matrix)
    assert tested[0] == pytest.approx(stats.ttest_1samp([1.0, 2.0, 3.0], 0.0).pvalue)
    assert tested[3] == pytest.approx(stats.ttest_1samp([1.0, 4.0], 0.0).pvalue)
    assert np.isnan(tested[[1, 2]]).all()


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ((1.0, 2.0, 3.0), 2 / 8),
        ((1.0, 2.0, -0.5), 4 / 8),
        ((1, 1, 1, 1, 1, 1), 2 / 64),
        ((1.0, np.nan, np.nan), np.nan),
    ],
)
def test_sign_flips_counted_by_hand(values, p):
    assert statistics.sign_flip_tests(sample(*values), rng())[0] == pytest.approx(p, nan_ok=True)


def test_sums_that_are_equal_but_for_rounding_are_as_far_out():
    values = np.array([2, -3, 3, -2, -1]) / 360  # every sum of an odd number of odd ones is 1 / 360 or more
    assert statistics.sign_flip_tests(sample(*values), rng())[0] == 1


@pytest.mark.parametrize("size", [3, 6, 13])
def test_sign_flips_are_scipys_permutations_of_pairs(size):
    values = np.random.default_rng(size).normal(0.3, 1.0, (2, size)).round(1)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf, axis=1)
    assert statistics.sign_flip_tests(values, rng()) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("size", [14, 30, 3000])
def test_sign_flips_of_many_values_are_drawn(size):
    values = np.random.default_rng(3).normal(1.5 / np.sqrt(size), 1.0, (1, size))
    assert statistics.sign_flip_tests(values, rng())[0] == pytest.approx(statistics.t_tests(values)[0], abs=0.02)


def test_drawn_sign_flips_count_that_which_flips_none_so_that_no_p_value_is_0():
    assert statistics.sign_flip_tests(np.full((1, 3000), 0.1), rng())[0] == 1 / (statistics.MOST_DRAWS // 3000)


def test_probability_of_improvement_is_the_share_of_pairs():
    first, second = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, np.nan])
    pairs = [(a > b) + 0.5 * (a == b) for a in first for b in second[:2]]
    assert statistics.probability_of_improvement(first, second) == pytest.approx(np.mean(pairs))
    assert statistics.probability_of_improvement(first, second) == pytest.approx(
        stats.mannwhitneyu(first, second[:2]).statistic / 6
    )
    assert np.isnan(statistics.probability_of_improvement(first, np.array([np.nan])))


def test_the_interquartile_mean_leaves_a_quarter_out_at_each_end():
    matrix = np.full((4, 9), np.nan)
    matrix[0] = [100.0, 1.0, 2.0, 3.0, -50.0, np.nan, 4.0, 5.0, 6.0]
    matrix[1, :3] = [1.0, 2.0, 6.0]
    matrix[2, 4] = -7.0
    assert statistics.interquartile_means(matrix) == pytest.approx([3.5, 3.0, -7.0, np.nan], nan_ok=True)


def test_a_rate_has_the_exact_interval():
    low, high = statistics.rate_interval(2, 9)
    assert (stats.binom.sf(1, 9, low), stats.binom.cdf(2, 9, high)) == pytest.approx((0.025, 0.025))
    assert statistics.rate_interval(0, 5)[1] == pytest.approx(1 - 0.025**0.2)
    assert statistics.rate_interval(0, 4)[0] == 0.0
    assert np.isnan(statistics.rate_interval(0, 0)).all()


def test_failures_are_counted_of_what_ended_by_itself():
    status = ["failed_to_train", "diverged", "completed", "missing", "completed", "killed"]
    data = pd.DataFrame({"arm": ["a"] * 4 + ["b", "c"], "status": status})
    table = statistics.failure_rates(data, ["arm"])
    assert table[["arm", "failed", "ended", "rate"]].iloc[:2].to_numpy().tolist() == [
        ["a", 2, 3, 2 / 3],
        ["b", 0, 1, 0],
    ]
    assert table.loc[0, ["rate_low", "rate_high"]].tolist() == pytest.approx(statistics.rate_interval(2, 3))
    assert table.loc[2, ["rate", "rate_low", "rate_high"]].isna().all()


def test_holm_by_hand():
    corrected = statistics.holm(np.array([0.01, np.nan, 0.04, 0.03]))
    assert corrected[[0, 2, 3]].tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert np.isnan(corrected[1])


def test_holm_is_that_of_statsmodels():
    p = np.random.default_rng(4).uniform(0, 0.3, 20)
    assert statistics.holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)
    assert statistics.holm(np.array([])).tolist() == []


def test_how_many_seeds_show_a_difference():
    assert power.detectable(20, 0.05) == pytest.approx(0.66, abs=0.01)
    assert power.needed(power.detectable(20, 0.05), 0.05) == 20
    assert np.isnan(power.needed(0.0, 0.05))


@pytest.mark.parametrize("values", [(2, -3, 3, -2, -1), (1, 1, 2, 3), (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)])
def test_the_last_bit_of_a_value_moves_no_interval_and_no_rank(values):
    """Resamples with the mean of the sample are ties; a value of another machine may differ in its last bit."""
    first = sample(*values) / 360
    other = np.nextafter(first, np.where(np.arange(first.size) % 2, np.inf, -np.inf))
    ends = [statistics.bootstrap_intervals(values_of, rng())[:2] for values_of in (first, other)]
    assert np.allclose(ends[0], ends[1], rtol=1e-12, atol=0)
    above = [statistics.probability_of_improvement(values_of[0], first[0][::-1]) for values_of in (first, other)]
    assert above[0] == above[1] == 0.5
