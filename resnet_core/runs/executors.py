"""Where runs are executed."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.records import Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.train import Progress, execute

OnProgress = Callable[[Run, Progress], None]


class Executor(Protocol):
    """Executes runs and yields a record of each, in whatever order they end."""

    def __call__(
        self, runs: Sequence[Run], data: Callable[[TrainSpec], Dataset], on_progress: OnProgress
    ) -> Iterator[Record]:
        """Execute `runs`.

        Args:
            runs: What to execute; runs of one network in a row share its compiled step.
            data: Gives the data set that a `TrainSpec` asks for.
            on_progress: Called every few steps of each run.
        """
        ...


def serial(runs: Sequence[Run], data: Callable[[TrainSpec], Dataset], on_progress: OnProgress) -> Iterator[Record]:
    """Execute one run after another in this process."""
    for run in runs:
        yield execute(run, data(run.train), lambda progress, run=run: on_progress(run, progress))  # type: ignore[misc]
