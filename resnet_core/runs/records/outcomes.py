"""The rule by which a completed run has trained, or failed to train.

A record has the status `completed` if the run made its last update with finite results. Such a run **failed to train**
if its network has learned nothing about the training images at the end, in inference mode:

- its loss is above `LOSS` times ln(classes). A network that gives all classes the same probability has a loss of
  ln(classes). A network that is certain of wrong classes has a loss of twice as much. An overconfident network that
  does classify, for example with lagging moving statistics in a short run, has up to 1.3 times as much.
- or its accuracy is not better than chance: an exact one-sided binomial test of `IMAGES` images, or of the training
  images if there are fewer, has a p-value of `LEVEL` or more. With 10 classes this is an accuracy of 13 % or less, with
  100 classes of 2.1 %. More images than `IMAGES` are not counted, since an accuracy of .105 on 50,000 images is
  significantly above chance, but is not what training should reach.
- or its accuracy is, by the same test, not better than that of the best constant answer, the share of the most frequent
  class, and its loss is not below `LEARNT` of that of the best constant probabilities, the entropy of the shares. With
  unequal classes, a network that always predicts one class has an accuracy far above 1 / classes. The loss is used,
  too, since a network may learn which images belong to a rare class without ever predicting that class. A training
  that balances the classes (`TrainSpec.balance`) does not learn their shares; there, the loss is compared with that of
  equal probabilities.

The rule is applied when records are read, so it holds for records of all versions.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

LOSS = 2.0
IMAGES = 1000
LEVEL = 0.001
LEARNT = 0.95
COMPLETED, DIVERGED, FAILED_TO_TRAIN = "completed", "diverged", "failed_to_train"
FAILURES = (DIVERGED, FAILED_TO_TRAIN)
"""Statuses of failed training. They follow from the spec, unlike those of lost runs."""
MOST_CLASSES = 1000
"""Number of classes that is assumed for a loss if a table does not have the number of classes."""
CONSTANT = ("constant_accuracy", "constant_loss")
"""Columns with the values that `constant` returns."""
UNBALANCED = "none"
"""Value of `TrainSpec.balance`."""
COLUMNS = ("run", "status", "train_loss", "train_accuracy", "net.classes", "train.train_size",
           "train.validation_fraction", *CONSTANT)  # fmt: skip
"""Columns of the table of runs that the rule reads."""
Measured = tuple[float, float, float, float, float, float]
"""The arguments of `failed_to_train`; NaN if unknown."""
RULE = (
    "A completed run failed to train if at its end, in inference mode, its training loss is above "
    f"{LOSS:g} ln(classes), or its training accuracy not above chance (exact binomial test of {IMAGES:,} images, "
    f"or of all if there are fewer, at {LEVEL:g}), or not above the share of the most frequent class while its "
    f"training loss is not below {LEARNT:g} of the entropy of the classes' shares."
)


def failed_to_train(
    loss: Any,
    accuracy: Any,
    classes: Any,
    images: Any,
    constant_accuracy: Any = math.nan,
    constant_loss: Any = math.nan,
) -> Any:
    """Return whether training failed, by the rule above; arrays broadcast.

    Args:
        loss: Mean cross-entropy of the training images at the last step, in inference mode, in nats; NaN if unknown.
        accuracy: Training accuracy, in [0, 1]; NaN if unknown.
        classes: Number of classes; NaN if unknown.
        images: Number of training images; NaN if unknown.
        constant_accuracy: Share of the most frequent class, see `constant`; NaN if unknown.
        constant_loss: Entropy of the classes' shares, in nats; NaN if unknown.
    """
    from scipy import stats

    loss, accuracy, classes, images, constant_accuracy, constant_loss = (
        np.asarray(values, dtype=float)
        for values in (loss, accuracy, classes, images, constant_accuracy, constant_loss)
    )
    known = np.isfinite(classes)
    high = loss > LOSS * np.log(np.where(known, classes, MOST_CLASSES))
    n = np.fmin(images, IMAGES)
    right = np.where(np.isfinite(accuracy), np.round(accuracy * n), n)

    def not_above(chance: Any) -> Any:
        return np.isfinite(accuracy) & (stats.binom.sf(right - 1, n, chance) >= LEVEL)

    by_chance = known & not_above(1 / np.where(known, classes, 1.0))
    constant = not_above(constant_accuracy) & ~(loss < LEARNT * constant_loss)  # NaN is above nothing, and not a chance
    return high | by_chance | constant


def constant(counts: "Sequence[int]", balance: str = UNBALANCED) -> tuple[float, float]:
    """Return the accuracy and the loss of the best prediction that does not depend on the image.

    Args:
        counts: Number of training images of each class.
        balance: See `TrainSpec`.

    Returns:
        The share of the most frequent class, and the entropy in nats of the shares or, for a training that balances the
        classes, of equal shares; NaN if there are no images.
    """
    shares = np.asarray(counts, dtype=float)
    if not shares.sum() > 0:
        return math.nan, math.nan
    shares = shares[shares > 0] / shares.sum()
    entropy = -(shares * np.log(shares)).sum() if balance == UNBALANCED else np.log(len(shares))
    return float(shares.max()), float(entropy)


def statuses(runs: "pd.DataFrame") -> "pd.Series[Any]":
    """Return the status of each run, which may be `failed_to_train`.

    Args:
        runs: A row for each run, with `status` and the known columns of `COLUMNS`.
    """
    status = runs["status"].astype(object)
    failed = failed_to_train(*measured_in(runs).to_numpy().T)
    return status.mask(status.eq(COMPLETED) & failed, FAILED_TO_TRAIN)


def measured_in(runs: "pd.DataFrame") -> "pd.DataFrame":
    """Return the arguments of `failed_to_train` as columns, from a table with the known columns of `COLUMNS`."""
    numbers = runs.reindex(columns=list(COLUMNS[2:])).astype(float)
    images = numbers.pop("train.train_size") * (1 - numbers.pop("train.validation_fraction").fillna(0.0))
    numbers.insert(3, "images", images)
    return numbers


def statuses_of(rows: "Sequence[tuple[str, Measured]]") -> list[str]:
    """Return the statuses of records, given as the status of the outcome and the values that `measured` returns."""
    if not any(status == COMPLETED for status, _ in rows):
        return [status for status, _ in rows]
    failed = failed_to_train(*np.array([values for _, values in rows], dtype=float).T)
    return [FAILED_TO_TRAIN if lost and status == COMPLETED else status
            for (status, _), lost in zip(rows, failed, strict=True)]  # fmt: skip


def measured(
    results: "Mapping[str, float]", net: "Mapping[str, Any]", train: "Mapping[str, Any]", counts: "Sequence[int]"
) -> Measured:
    """Return the arguments of `failed_to_train` for a run.

    Args:
        results: Results of the run.
        net: Fields of its `NetSpec`.
        train: Fields of its `TrainSpec`.
        counts: Number of training images of each class.
    """
    size, held_out = train.get("train_size"), train.get("validation_fraction", 0.0)
    images = math.nan if size is None else size * (1 - held_out)
    loss, accuracy = (results.get(f"train_{name}", math.nan) for name in ("loss", "accuracy"))
    return loss, accuracy, net["classes"], images, *constant(counts, train.get("balance", UNBALANCED))


def status_of(status: str, known: Measured) -> str:
    """Return the status of one record; see `statuses_of`."""
    return statuses_of([(status, known)])[0]
