"""A run that ended well, and whose network knows nothing, failed to train."""

import numpy as np
import pandas as pd
import pytest

from resnet_core.runs.records.outcomes import constant, failed_to_train, measured, status_of, statuses
from resnet_core.runs.spec import TrainSpec

LN10 = np.log(10)


@pytest.mark.parametrize(
    ("loss", "accuracy", "classes", "images", "failed"),
    [
        (0.1, 0.99, 10, np.nan, False),
        (1.9 * LN10, 0.5, 10, np.nan, False),
        (2.1 * LN10, 0.5, 10, np.nan, True),
        (2.3, 0.10, 10, np.nan, True),
        (2.3, 0.130, 10, np.nan, True),
        (2.3, 0.131, 10, np.nan, False),
        (2.3, 0.14, 10, 200, True),
        (4.6, 0.02, 100, 50_000, True),
        (4.5, 0.03, 100, 50_000, False),
        (0.69, 0.5, 2, np.nan, True),
        (0.6, 0.6, 2, np.nan, False),
        (np.inf, np.nan, 10, np.nan, True),
        (np.nan, np.nan, 10, np.nan, False),
        (1e6, 0.5, np.nan, np.nan, True),
        (3.0, 0.05, np.nan, np.nan, False),
    ],
)
def test_the_rule(loss, accuracy, classes, images, failed):
    assert failed_to_train(loss, accuracy, classes, images) == failed


def test_only_a_completed_run_is_judged_and_a_table_as_a_record():
    runs = pd.DataFrame({
        "run": list("abcd"), "status": ["completed", "completed", "diverged", "crashed"],
        "train_loss": [0.5, 1e3, np.nan, np.nan], "train_accuracy": [0.9, 0.1, np.nan, np.nan], "net.classes": 10,
    })  # fmt: skip
    expected = ["completed", "failed_to_train", "diverged", "crashed"]
    assert statuses(runs).tolist() == expected
    assert statuses(runs.assign(status=statuses(runs))).tolist() == expected
    results = [{"train_loss": 0.5, "train_accuracy": 0.9}, {"train_loss": 1e3, "train_accuracy": 0.1}, {}, {}]
    known = [measured(row, {"classes": 10}, dict(TrainSpec(steps=2)), ()) for row in results]
    assert [status_of(*pair) for pair in zip(runs["status"], known, strict=True)] == expected
    assert status_of("completed", known[-1]) == "completed"  # of no step


@pytest.mark.parametrize(
    ("loss", "accuracy", "status"),
    [
        (0.33, 0.9, "failed_to_train"),  # one answer for all images, and the shares for probabilities
        (0.325, 0.9, "failed_to_train"),
        (0.30, 0.9, "completed"),  # it tells some images of the rare class, though it never prefers it
        (0.33, 0.95, "completed"),
        (0.33, 0.4, "failed_to_train"),
        (0.30, 0.4, "failed_to_train"),
    ],
)
def test_a_constant_answer_is_no_training_where_classes_are_unequal(loss, accuracy, status):
    """Nine images of ten are of one class: its share is .9, and the entropy .325 nats."""
    results = {"train_loss": loss, "train_accuracy": accuracy}
    assert status_of("completed", measured(results, {"classes": 2}, dict(TrainSpec(steps=2)), (900, 100))) == status
    table = pd.DataFrame([{"run": "a", "status": "completed", **results, "net.classes": 2,
                           "constant_accuracy": 0.9, "constant_loss": 0.325}])  # fmt: skip
    assert statuses(table).tolist() == [status]


def test_the_best_constant_answer():
    assert constant([900, 100, 0]) == pytest.approx((0.9, -0.9 * np.log(0.9) - 0.1 * np.log(0.1)))
    assert constant([5] * 10) == pytest.approx((0.1, LN10))
    assert np.isnan(constant([])).all()
