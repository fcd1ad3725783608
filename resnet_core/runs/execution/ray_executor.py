"""Execution of runs on the nodes of a Ray cluster. Each slot is an actor, which loads TensorFlow once.

A node needs Python, Ray and this package at the launcher's versions, and the data set at its path. It does not need
access to the study's folder: records are returned as JSON, and the launcher writes them. A node recognises the folder
by the claim of the run. If it has access, it saves states of unfinished runs. Otherwise a run whose node is lost starts
again from the beginning. Environment variables that TensorFlow, Keras and XLA read are sent to the nodes.
"""

import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError
from resnet_core.runs.execution.base import ORPHAN_SECONDS, POLL_SECONDS, OnProgress
from resnet_core.runs.execution.crashes import crash_in
from resnet_core.runs.execution.job import Ended, Job
from resnet_core.runs.execution.ray_cluster import Shape, connected
from resnet_core.runs.execution.slots import Slot, Task, Tasks, execute_in
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record, Stored
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress

ROOM_SECONDS = 600.0  # that a cluster without nodes has to get new ones
VARIABLES = ("KERAS_", "TF_", "XLA_")


def execute_on_ray(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs in `job.workers` actors of the cluster at `job.options["address"]`; see `Executor`.

    Raises:
        UserError: There is no such cluster, it has no room for an actor, or a node cannot load what it needs.
    """
    with connected(job.options.get("address", ""), max(available_cores(), job.workers * job.threads)):
        shape = Shape.from_job(job)
        room = shape.fitting()
        if not room:
            raise UserError(f"the executor ray needs a node with {shape}, but the cluster has none; take less")
        slots = [_Actor(job, on_progress, shape) for _ in range(min(job.workers or room, todo.left))]
        try:
            yield from execute_in(slots, _Wait(slots, shape), todo)
        finally:
            _end(slots)


class _Wait:
    """Waits until an actor is ready or has ended its run, or until it is time to ask for progress.

    Raises:
        UserError: The cluster has had no room for an actor for `ROOM_SECONDS`.
    """

    def __init__(self, slots: "list[_Actor]", shape: Shape) -> None:
        self._slots = slots
        self._shape = shape
        self._served = time.monotonic()

    def __call__(self, left: int) -> None:
        import ray

        if any(slot.ready for slot in self._slots) or self._shape.fitting():
            self._served = time.monotonic()
        elif time.monotonic() - self._served > ROOM_SECONDS:
            raise UserError(f"the executor ray needs a node with {self._shape}, but all are lost; run the rest later")
        awaited = [slot.awaited for slot in self._slots if slot.awaited is not None]
        if awaited:
            ray.wait(awaited, timeout=POLL_SECONDS)
        else:
            time.sleep(POLL_SECONDS)


def _end(slots: "list[_Actor]") -> None:
    """End the actors. Unfinished runs save their states, if they can."""
    import ray
    from ray.exceptions import RayError

    with suppress(RayError, ConnectionError):
        stops = [slot.actor.stop.remote() for slot in slots if slot.task]
        left = [slot.awaited for slot in slots if slot.task]
        if stops:
            ray.wait(left, num_returns=len(left), timeout=ORPHAN_SECONDS)
        for slot in slots:
            slot.end()


class _Actor(Slot):
    """An actor of the cluster. Its second thread answers requests for progress.

    Attributes:
        actor: Handle of the actor.
        ready: Whether the actor has been placed on a node and has loaded its modules.
        awaited: The pending call: to get ready, or to execute a run.
    """

    def __init__(self, job: Job, on_progress: OnProgress, shape: Shape) -> None:
        self._shape = shape
        self._failed = 0
        super().__init__(job, on_progress)

    def open(self) -> None:
        import ray

        from resnet_core.runs.execution.ray_worker import RUNS, Worker

        shape = self._shape
        worker = ray.remote(concurrency_groups={RUNS: 1})(Worker).options(
            num_cpus=shape.cpus, num_gpus=shape.gpus, memory=shape.memory or None, scheduling_strategy="SPREAD"
        )
        variables = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
        self.actor = worker.remote(self.job, str(Path.cwd()), variables)
        self.awaited = self.actor.begin.remote()
        self.ready = False
        self._asked: Any = None

    def close(self) -> None:
        import ray

        ray.kill(self.actor)
        self.awaited = None

    @property
    def idle(self) -> bool:
        return self.ready and not self.task

    def begin(self, run: Run) -> None:
        self._reported = 0
        self.awaited = self.actor.perform.remote(run)

    def look(self, tasks: Tasks) -> Record | None:
        import ray
        from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

        if self.awaited is None:
            return None
        task = self.task
        if task:
            self._ask(task)
        if not ray.wait([self.awaited], timeout=0)[0]:
            limit = self.job.timeout
            return self.timed_out() if task and limit and time.monotonic() - task.started > limit else None
        try:
            value = ray.get(self.awaited)
        except RayTaskError as error:
            if isinstance(error.cause, UserError):
                raise error.cause from None
            if not task:
                raise UserError(_unloadable(error)) from None
            self.awaited = None
            return self.lost("crashed", re.sub(r"\x1b\[\d+m", "", str(error)), renew=False)
        except RayError as error:
            if not task:
                self._renew_unready(error)
                return None
            if isinstance(error, OutOfMemoryError):
                return self.lost("out_of_memory", _first_line(error))
            return self._death(task, tasks)
        self.awaited = None
        if not task:
            self.ready, self._failed = True, 0
            return None
        return self._death(task, tasks) if value is None else self._record(*value)

    def _record(self, text: str, files: Mapping[str, bytes], reports: list[Progress]) -> Record:
        for progress in reports[self._reported :]:
            self.report(progress)
        record = Stored.from_dict(json.loads(text)).record()
        self.job.record(Ended(record, files))
        return self.recorded(record)

    def _ask(self, task: Task) -> None:
        """Report the progress that the actor has returned, and request more."""
        import ray
        from ray.exceptions import RayError

        if self._asked is not None and ray.wait([self._asked[1]], timeout=0)[0]:
            asked, answer = self._asked
            self._asked = None
            with suppress(RayError):  # the call of the run raises it, too
                reports = ray.get(answer)
                if asked == (task.run.id, task.tries, self._reported):
                    self._reported += len(reports)
                    for progress in reports:
                        self.report(progress)
        if self._asked is None:
            answer = self.actor.progress.remote(self._reported)
            self._asked = (task.run.id, task.tries, self._reported), answer

    def _renew_unready(self, error: Exception) -> None:
        """Replace an actor that was lost before it was ready."""
        from ray.exceptions import OutOfMemoryError

        self._failed += not isinstance(error, OutOfMemoryError)
        if getattr(error, "actor_init_failed", False) or self._failed > self.job.retries:
            raise UserError(_unloadable(error))
        self.renew()

    def _death(self, task: Task, tasks: Tasks) -> Record | None:
        """Replace an actor that has ended, and restart its run or record it as lost."""
        crash = crash_in(self.job.store.crash_of(task.run.id))
        if crash is not None:  # it would crash again
            return self.lost("crashed", crash)
        return self.died(tasks, "killed", "its process ended or its node was lost")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _unloadable(error: Exception | None) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"every node must load this package and the plugins, but one could not: {lines[-1][:300]}"
