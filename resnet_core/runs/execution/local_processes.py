"""Execution of runs in processes of this machine. Each loads TensorFlow once. If a process dies, one run is lost."""

import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from signal import SIGABRT, SIGTERM, Signals
from typing import Any

from resnet_core.errors import UserError
from resnet_core.runs.execution.base import ORPHAN_SECONDS, POLL_SECONDS, OnProgress, limit_memory
from resnet_core.runs.execution.crashes import is_crash
from resnet_core.runs.execution.job import Job, devices, stop, stopped_by
from resnet_core.runs.execution.main_script import importable
from resnet_core.runs.execution.slots import Slot, Tasks, execute_in
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.execution.workers import become_worker, context
from resnet_core.runs.records.record import Record, Status
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress

Channel = Any  # a `multiprocessing.connection.Connection`


def execute_in_processes(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs in `job.workers` processes, or in one each if they are fewer; see `Executor`."""
    waker, wake = get_context("spawn").Pipe(duplex=False)
    visible = devices()
    with importable():
        slots = [
            _Process(job, on_progress, wake, visible[i % len(visible)] if visible else None)
            for i in range(min(job.workers, todo.left))
        ]  # fmt: skip

        def wait(left: int) -> None:
            waits = left and any(slot.idle for slot in slots)  # for runs that other processes execute
            channels = [slot.channel for slot in slots if slot.task]
            connection.wait([waker, *channels], POLL_SECONDS if waits else None)
            while waker.poll():
                waker.recv_bytes()

        try:
            yield from execute_in(slots, wait, todo)
        finally:
            for slot in slots:
                slot.end()


class _Process(Slot):
    """A process of this machine. Messages are smaller than a pipe's atomic write, so that they are sent as a whole or
    not at all. The record is passed through the store.
    """

    def __init__(self, job: Job, on_progress: OnProgress, wake: Channel, device: str | None) -> None:
        self._wake = wake
        self._device = device
        self._environment = dict(os.environ)
        self._context = context(device)
        super().__init__(job, on_progress)

    def open(self) -> None:
        from pebble import ProcessPool

        self.channel, self._sender = get_context("spawn").Pipe(duplex=False)
        arguments = [self.job, self._sender, self._device, self._environment]
        self._pool = ProcessPool(max_workers=1, context=self._context, initializer=_begin, initargs=arguments)

    def close(self) -> None:
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self.channel.close()
        self._sender.close()

    def begin(self, run: Run) -> None:
        self._killed_for_memory = _killed_for_memory()
        self._future: Future[None] = self._pool.schedule(_perform, args=[run], timeout=self.job.timeout)
        self._future.add_done_callback(lambda _: self._wake.send_bytes(b"."))

    def look(self, tasks: Tasks) -> Record | None:
        from pebble import ProcessExpired

        if not self.task:
            return None
        run, ended = self.task.run, self._future.done()
        while self.channel.poll():
            run_id, progress = self.channel.recv()
            if run_id == run.id:
                self.report(progress)
        if not ended:
            return None
        error = self._future.exception()
        match error:
            case None:
                return self.recorded(self.job.store.read(run.id, self.job.attempt_of(run)))
            case UserError():
                raise error
            case TimeoutError():
                return self.timed_out()
            case ProcessExpired() | BrokenProcessPool():
                return self.died(tasks, *self._death(getattr(error, "exitcode", None)))
            case _:
                return self.lost("crashed", "".join(traceback.format_exception(error)))

    def _death(self, exit_code: int | None) -> tuple[Status, str]:
        """Return the status and the reason of a run whose process ended. Without a code, the run had not begun."""
        by = "" if exit_code is None else f" with exit code {exit_code}"
        if exit_code and exit_code < 0:
            by = f" with signal {Signals(-exit_code).name}"
        ending = f"its process ended{by}"
        if self.job.memory and exit_code == -SIGABRT:
            return "out_of_memory", f"it took more than {self.job.memory:g} GiB: {ending}"
        if is_crash(exit_code):  # it would crash again
            return "crashed", ending
        if _killed_for_memory() > self._killed_for_memory:
            return "out_of_memory", f"the system had no memory left: {ending}"
        return "killed", ending


_job: Job
_sender: Channel


def _begin(job: Job, sender: Channel, device: str | None, environment: Mapping[str, str]) -> None:
    """Prepare a new process: set its environment, device and memory limit, and let it end with its launcher."""
    global _job, _sender
    _job, _sender = job, sender
    become_worker(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if device is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
    if job.memory:
        limit_memory(job.memory)
    job.begin()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent:
        parent.join()
        os.kill(os.getpid(), SIGTERM)
        time.sleep(ORPHAN_SECONDS)
        os._exit(1)


def _perform(run: Run) -> None:
    try:
        with stopped_by(SIGTERM):
            _job.perform(run, lambda progress: _say(run.id, progress))
    except KeyboardInterrupt:  # its state is saved
        os._exit(128 + SIGTERM)


def _say(run_id: str, progress: Progress) -> None:
    try:
        _sender.send((run_id, progress))
    except OSError:  # the launcher has ended, which is not a failure of the run
        stop()


def _killed_for_memory() -> int:
    """Return the number of processes that the system has killed for lack of memory since it started; 0 if unknown."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration):
        return 0
