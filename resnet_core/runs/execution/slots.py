"""Runs in places of their own, which may be lost: what a task is, a slot, and the loop that keeps slots busy.

An executor that hands runs to processes or nodes is a `Slot` and a call of `execute_in`: retries, losses, time-outs and
the replacement of a worn process are written here.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from resnet_core.nets.own import Net
from resnet_core.runs.execution.base import OnProgress
from resnet_core.runs.execution.job import Job
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record, Status
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress

NETWORKS = 50  # that a process trains before a new one takes its place


@dataclass
class Task:
    """A run that was handed out.

    Attributes:
        run: The run.
        tries: How often it was begun.
        step: The last step that it is known to have reached.
        began: When it was begun first, by the monotonic clock.
        started: When it was begun last.
    """

    run: Run
    tries: int = 0
    step: int = 0
    began: float = 0.0
    started: float = 0.0


class Tasks:
    """The runs of a `Todo` as tasks; those that are to be begun again come first."""

    def __init__(self, todo: Todo) -> None:
        self._todo = todo
        self._again: deque[Task] = deque()

    @property
    def left(self) -> int:
        """Tasks that no slot is at and nobody has recorded."""
        return len(self._again) + self._todo.left

    def take(self, last: Net | None) -> Task | None:
        """Return the next task, or None if all that are left are somebody else's for now; see `Todo.take`."""
        if self._again:
            return self._again.popleft()
        run = self._todo.take(last)
        return Task(run) if run else None

    def put_back(self, task: Task) -> None:
        """Let a task be begun again."""
        self._again.append(task)

    def ended(self, record: Record) -> None:
        """Called when a run ends; see `Todo.told`."""
        self._todo.ended(record)


class Slot(ABC):
    """One process at a time, a new one when it is lost, and the task that it is at.

    Args:
        job: How runs are executed.
        on_progress: Called every few steps of each run.

    Attributes:
        task: What the process is at; none if it is at nothing.
        last: The network that it trained last, whose compiled step it has.
    """

    def __init__(self, job: Job, on_progress: OnProgress) -> None:
        self.job = job
        self.task: Task | None = None
        self._on_progress = on_progress
        self._new()

    @abstractmethod
    def open(self) -> None:
        """Take a new process."""

    @abstractmethod
    def close(self) -> None:
        """End the process, if it has not ended."""

    @abstractmethod
    def begin(self, run: Run) -> None:
        """Let the process execute a run."""

    @abstractmethod
    def look(self, tasks: Tasks) -> Record | None:
        """Report the progress of the run, and return its record if it has ended.

        A run that has ended well is recorded by `recorded`, any other by `lost`, `timed_out` or `died`.
        """

    @property
    def idle(self) -> bool:
        """Whether a run may be started."""
        return self.task is None

    def is_worn_for(self, task: Task) -> bool:
        """Return whether the task is of another network, and the process has trained `NETWORKS` of them.

        TensorFlow keeps what oneDNN has compiled for each shape, some 2 to 5 MB a network, and has no call that gives
        it back; see `benchmarks.memory`.
        """
        return self._networks >= NETWORKS and task.run.net != self.last

    def _new(self) -> None:
        self.last: Net | None = None
        self._networks = 0
        self.open()

    def renew(self) -> None:
        """Take a new process in place of the one that there is."""
        self.close()
        self._new()

    def start(self, task: Task) -> None:
        """Begin a run."""
        self._networks += task.run.net != self.last
        self.task, self.last = task, task.run.net
        task.tries, task.started = task.tries + 1, time.monotonic()
        task.began = task.began or task.started
        self.begin(task.run)

    def report(self, progress: Progress) -> None:
        """Report the progress of the run."""
        assert self.task
        self.task.step = progress.step
        self._on_progress(self.task.run, progress)

    def recorded(self, record: Record) -> Record:
        """Be free, since the run is recorded; return its record."""
        self.task = None
        return record

    def lost(self, status: Status, message: str, *, renew: bool = True) -> Record:
        """Record the run, since its process could not, and return the record.

        Args:
            status: How it ended.
            message: What happened.
            renew: Whether a new process is taken.
        """
        assert self.task
        task, self.task = self.task, None
        record = self.job.lost(task.run, status, task.step, message, task.began)
        if renew:
            self.renew()
        return record

    def timed_out(self) -> Record:
        """Record a run that took longer than the job allows."""
        return self.lost("timed_out", f"it took more than {self.job.timeout:g} s")

    def died(self, tasks: Tasks, status: Status, how: str) -> Record | None:
        """Take a new process for one that is no more.

        Args:
            tasks: Where a run that was killed is put back while there are retries.
            status: How the run ended.
            how: How the process ended.

        Returns:
            The record of the run, or None if it is begun again.
        """
        assert self.task
        task = self.task
        if status == "killed" and task.tries <= self.job.retries:
            self.task = None
            tasks.put_back(task)
            self.renew()
            return None
        return self.lost(status, f"{how}, in {task.tries} of {self.job.retries + 1} tries")


def execute_in(slots: Sequence[Slot], wait: Callable[[int], None], todo: Todo) -> Iterator[Record]:
    """Execute the runs of `todo` in these slots until none is left; yield their records.

    The next runs are begun before the records of those that ended are dealt with.

    Args:
        slots: Where. The caller closes them.
        wait: Called with the number of tasks left. Returns when there may be something to look at, and in any case
            after a second or so if a slot is idle while tasks are left.
        todo: Hands out the runs.
    """
    tasks = Tasks(todo)
    ended: list[Record] = []
    while True:
        for slot in slots:
            task = tasks.take(slot.last) if slot.idle else None
            if task and slot.is_worn_for(task):
                slot.renew()
            if task and slot.idle:
                slot.start(task)
            elif task:  # the new process has to get ready first
                tasks.put_back(task)
        yield from ended
        if not tasks.left and not any(slot.task for slot in slots):
            return
        wait(tasks.left)
        ended = [record for slot in slots if (record := slot.look(tasks))]
        for record in ended:
            tasks.ended(record)
