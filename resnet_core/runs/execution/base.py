"""`Executor`, and the registry of executors."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from resnet_core.errors import UserError
from resnet_core.fingerprint import is_ours
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress

OnProgress = Callable[[Run, Progress], None]
POLL_SECONDS = 1.0  # between two checks for runs that other processes execute
ORPHAN_SECONDS = 5.0  # for a worker to save its last state after the launcher has ended


class Executor(Protocol):
    """Executes runs, records each in the store of the job, and yields the records in the order in which runs end."""

    def __call__(self, todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
        """Execute the runs of `todo` until none is left.

        Args:
            todo: Hands out the runs. The caller, which takes the records, releases the claims.
            job: How they are executed.
            on_progress: Called every few steps of each run.
        """
        ...


def limit_memory(gib: float) -> None:
    """Limit the memory of this process, in GiB."""
    import resource

    limit = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@dataclass(frozen=True)
class OwnOption:
    """An option of one executor, in `Job.options`.

    Attributes:
        help: Text for `--help`.
        form: Regular expression that the whole value must match.
        forms: The legal values in words, for error messages.
    """

    help: str
    form: str = ".+"
    forms: str = "not empty"

    def check(self, name: str, value: str) -> None:
        """Raise UserError if `value` is not legal for the option of this name."""
        if not re.fullmatch(self.form, value):
            raise UserError(f"--{name} must be {self.forms}, but got '{value[:40]}'")


EXECUTORS: dict[str, Executor] = {}
"""The executors by name."""

OWN_OPTIONS: dict[str, Mapping[str, OwnOption]] = {}
"""The options of executors, by the name of the executor and the name of the option."""


def register_executor(name: str, options: Mapping[str, OwnOption] | None = None) -> Callable[[Executor], Executor]:
    """Register the decorated function, see `Executor`, as the executor of `--executor NAME`.

    A user's function may be registered again, as when a notebook cell is run again. It replaces the earlier one.

    Args:
        name: A new name.
        options: Options of this executor, by name. The programs take them as `--executor-option NAME=VALUE`. Those of
            this project's executors can be given as `--NAME VALUE`, too.

    Raises:
        UserError: This project has an executor of this name.
    """

    def register(executor: Executor) -> Executor:
        if name in EXECUTORS and is_ours(EXECUTORS[name]):
            raise UserError(
                f"an executor's name must be new, but there is an executor '{name}' already; choose another"
            )
        EXECUTORS[name] = executor
        OWN_OPTIONS[name] = dict(options or {})
        return executor

    return register
