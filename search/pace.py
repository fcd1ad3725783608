"""`Pace`: how long the rest of a search takes, judged by the trials that have ended."""

import time
from collections.abc import Callable, Iterable, Sequence

from resnet_core.runs.records.record import Record
from search.listing import best_first
from search.objectives import Objective


class Pace:
    """The expected time of the remaining trials and of the confirmation.

    Args:
        objectives: The objectives, by which the networks to confirm are chosen.
        best: Number of networks that are confirmed, each beside its twin.
        seeds: Number of fresh seeds of each.
        clock: Function that returns the time in seconds.
    """

    def __init__(
        self, objectives: Sequence[Objective], best: int, seeds: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._objectives = objectives
        self._best, self._seeds = best, seeds
        self._clock = clock
        self._started = clock()
        self._workers = 1
        self._ended_now = 0
        self.records: list[Record] = []

    def begin(self, workers: int, earlier: Iterable[Record] = ()) -> None:
        """Begin to measure.

        Args:
            workers: Number of runs that are executed at the same time.
            earlier: Records of earlier calls.
        """
        self._workers, self._started = max(1, workers), self._clock()
        self.records = list(earlier)

    def end(self, record: Record) -> None:
        """Take account of a trial that has ended."""
        self._ended_now += 1
        self.records.append(record)

    @property
    def epochs_saved(self) -> int:
        """Number of epochs that pruned trials did not execute."""
        pruned = (record for record in self.records if record.status == "pruned")
        return sum((record.run.train.epochs or 0) - len(record.epochs) for record in pruned)

    def confirmation(self) -> float:
        """Return the expected seconds of the confirmation: as long as the trials of the networks that would be chosen
        now, and as long for each twin. It is 0 while no trial is completed.
        """
        if not self._best:
            return 0.0
        chosen = best_first(self.records, self._objectives)[: self._best]
        trainings = 2 * self._seeds * len(chosen)
        one_after_another = 2 * self._seeds * sum(record.seconds for record in chosen)
        return one_after_another / min(self._workers, max(1, trainings))

    def left(self, trials: int) -> float | None:
        """Return the expected seconds of so many more trials and of the confirmation; `None` while it is unknown."""
        if not self._ended_now:
            return None
        each = (self._clock() - self._started) / self._ended_now
        return each * max(0, trials) + self.confirmation()
