"""The choice of the record that counts, if a run has several."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resnet_core.runs.records.outcomes import Measured
from resnet_core.runs.records.record import FAILED


@dataclass(frozen=True)
class Copy:
    """A stored record of a run. A store may have several: of several attempts, or in a file and in a part.

    Attributes:
        run: Id of the run.
        attempt: Number of the attempt, counted from 1. Records of early versions have 1.
        status: Status of the outcome.
        step: Number of updates made.
        place: The file of the record, or the folder of the part that holds it.
        message: What happened, if the run was not completed.
        measured: Values by which `outcomes` judges whether the run trained.
        taken_from: See `Record`.
    """

    run: str
    attempt: int
    status: str
    step: int
    place: Path
    message: str = ""
    measured: Measured = field(default=(math.nan,) * 6, compare=False)  # NaN is not itself
    taken_from: str = ""


def newest(copies: Iterable[Copy], lost: Mapping[str, int]) -> dict[str, Copy]:
    """Return for each run, by its id, the record that counts.

    The record of the last attempt counts. Records of early versions have no attempt number. Among equal numbers, a
    record that has not failed counts as later, since only failed runs are executed again. Then the record with more
    steps counts. If the record of a later attempt is damaged, no earlier record counts.

    Args:
        copies: All readable copies. Among equal copies the first counts.
        lost: Number of the last attempt whose record is damaged, by the id of the run.
    """
    best: dict[str, Copy] = {}
    for copy in copies:
        if copy.attempt >= lost.get(copy.run, 0) and (copy.run not in best or _age(copy) > _age(best[copy.run])):
            best[copy.run] = copy
    return best


def _age(copy: Copy) -> tuple[int, bool, int]:
    return copy.attempt, copy.status not in FAILED, copy.step
