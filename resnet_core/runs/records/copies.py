"""Which record of a run counts, where there are several."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from resnet_core.runs.records.outcomes import Measured
from resnet_core.runs.records.record import FAILED


@dataclass(frozen=True)
class Copy:
    """A record of a run, in one of the places where a store keeps records.

    Attributes:
        run: Id of the run.
        attempt: Number of the execution that it is of, from 1; 1 in records of versions that did not count.
        status: How the run ended, as its outcome has it.
        step: Updates that were made.
        place: The file of the record, or the folder of the part that holds it.
        message: What happened, if the run was not completed.
        measured: What `outcomes` judges by whether it has trained.
    """

    run: str
    attempt: int
    status: str
    step: int
    place: Path
    message: str = ""
    measured: Measured = field(default=(math.nan,) * 6, compare=False)  # NaN is not itself


def newest(copies: Iterable[Copy], lost: Mapping[str, int]) -> dict[str, Copy]:
    """Return the record that counts of each run, by its id.

    That is the one of the last attempt. Records of earlier versions have no number of their attempt: among equals, one
    that has not failed is later, since failed runs alone are executed again, and then one that came further. Where a
    later attempt was recorded and is lost, no earlier one counts.

    Args:
        copies: All that can be read. Among equal ones the first counts.
        lost: Number of the last attempt whose record is damaged, by the id of the run.
    """
    best: dict[str, Copy] = {}
    for copy in copies:
        if copy.attempt >= lost.get(copy.run, 0) and (copy.run not in best or _age(copy) > _age(best[copy.run])):
            best[copy.run] = copy
    return best


def _age(copy: Copy) -> tuple[int, bool, int]:
    return copy.attempt, copy.status not in FAILED, copy.step
