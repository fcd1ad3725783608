"""The choice of a learning rate, and what the number of trials was worth: against cases by hand and simulation."""

import math

import numpy as np
import pytest

from analysis.tuning import Tried, best, beyond, expected_best, expected_table, rates_table

IMAGES = 288


def tried(rate, accuracies, losses=None):
    return Tried(rate, tuple(accuracies), tuple(losses or [None if a is None else 1 - a for a in accuracies]))


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([tried(0.1, [0.9, 0.9]), tried(0.2, [0.95, 0.95]), tried(0.3, [0.8, 0.8])], 0.2),
        ([tried(0.1, [0.95, 0.95], [0.2, 0.2]), tried(0.2, [0.955, 0.955], [0.3, 0.3])], 0.1),  # a near tie: the loss
        ([tried(0.1, [0.90, 0.90], [0.2, 0.2]), tried(0.2, [0.95, 0.95], [0.3, 0.3])], 0.2),  # no near tie
        ([tried(0.2, [0.95, 0.95]), tried(0.1, [0.95, 0.95])], 0.1),  # equal in all: the lowest
        ([tried(0.1, [1.0, 1.0], [0.1, 0.1]), tried(0.2, [1.0, 287 / 288], [0.0, 0.0])], 0.2),  # one image is no reason
        ([tried(0.1, [0.99, None]), tried(0.2, [0.5, 0.5])], 0.2),  # a failed trial ranks below all
        ([tried(0.1, [None, None]), tried(0.2, [0.3, None]), tried(0.3, [0.2, None])], 0.2),
        ([tried(0.1, [None, None]), tried(0.2, [None, None])], None),
    ],
)
def test_the_best_is_that_of_the_mean_and_near_ties_go_by_the_loss(rows, chosen):
    choice = best(rows, IMAGES)
    assert (choice and choice.rate) == chosen
    reverse = best(rows[::-1], IMAGES)
    assert reverse == choice


@pytest.mark.parametrize(
    ("rates", "chosen", "further"),
    [
        ((0.01, 0.03, 0.1), 0.03, None),
        ((0.01, 0.03, 0.1), 0.1, 0.333),
        ((0.1, 0.03, 0.01), 0.01, 0.00333),
        ((0.01, 0.03, 0.1), None, 0.00333),
        ((0.1,), 0.1, None),
    ],
)
def test_a_grid_is_continued_by_a_step_where_the_best_is_at_its_end(rates, chosen, further):
    rows = [tried(rate, [0.5]) for rate in rates]
    assert beyond(rows, next((row for row in rows if row.rate == chosen), None)) == further


def test_the_expected_best_is_the_mean_of_simulated_maxima():
    values = [0.1, 0.9, 0.5, 0.5, 0.7, 0.0]
    assert expected_best(values, 1) == pytest.approx(np.mean(values))
    for n in (2, 3, 6):
        every = np.array(np.meshgrid(*[values] * n)).reshape(n, -1)  # all draws, each as probable
        assert expected_best(values, n) == pytest.approx(every.max(axis=0).mean())


def test_the_tables_of_a_plan():
    arm = {"depth": 8, "skip": None}
    rows = [
        {"arm": arm, "learning_rate": 0.1, "val_accuracy": [0.5, 0.7], "val_loss": [2.0, 1.0], "chosen": True},
        {"arm": arm, "learning_rate": 0.2, "val_accuracy": [None, None], "val_loss": [None, None], "chosen": False},
    ]
    first, second = rates_table(rows).to_dict("records")
    assert first == {
        "depth": 8, "skip": None, "learning_rate": 0.1, "trials": 2, "failed": 0, "val_accuracy": pytest.approx(0.6),
        "val_loss": 1.5, "chosen": True,
    }  # fmt: skip
    assert (second["failed"], math.isnan(second["val_accuracy"])) == (2, True)
    (row,) = expected_table(rows).to_dict("records")
    assert list(row) == ["depth", "skip", "best_of_1", "best_of_2", "best_of_3", "best_of_4"]
    assert row["best_of_1"] == pytest.approx(0.3)  # a trial that failed has 0
