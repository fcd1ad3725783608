"""What a node of a Ray cluster executes; this module alone needs Ray to load."""

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
from resnet_core.runs.training.train import Progress

RUNS = "runs"  # methods that one thread of the actor calls, while another answers the rest


class Worker:
    """Executes runs in a process of some node, one after another; its other thread is asked how far it is."""

    def __init__(self, job: Job, folder: str, variables: Mapping[str, str]) -> None:
        self._job = job
        self._reports: list[Progress] = []
        os.environ.update(variables)
        with suppress(OSError):  # where the launcher's folder is here, relative paths are those it meant
            os.chdir(folder)
        if job.memory:
            limit_memory(job.memory)

    @ray.method(concurrency_group=RUNS)  # type: ignore[untyped-decorator]
    def begin(self) -> None:
        """Make this process ready for runs."""
        try:
            self._job.begin()
        except UserError as error:
            raise UserError(f"{error} (on the node {platform.node()})") from None

    @ray.method(concurrency_group=RUNS)  # type: ignore[untyped-decorator]
    def perform(self, run: Run) -> tuple[str, Mapping[str, bytes], list[Progress]] | None:
        """Execute a run; return its record as JSON, the files beside it, and all that was said of it.

        If it was stopped, None is returned.
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
        """Return what was said of the run under way after the first `start` times."""
        return self._reports[start:]

    def stop(self) -> None:
        """Let the run under way end once its state is saved."""
        stop()
