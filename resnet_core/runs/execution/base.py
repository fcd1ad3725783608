"""What an executor is."""

from collections.abc import Callable, Iterator
from typing import Protocol

from resnet_core.errors import UserError
from resnet_core.fingerprint import is_ours
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress

OnProgress = Callable[[Run, Progress], None]
POLL_SECONDS = 1.0  # between looks at runs that others are at
ORPHAN_SECONDS = 5.0  # for the last state of a run whose launcher is no more


class Executor(Protocol):
    """Executes runs, records each in the store of the job, and yields the records in whatever order the runs end."""

    def __call__(self, todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
        """Execute the runs of `todo` until none is left.

        Args:
            todo: Hands out the runs; who takes the records gives the claims back.
            job: How they are executed.
            on_progress: Called every few steps of each run.
        """
        ...


def limit_memory(gib: float) -> None:
    """Let this process have no more than so many GiB."""
    import resource

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


EXECUTORS: dict[str, Executor] = {}
"""By the name that `--executor` takes."""


def register_executor(name: str) -> Callable[[Executor], Executor]:
    """Register the decorated function, see `Executor`, as the executor of `--executor NAME`.

    A function of a user's may be registered again, as in a notebook; it takes the place of the one before.

    Args:
        name: A new name.

    Raises:
        UserError: This project has an executor of this name.
    """

    def register(executor: Executor) -> Executor:
        if name in EXECUTORS and is_ours(EXECUTORS[name]):
            raise UserError(
                f"an executor's name must be new, but there is an executor '{name}' already; choose another"
            )
        EXECUTORS[name] = executor
        return executor

    return register
