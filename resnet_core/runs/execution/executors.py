"""The executors `serial`, `processes` and `ray`."""

import time
from collections.abc import Iterator
from signal import SIGINT, SIGTERM

from resnet_core.command_line import end_if_imported_by_a_worker
from resnet_core.nets.own import Net
from resnet_core.runs.execution.base import EXECUTORS, POLL_SECONDS, OnProgress, OwnOption, register_executor
from resnet_core.runs.execution.crashes import witnessed
from resnet_core.runs.execution.job import Job, stopped_by
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.record import Record

__all__ = ["EXECUTORS", "processes", "ray", "register_executor", "serial"]


@register_executor("serial")
def serial(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute one run after another in this process, without `timeout`, `retries` and `memory`.

    A native crash ends this process. The next launcher records the run as crashed, and continues with the others.
    The process is not replaced, so its memory grows by 2 to 5 MB per network (see `Slot.is_worn_for`). For hundreds of
    networks use `processes`, possibly with one worker.
    """
    end_if_imported_by_a_worker()
    job.begin()
    last: Net | None = None
    with stopped_by(SIGINT, SIGTERM) as stopped:  # between runs, too, since an interrupt in a finaliser would be lost
        while todo.left and not stopped.is_set():
            run = todo.take(last)
            if run is None:
                time.sleep(POLL_SECONDS)
                continue
            record = job.crashed(run)
            if record is None:
                last = run.net
                with witnessed(job.store.crash_of(run.id)):
                    record = job.perform(run, lambda progress, run=run: on_progress(run, progress))  # type: ignore[misc]
            todo.ended(record)
            yield record
        if stopped.is_set():  # after the last state of the last run
            raise KeyboardInterrupt


@register_executor("processes")
def processes(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs in `job.workers` processes. Each loads TensorFlow once. If a process dies, one run is lost."""
    from resnet_core.runs.execution import local_processes

    yield from local_processes.execute_in_processes(todo, job, on_progress)


ADDRESS = OwnOption(
    "Ray cluster: auto, HOST:PORT or ray://HOST:PORT (default: one is started on this machine)",
    r"auto|(ray://)?[\w.\[\]:-]+:\d+",
    "auto, HOST:PORT or ray://HOST:PORT",
)


@register_executor("ray", {"address": ADDRESS})
def ray(todo: Todo, job: Job, on_progress: OnProgress) -> Iterator[Record]:
    """Execute runs on the nodes of a Ray cluster; see `ray_executor`. Ray is imported only here."""
    from resnet_core.runs.execution import ray_executor

    yield from ray_executor.execute_on_ray(todo, job, on_progress)
