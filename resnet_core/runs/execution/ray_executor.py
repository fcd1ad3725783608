"""Runs on the nodes of a Ray cluster: an actor a slot, which loads TensorFlow once.

A node needs Python, Ray and this package at the launcher's versions, and the data set at its path; it need not
see the study's folder. Records come back as JSON, and the launcher writes them. States of runs under way are
kept where a node does see the folder, which it tells by the claim of the run; elsewhere a run whose node is
lost starts anew. Environment variables that TensorFlow, Keras and XLA read go along.
"""

import json
import os
import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.execution.base import ORPHAN_SECONDS, POLL_SECONDS, OnProgress
from resnet_core.runs.execution.crashes import crash_in
from resnet_core.runs.execution.job import Ended, Job
from resnet_core.runs.execution.ray_cluster import Shape, connected
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record, Status, Stored
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress

ROOM_SECONDS = 600.0  # that a cluster which has lost its nodes is given to get others
VARIABLES = ("KERAS_", "TF_", "XLA_")


def execute(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs in `job.workers` actors of the cluster at `job.address`; see `Executor`.

    Raises:
        UserError: There is no such cluster, it has no room for an actor, or a node cannot load what it needs.
    """
    with connected(job.address, max(available_cores(), job.workers * job.threads)):
        shape = Shape.of(job)
        room = shape.fitting()
        if not room:
            raise UserError(f"the executor ray needs a node with {shape}, but the cluster has none; take less")
        slots = [_Slot(job, shape) for _ in range(min(job.workers or room, todo.left))]
        again: deque[_Task] = deque()
        ended: list[Record] = []
        served = time.monotonic()
        try:
            while True:
                for slot in slots:
                    task = _next(slot, again, todo) if slot.idle else None
                    if task:
                        slot.start(task)
                yield from ended
                busy = [slot for slot in slots if slot.task]
                if not (busy or again or todo.left):
                    return
                if any(slot.idle for slot in slots) or busy or shape.fitting():
                    served = time.monotonic()
                elif time.monotonic() - served > ROOM_SECONDS:
                    raise UserError(f"the executor ray needs a node with {shape}, but all are lost; run the rest later")
                _wait(slots)
                ended = [record for slot in slots for record in slot.look(on_progress, again)]
                for record in ended:
                    todo.told(record)
        finally:
            _end(slots)


def _next(slot: "_Slot", again: "deque[_Task]", todo: Todo) -> "_Task | None":
    if again:
        return again.popleft()
    run = todo.take(slot.last)
    return _Task(run) if run else None


def _wait(slots: "list[_Slot]") -> None:
    """Return when an actor is ready or has ended its run, or it is time to ask how far they are."""
    import ray

    awaited = [slot.awaited for slot in slots if slot.awaited is not None]
    if awaited:
        ray.wait(awaited, timeout=POLL_SECONDS)
    else:
        time.sleep(POLL_SECONDS)


def _end(slots: "list[_Slot]") -> None:
    """End the actors; runs under way save their states, where they can."""
    import ray
    from ray.exceptions import RayError

    with suppress(RayError, ConnectionError):
        asked = [slot.actor.stop.remote() for slot in slots if slot.task]
        left = [slot.awaited for slot in slots if slot.task]
        if asked:
            ray.wait(left, num_returns=len(left), timeout=ORPHAN_SECONDS)
        for slot in slots:
            slot.close()


@dataclass
class _Task:
    """A run, how often it was begun, how much was said of it, the step it came to, and when it began first."""

    run: Run
    tries: int = 0
    said: int = 0
    step: int = 0
    began: float = 0.0


class _Slot:
    """One actor at a time, a new one when it is lost, and the run that it is at."""

    def __init__(self, job: Job, shape: Shape) -> None:
        self._job = job
        self._shape = shape
        self._failed = 0
        self.task: _Task | None = None
        self._open()

    def _open(self) -> None:
        import ray

        from resnet_core.runs.execution.ray_worker import RUNS, Worker

        shape = self._shape
        worker = ray.remote(concurrency_groups={RUNS: 1})(Worker).options(
            num_cpus=shape.cpus, num_gpus=shape.gpus, memory=shape.memory or None, scheduling_strategy="SPREAD"
        )
        variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
        self.last: NetSpec | None = None
        self.actor = worker.remote(self._job, str(Path.cwd()), variables)
        self.awaited = self.actor.begin.remote()
        self._asked: Any = None
        self._ready = False

    def close(self) -> None:
        """End the actor."""
        import ray

        ray.kill(self.actor)

    @property
    def idle(self) -> bool:
        """Whether a run may be started: the actor has a place, and has loaded what it needs."""
        return self._ready and not self.task

    def start(self, task: _Task) -> None:
        """Begin a run."""
        self.task, self.last = task, task.run.net
        task.tries, task.said = task.tries + 1, 0
        self._started = time.monotonic()
        task.began = task.began or self._started
        self.awaited = self.actor.perform.remote(task.run)

    def look(self, on_progress: OnProgress, again: "deque[_Task]") -> list[Record]:
        """Tell how far the run is, and return its record if it has ended, or put it into `again`."""
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        if self.awaited is None:
            return []
        task = self.task
        if task:
            self._ask(task, on_progress)
        if not ray.wait([self.awaited], timeout=0)[0]:
            if task and self._job.timeout and time.monotonic() - self._started > self._job.timeout:
                self._anew()
                return [self._lost(task, "timed_out", f"it took more than {self._job.timeout:g} s")]
            return []
        try:
            value = ray.get(self.awaited)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            if not task:
                raise UserError(_unloadable(error)) from None
            self.awaited = None
            return [self._lost(task, "crashed", re.sub(r"\x1b\[\d+m", "", str(error)))]
        except OutOfMemoryError as error:
            self._anew()
            return [self._lost(task, "out_of_memory", _first_line(error))] if task else []
        except RayError as error:
            return self._death(task, error, again)
        self.awaited = None
        if not task:
            self._ready, self._failed = True, 0
            return []
        if value is None:
            return self._death(task, None, again)
        text, files, said = value
        _tell(task, said[task.said :], on_progress)
        record = Stored.from_dict(json.loads(text)).record()
        self.task = None
        self._job.record(Ended(record, files))
        return [record]

    def _ask(self, task: _Task, on_progress: OnProgress) -> None:
        """Tell what the actor has answered, and ask it again."""
        import ray
        from ray.exceptions import RayError

        if self._asked is not None and ray.wait([self._asked[1]], timeout=0)[0]:
            (of, start), answer = self._asked
            self._asked = None
            with suppress(RayError):  # what it is shows in the run
                said = ray.get(answer)
                if of == (task.run.id, task.tries) and start == task.said:
                    _tell(task, said, on_progress)
        if self._asked is None:
            answer = self.actor.progress.remote(task.said)
            self._asked = ((task.run.id, task.tries), task.said), answer

    def _death(self, task: _Task | None, error: Exception | None, again: "deque[_Task]") -> list[Record]:
        """Take a new actor; begin the run again, or give it up."""
        if not task:
            self._failed += 1
            if getattr(error, "actor_init_failed", False) or self._failed > self._job.retries:
                raise UserError(_unloadable(error))
        self._anew()
        if not task:
            return []
        crash = crash_in(self._job.store.crash_of(task.run.id))
        if crash is not None:  # it would crash again
            return [self._lost(task, "crashed", crash)]
        if task.tries <= self._job.retries:
            again.append(task)
            return []
        message = f"its process ended or its node was lost, in {task.tries} of {self._job.retries + 1} tries"
        return [self._lost(task, "killed", message)]

    def _anew(self) -> None:
        self.close()
        self.task = None
        self._open()

    def _lost(self, task: _Task, status: Status, message: str) -> Record:
        """Return a record of a run, made here since its actor could not."""
        self.task = None
        return self._job.lost(task.run, status, task.step, message, task.began)


def _tell(task: _Task, said: list[Progress], on_progress: OnProgress) -> None:
    for progress in said:
        task.said, task.step = task.said + 1, progress.step
        on_progress(task.run, progress)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _unloadable(error: Exception | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"every node must load this package and the plugins, but one could not: {lines[-1][:300]}"
