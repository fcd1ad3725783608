"""The choice of a learning rate by its trials, and the expected performance by the number of trials."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Tried:
    """The results of the trials of an arm at one learning rate.

    Attributes:
        rate: The learning rate.
        accuracies: Validation accuracy of each trial; `None` for a trial that failed.
        losses: Validation loss of each trial; `None` for a trial that failed.
    """

    rate: float
    accuracies: tuple[float | None, ...]
    losses: tuple[float | None, ...]

    @property
    def failed(self) -> int:
        """The number of failed trials."""
        return self.accuracies.count(None)

    @property
    def accuracy(self) -> float:
        """Mean over the trials that did not fail."""
        return _mean(self.accuracies)

    @property
    def loss(self) -> float:
        """Mean over the trials that did not fail."""
        return _mean(self.losses)


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else math.nan


def best(tried: Sequence[Tried], images: int) -> Tried | None:
    """Return the best learning rate; `None` if every trial of every rate failed.

    Only rates with the fewest failed trials are considered. Among these, the near ties are the rates whose mean
    validation accuracy is at most one standard error below the highest. Of the near ties, the rate with the lowest mean
    validation loss is chosen, and among equal losses the lowest rate.

    Args:
        tried: One row for each learning rate.
        images: Number of images over which an accuracy is measured, for all trials of a rate together. The standard
            error is that of a share p of this number, with one success and one failure added, such that it is above 0
            for p = 1.
    """
    trained = [row for row in tried if row.failed < len(row.accuracies)]
    if not trained:
        return None
    fewest = min(row.failed for row in trained)
    candidates = [row for row in trained if row.failed == fewest]
    highest = max(row.accuracy for row in candidates)
    share = (highest * images + 1) / (images + 2)
    error = math.sqrt(share * (1 - share) / images)
    return min(
        (row for row in candidates if row.accuracy >= highest - error),
        key=lambda row: (row.loss, row.rate),
    )


def beyond(tried: Sequence[Tried], chosen: Tried | None) -> float | None:
    """Return a learning rate one step beyond the grid if the best rate is at an end of it, else `None`.

    A step is the ratio of the two rates at that end, and the rate is rounded to three digits. If every trial failed,
    the step goes to a lower rate.
    """
    rates = sorted(row.rate for row in tried)
    if len(rates) < 2:
        return None
    if chosen is None or chosen.rate == rates[0]:
        end, inner = rates[0], rates[1]
    elif chosen.rate == rates[-1]:
        end, inner = rates[-1], rates[-2]
    else:
        return None
    return float(f"{end * end / inner:.3g}")


def rates_table(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Return a row for each arm and learning rate of a plan's `tuning`.

    Returns:
        The factors, `learning_rate`, `trials`, of which `failed`, the mean `val_accuracy` and `val_loss` of the others,
        and whether the rate was `chosen`.
    """
    import pandas as pd

    return pd.DataFrame([
        {**row["arm"], "learning_rate": row["learning_rate"], "trials": len(row["val_accuracy"]),
         "failed": row["val_accuracy"].count(None), "val_accuracy": _mean(row["val_accuracy"]),
         "val_loss": _mean(row["val_loss"]), "chosen": row["chosen"]}
        for row in rows
    ])  # fmt: skip


def expected_table(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Return the expected validation performance of each arm by the number of trials (Dodge et al. 2019).

    Returns:
        One row for each arm: the factors, and in `best_of_1`, `best_of_2` and so on what `expected_best` returns for
        its trials. A failed trial has an accuracy of 0.
    """
    import pandas as pd

    by_arm: dict[tuple[Any, ...], tuple[Mapping[str, Any], list[float]]] = {}
    for row in rows:
        _, values = by_arm.setdefault(tuple(row["arm"].values()), (row["arm"], []))
        values.extend(0.0 if value is None else value for value in row["val_accuracy"])
    return pd.DataFrame([
        {**arm, **{f"best_of_{n}": expected_best(values, n) for n in range(1, len(values) + 1)}}
        for arm, values in by_arm.values()
    ])  # fmt: skip


def expected_best(values: Sequence[float], n: int) -> float:
    """Return the expected highest of `n` draws with replacement from `values` (Dodge et al. 2019, section 3.1).

    With the N values in ascending order, it is the sum of v_i ((i / N)^n - ((i - 1) / N)^n).
    """
    ordered, total = sorted(values), len(values)
    return math.fsum(v * ((i / total) ** n - ((i - 1) / total) ** n) for i, v in enumerate(ordered, start=1))
