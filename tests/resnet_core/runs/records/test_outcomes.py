"""A run that ended well, and whose network knows nothing, failed to train."""

import numpy as np
import pandas as pd
import pytest

from resnet_core.runs.records.outcomes import failed_to_train, status_of, statuses
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
    train = TrainSpec(steps=2)
    assert [status_of(*one, 10, train) for one in zip(runs["status"], results, strict=True)] == expected
    assert status_of("completed", {}, 10, train) == "completed"  # of no step
