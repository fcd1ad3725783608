"""`Slot`: executes one run at a time in a process that may be lost. `execute_in` keeps several slots busy.

An executor for processes or nodes is a subclass of `Slot` and a call of `execute_in`. Retries, lost processes, time
limits and the replacement of worn processes are implemented here.
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
from resnet_core.runs.training.loop import Progress

NETWORKS = 50  # trained by a process before it is replaced


@dataclass
class Task:
    """A run that is being executed.

    Attributes:
        run: The run.
        tries: Number of times that it was started.
        step: Last reported step.
        began: Time of the first start, by the monotonic clock.
        started: Time of the last start.
    """

    run: Run
    tries: int = 0
    step: int = 0
    began: float = 0.0
    started: float = 0.0


class Tasks:
    """The runs of a `Todo` as tasks. Tasks that are started again come first."""

    def __init__(self, todo: Todo) -> None:
        self._todo = todo
        self._again: deque[Task] = deque()

    @property
    def left(self) -> int:
        """Number of tasks that are neither recorded nor in a slot."""
        return len(self._again) + self._todo.left

    def take(self, last: Net | None) -> Task | None:
        """Return the next task, or `None` if other processes have claimed all remaining runs; see `Todo.take`."""
        if self._again:
            return self._again.popleft()
        run = self._todo.take(last)
        return Task(run) if run else None

    def put_back(self, task: Task) -> None:
        """Add a task that is to be started again."""
        self._again.append(task)

    def ended(self, record: Record) -> None:
        """Called when a run ends; see `Todo.ended`."""
        self._todo.ended(record)


class Slot(ABC):
    """A process, replaced when it is lost, and its current task.

    Args:
        job: How runs are executed.
        on_progress: Called every few steps of each run.

    Attributes:
        task: The current task, or `None`.
        last: The network of the last run, whose step is compiled in the process.
        gone: Whether the process was lost. A new one is started when there is a run for it.
    """

    def __init__(self, job: Job, on_progress: OnProgress) -> None:
        self.job = job
        self.task: Task | None = None
        self._on_progress = on_progress
        self._new()

    @abstractmethod
    def open(self) -> None:
        """Start a new process."""

    @abstractmethod
    def close(self) -> None:
        """End the process, if it has not ended."""

    @abstractmethod
    def begin(self, run: Run) -> None:
        """Send a run to the process."""

    @abstractmethod
    def look(self, tasks: Tasks) -> Record | None:
        """Report the progress of the run, and return its record if it has ended. Implementations call `recorded`,
        `lost`, `timed_out` or `died` for a run that has ended.
        """

    @property
    def idle(self) -> bool:
        """Whether a run may be started."""
        return self.task is None

    def is_worn_for(self, task: Task) -> bool:
        """Return whether the process has trained `NETWORKS` networks and the task needs another one.

        TensorFlow keeps oneDNN's compiled kernels for each shape, 2 to 5 MB per network, and cannot free them; see
        `benchmarks.memory`.
        """
        return self._networks >= NETWORKS and task.run.net != self.last

    def _new(self) -> None:
        self.last: Net | None = None
        self._networks = 0
        self.gone = False
        self.open()

    def renew(self) -> None:
        """Replace the process."""
        self.end()
        self._new()

    def end(self) -> None:
        """End the process, if the slot has one."""
        if not self.gone:
            self.gone, self.last = True, None
            self.close()

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
        """Free the slot after the process has recorded its run, and return the record."""
        self.task = None
        return record

    def lost(self, status: Status, message: str, *, renew: bool = True) -> Record:
        """Record a run that its process did not record, and return the record.

        Args:
            status: How it ended.
            message: What happened.
            renew: Whether the process is replaced before the next run.
        """
        assert self.task
        task, self.task = self.task, None
        record = self.job.lost(task.run, status, task.step, message, task.began)
        if renew:
            self.end()
        return record

    def timed_out(self) -> Record:
        """Record a run that took longer than the job allows."""
        return self.lost("timed_out", f"it took more than {self.job.timeout:g} s")

    def died(self, tasks: Tasks, status: Status, how: str) -> Record | None:
        """End a slot's dead process.

        Args:
            tasks: The tasks. A killed run is added again while retries are left.
            status: How the run ended.
            how: How the process ended.

        Returns:
            The record of the run, or `None` if it is started again.
        """
        assert self.task
        task = self.task
        if status == "killed" and task.tries <= self.job.retries:
            self.task = None
            tasks.put_back(task)
            self.end()
            return None
        return self.lost(status, f"{how}, in {task.tries} of {self.job.retries + 1} tries")


def execute_in(slots: Sequence[Slot], wait: Callable[[int], None], todo: Todo) -> Iterator[Record]:
    """Execute the runs of `todo` in these slots until none is left, and yield their records.

    New runs are started before the records of ended runs are yielded.

    Args:
        slots: The slots. The caller ends them.
        wait: Called with the number of remaining tasks. It returns when a run may have ended or progressed, and after
            about a second if a slot is idle while tasks remain.
        todo: Hands out the runs.
    """
    tasks = Tasks(todo)
    ended: list[Record] = []
    while True:
        for slot in slots:
            task = tasks.take(slot.last) if slot.idle else None
            if task and (slot.gone or slot.is_worn_for(task)):
                slot.renew()
            if task and slot.idle:
                slot.start(task)
            elif task:  # the new process is still starting
                tasks.put_back(task)
        yield from ended
        if not tasks.left and not any(slot.task for slot in slots):
            return
        wait(tasks.left)
        ended = [record for slot in slots if (record := slot.look(tasks))]
        for record in ended:
            tasks.ended(record)
