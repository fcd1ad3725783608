"""The rules by which a trial ends early: after an epoch at which it is worse than earlier trials were.

The learning rates of a trial are those of its full length, so one that ends early is the beginning of the full one.
"""

from collections.abc import Callable, Sequence

import numpy as np

from resnet_core.nets.cost import cost
from resnet_core.nets.own import Net
from resnet_core.runs.execution.pruning import Thresholds
from resnet_core.runs.records.record import Record
from search.objectives import Objective

TRIALS = 4  # with a value at an epoch, without which no trial ends there
FIRST = 0.25  # share of the epochs before which the median rule ends no trial
FACTOR = 2  # of halving; greater ones miss more, see benchmarks/pruning.md
RUNGS = 2
KNOWN = ("parameters", "macs")
"""Objectives that are known before a trial begins."""

Values = tuple[float | None, ...]


def medians(objective: Objective, records: Sequence[Record], epochs: int) -> Values:
    """Return the median of the completed trials after each epoch.

    This is the median stopping rule of Golovin et al. 2017, with values in place of running means, as in Optuna: the
    running mean of a curve that rises fast is below nearly every trial.
    """
    curves = [
        [row[objective.column] for row in record.epochs]
        for record in records
        if record.status == "completed" and len(record.epochs) == epochs
    ]
    if len(curves) < TRIALS:
        return ()
    first = max(1, int(np.ceil(FIRST * epochs)))
    middle = np.median(curves, axis=0)
    return tuple(None if epoch < first else float(middle[epoch - 1]) for epoch in range(1, epochs))


def better_halves(objective: Objective, records: Sequence[Record], epochs: int) -> Values:
    """Return the value after each rung that a trial needs to be in the better half of all that were there.

    This is asynchronous successive halving (Li et al. 2020) that stops trials, where the oracle `asha` promotes them.
    So each has the schedule of the full length. The rungs are at 1/4 and 1/2 of the epochs.
    """
    values: list[float | None] = [None] * (epochs - 1)
    sign = 1.0 if objective.column_rises else -1.0
    for rung in rungs(epochs):
        reached = sorted(
            (
                max(sign * row[objective.column] for row in record.epochs[:rung])
                for record in records
                if record.status in ("completed", "pruned") and len(record.epochs) >= rung
            ),
            reverse=True,
        )
        if len(reached) >= TRIALS:
            values[rung - 1] = sign * reached[max(1, (len(reached) + 1) // FACTOR) - 1]
    return tuple(values)


def rungs(epochs: int) -> list[int]:
    """Return the epochs after which halving compares trials, in ascending order."""
    ends = {-(-epochs // FACTOR**power) for power in range(1, RUNGS + 1)}
    return sorted(end for end in ends if end < epochs)


Rule = Callable[[Objective, Sequence[Record], int], Values]
RULES: dict[str, tuple[Rule, str]] = {
    "median": (medians, "the median of earlier trials"),
    "halving": (better_halves, "the better half of earlier trials reached"),
}
"""The rules by name: what a trial must reach after each epoch, and how it is called in messages."""


def thresholds_of(
    rule: str, objectives: Sequence[Objective], net: Net, records: Sequence[Record], epochs: int
) -> Thresholds | None:
    """Return what the next trial must reach, or `None` if few trials have ended.

    After an epoch, its best value so far must not be worse than the threshold. With several objectives, it is compared
    with the trials that cost no more: at that epoch, they are better in every objective.

    Args:
        rule: Name of the rule.
        objectives: One measure of the learning curve, and `KNOWN` ones.
        net: Network of the trial.
        records: The trials that have ended.
        epochs: Number of epochs of a trial.
    """
    learned = learned_of(objectives)[0]
    named = [objective.name for objective in objectives if objective.name in KNOWN]
    spent = cost(net)
    limits = {"parameters": spent.trainable, "macs": spent.macs}
    rivals = [record for record in records if all(record.network[name] <= limits[name] for name in named)]
    find, words = RULES[rule]
    values = find(learned, rivals, epochs)
    if not any(value is not None for value in values):
        return None
    return Thresholds(learned.column, learned.column_rises, values, words)


def learned_of(objectives: Sequence[Objective]) -> list[Objective]:
    """Return the objectives that are not known before a trial begins."""
    return [objective for objective in objectives if objective.name not in KNOWN]
