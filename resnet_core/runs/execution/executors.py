"""Where runs are executed: in this process, or in others."""

import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, TimeoutError
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from signal import SIGABRT, SIGINT, SIGTERM, Signals
from typing import Any

from resnet_core.command_line import end_if_imported_by_a_worker
from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.execution.base import (
    EXECUTORS,
    ORPHAN_SECONDS,
    POLL_SECONDS,
    OnProgress,
    limit_memory,
    register_executor,
)
from resnet_core.runs.execution.crashes import is_crash, witnessed
from resnet_core.runs.execution.job import Job, devices, stop, stopped_by
from resnet_core.runs.execution.main_script import importable
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.execution.workers import become_worker, context
from resnet_core.runs.records.record import Record, Status
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress

__all__ = ["EXECUTORS", "processes", "ray", "register_executor", "serial"]

Channel = Any  # a `multiprocessing.connection.Connection`
NETWORKS = 50  # that a process trains before a new one takes its place


@register_executor("serial")
def serial(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute one run after another in this process, which bears no `timeout`, `retries` or `memory`.

    A native crash ends this process. The next launcher records the run as crashed, and goes on with the others.
    """
    end_if_imported_by_a_worker()
    job.begin()
    last: NetSpec | None = None
    while todo.left:
        run = todo.take(last)
        if run is None:
            time.sleep(POLL_SECONDS)
            continue
        record = job.crashed(run)
        if record is not None:
            todo.told(record)
            yield record
            continue
        last = run.net
        with stopped_by(SIGINT, SIGTERM) as stopped, witnessed(job.store.crash_of(run.id)):
            record = job.perform(run, lambda progress, run=run: on_progress(run, progress))  # type: ignore[misc]
        todo.told(record)
        yield record
        if stopped.is_set():  # too late for this run
            raise KeyboardInterrupt


@register_executor("processes")
def processes(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs in `job.workers` processes that load TensorFlow once; one that dies takes one run with it."""
    with importable():
        yield from _in_processes(todo, job, on_progress)


def _in_processes(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    waker, wake = get_context("spawn").Pipe(duplex=False)
    visible = devices()
    slots = [_Slot(job, wake, visible[i % len(visible)] if visible else None) for i in range(job.workers)]
    try:
        while True:
            for slot in slots:
                run = todo.take(slot.last) if slot.run is None else None
                if run:
                    slot.start(run)
            busy = [slot for slot in slots if slot.run]
            if not busy and not todo.left:
                return
            idle = len(busy) < len(slots) and todo.left
            connection.wait([waker, *(slot.channel for slot in busy)], POLL_SECONDS if idle else None)
            while waker.poll():
                waker.recv_bytes()
            ended = []
            for slot in busy:
                for progress in slot.progress():
                    on_progress(slot.run, progress)  # type: ignore[arg-type]
                record = slot.ended()
                if record:
                    ended.append(record)
                    todo.told(record)
                    run = todo.take(slot.last)
                    if run:
                        slot.start(run)  # before the record is dealt with
            yield from ended
    finally:
        for slot in slots:
            slot.stop()


@register_executor("ray")
def ray(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs on the nodes of a Ray cluster, see `ray_executor`; the package is loaded when it is asked for."""
    from resnet_core.runs.execution import ray_executor

    yield from ray_executor.execute(todo, job, on_progress)


class _Slot:
    """One process at a time, a new one when it dies, and the run that it is at.

    What is sent either way is small, so that it is sent whole or not at all; the record goes by the store.
    """

    def __init__(self, job: Job, wake: Channel, device: str | None) -> None:
        self._job = job
        self._wake = wake
        self._device = device
        self._environment = dict(os.environ)
        self._context = context(device)
        self.last: NetSpec | None = None
        self.run: Run | None = None
        self._open()

    def _open(self) -> None:
        from pebble import ProcessPool

        self._networks = 0
        self.channel, self._sender = get_context("spawn").Pipe(duplex=False)
        arguments = [self._job, self._sender, self._device, self._environment]
        self._pool = ProcessPool(max_workers=1, context=self._context, initializer=_begin, initargs=arguments)

    def start(self, run: Run) -> None:
        """Begin a run, in a new process if this one has trained `NETWORKS` networks.

        TensorFlow keeps what oneDNN has compiled for each shape, some 2 to 5 MB a network, and has no call that gives
        it back; see `benchmarks.memory`.
        """
        if run.net != self.last:
            if self._networks == NETWORKS:
                self.stop()
                self._open()
            self._networks += 1
        self.run, self.last = run, run.net
        self._tries, self._step, self._started = 0, 0, time.monotonic()
        self._submit()

    def _submit(self) -> None:
        self._tries += 1
        self._killed_for_memory = _killed_for_memory()
        self._future: Future[None] = self._pool.schedule(_perform, args=[self.run], timeout=self._job.timeout)
        self._future.add_done_callback(lambda _: self._wake.send_bytes(b"."))

    def progress(self) -> Iterator[Progress]:
        """Yield what the process has said since the last call."""
        while self.channel.poll():
            run_id, progress = self.channel.recv()
            if self.run and run_id == self.run.id:
                self._step = progress.step
                yield progress

    def ended(self) -> Record | None:
        """Return the record of the run if it has ended, and be free; begin it again if it is to be retried."""
        from pebble import ProcessExpired

        if not self.run or not self._future.done():
            return None
        error = self._future.exception()
        match error:
            case None:
                record = self._job.store.read(self.run.id, self._job.attempt_of(self.run))
            case UserError():
                raise error
            case TimeoutError():
                record = self._lost("timed_out", f"it took more than {self._job.timeout:g} s")
            case ProcessExpired() | BrokenProcessPool():
                status, message = self._death(getattr(error, "exitcode", None))
                if status == "killed" and self._tries <= self._job.retries:
                    self.stop()
                    self._open()
                    self._submit()
                    return None
                record = self._lost(status, message)
            case _:
                record = self._lost("crashed", "".join(traceback.format_exception(error)))
        self.run = None
        return record

    def _death(self, exit_code: int | None) -> tuple[Status, str]:
        """Return how a run ended whose process is no more, and why; it had not begun the run if there is no code."""
        by = "" if exit_code is None else f" with exit code {exit_code}"
        if exit_code and exit_code < 0:
            by = f" with signal {Signals(-exit_code).name}"
        message = f"its process ended{by}, in {self._tries} of {self._job.retries + 1} tries"
        if self._job.memory and exit_code == -SIGABRT:
            return "out_of_memory", f"it took more than {self._job.memory:g} GiB: {message}"
        if is_crash(exit_code):  # it would crash again
            return "crashed", message
        if _killed_for_memory() > self._killed_for_memory:
            return "out_of_memory", f"the system had no memory left: {message}"
        return "killed", message

    def _lost(self, status: Status, message: str) -> Record:
        """Return a record of the run, made here since its process could not, and take a new process."""
        assert self.run
        record = self._job.lost(self.run, status, self._step, message, self._started)
        self.stop()
        self._open()
        return record

    def stop(self) -> None:
        """End the process, if it has not ended."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self.channel.close()
        self._sender.close()


_job: Job
_sender: Channel


def _begin(job: Job, sender: Channel, device: str | None, environment: Mapping[str, str]) -> None:
    """Make a new process ready: its environment, its device, its memory, and what ends it."""
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
    except OSError:  # the launcher is no more, which is nothing that the run did
        stop()


def _killed_for_memory() -> int:
    """Return how many processes the system has killed for their memory since it started; 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    except (OSError, StopIteration):
        return 0
