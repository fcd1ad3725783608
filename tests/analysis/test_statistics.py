import numpy as np
import pytest
from scipy import stats

from analysis.statistics import geometric_mean, mean_interval


def rng():
    return np.random.default_rng(0)


def test_the_interval_is_that_of_plain_resampling():
    values = np.random.default_rng(1).normal(size=20)
    low, high = mean_interval(values, rng())
    resampled = np.random.default_rng(2).choice(values, (200_000, 20)).mean(axis=1)
    assert (low, high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.01)


def test_of_three_values_the_interval_is_their_range():
    assert mean_interval([0.1, 0.2, 0.6], rng()) == pytest.approx((0.1, 0.6))


@pytest.mark.parametrize("values", [[], [0.5]])
def test_there_is_no_interval_below_two_values(values):
    assert np.isnan(mean_interval(values, rng())).all()


def test_equal_values_have_an_interval_of_no_width():
    assert mean_interval([0.3, 0.3, 0.3], rng()) == (0.3, 0.3)


def test_the_same_generator_gives_the_same_interval():
    values = [0.3, 0.1, 0.8, 0.2]
    assert mean_interval(values, rng()) == mean_interval(values, rng())


def test_geometric_mean():
    assert geometric_mean([1e-3, 1e3, 8.0]) == pytest.approx(stats.gmean([1e-3, 1e3, 8.0]))
    assert geometric_mean([0.0, 4.0, 9.0]) == pytest.approx(6.0)
    assert np.isnan(geometric_mean([0.0]))
