"""The actor that a node of a Ray cluster executes. Only this module imports Ray when it is loaded."""

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress

import ray

from resnet_core.errors import UserError
from resnet_core.runs.execution.base import limit_memory
from resnet_core.runs.execution.crashes import witnessed
from resnet_core.runs.execution.job import Job, stop
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress

RUNS = "runs"  # concurrency group of the methods of one thread of the actor; another thread has the others


class Worker:
    """Executes runs in a process of a node, one after another. A second thread answers requests for progress."""

    def __init__(self, job: Job, folder: str, variables: Mapping[str, str]) -> None:
        self._job = job
        self._reports: list[Progress] = []
        os.environ.update(variables)
        with suppress(OSError):  # if the node has the launcher's folder, relative paths mean the same here
            os.chdir(folder)
        if job.memory:
            limit_memory(job.memory)

    @ray.method(concurrency_group=RUNS)  # type: ignore[untyped-decorator]
    def begin(self) -> None:
        """Prepare this process for runs."""
        try:
            self._job.begin()
        except UserError as error:
            raise UserError(f"{error} (on the node {platform.node()})") from None

    @ray.method(concurrency_group=RUNS)  # type: ignore[untyped-decorator]
    def perform(self, run: Run) -> tuple[str, Mapping[str, bytes], list[Progress]] | None:
        """Execute a run. Return its record as JSON, the files beside it, and all reports of progress.

        If the run was stopped, `None` is returned.
        """
        reports: list[Progress] = []
        self._reports = reports
        shared = run.id in self._job.store.claimed()
        try:
            with witnessed(self._job.store.crash_of(run.id)):
                ended = self._job.execute(run, reports.append, keep=shared)
        except KeyboardInterrupt:
            return None
        except UserError as error:
            raise UserError(f"{error} (on the node {platform.node()})") from None
        return json.dumps(ended.record.to_dict(), allow_nan=False), ended.files, reports

    def progress(self, start: int) -> list[Progress]:
        """Return the reports of progress of the current run, without the first `start`."""
        return self._reports[start:]

    def stop(self) -> None:
        """Stop the current run after its state is saved."""
        stop()
