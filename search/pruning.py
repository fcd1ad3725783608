"""The median stopping rule: a trial ends after an epoch at which it is worse than the median of the earlier trials."""

from collections.abc import Sequence

import numpy as np

from resnet_core.runs.execution.pruning import Thresholds
from resnet_core.runs.records.record import Record
from search.objectives import Objective

TRIALS = 4  # completed trials without which none is pruned
FIRST = 0.25  # share of the epochs before which no trial is pruned


def thresholds_of(objective: Objective, records: Sequence[Record], epochs: int) -> Thresholds | None:
    """Return what the next trial must reach, or `None` if few trials are completed.

    After an epoch, its best value so far must not be worse than the median of the completed trials at that epoch. This
    is the median stopping rule of Golovin et al. 2017, with values in place of running means, as in Optuna: the running
    mean of a curve that rises fast is below nearly every trial.

    Args:
        objective: The objective.
        records: The trials that have ended.
        epochs: Number of epochs of a trial.
    """
    curves = [
        [row[objective.column] for row in record.epochs]
        for record in records
        if record.status == "completed" and len(record.epochs) == epochs
    ]
    if len(curves) < TRIALS:
        return None
    medians = np.median(curves, axis=0)
    first = max(1, int(np.ceil(FIRST * epochs)))
    values = (None if epoch < first else float(medians[epoch - 1]) for epoch in range(1, epochs))
    return Thresholds(objective.column, objective.column_rises, tuple(values))
