"""Makes measurements in one or several processes. Processes that share a folder make each measurement once."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from ablations.probing.targets import Target
from resnet_core.errors import UserError
from resnet_core.probes.requests import Item, ProbeRequest, Sample
from resnet_core.runs.execution.job import devices
from resnet_core.runs.execution.main_script import importable
from resnet_core.runs.execution.workers import become_worker, context
from resnet_core.runs.records import claims, measurements
from resnet_core.runs.runtime import configure

if TYPE_CHECKING:
    from resnet_core.runs.records.measurements import Measurement

POLL_SECONDS = 1.0
OnProgress = Callable[[Item, float], None]
"""Takes a measurement that is being made, and the share of its passes that have been made."""


@dataclass(frozen=True)
class Made:
    """The result of an item: its measurement without rows, the number of rows, and whether it was made here."""

    measured: "Measurement"
    rows: int
    here: bool


def measure(
    target: Target,
    items: Sequence[Item],
    workers: int,
    setup: Callable[[], object],
    on_progress: OnProgress = lambda item, share: None,
) -> Iterator[Made]:
    """Make the missing measurements, and yield the result of each item, whichever process made it.

    Args:
        target: The probed networks.
        items: The requested measurements.
        workers: Number of processes. 1 means this process.
        setup: Called in every process, to load the user's code.
        on_progress: Called during a measurement of this process.
    """
    left = list(items)
    steps = _in_processes(target, workers, setup) if workers > 1 else _here(target, setup, on_progress)
    while left:
        ended = set()
        for item, came in steps(left):
            if came is not None:
                ended.add(item.id)
                yield came
        left = [item for item in left if item.id not in ended]
        if left and not ended:
            time.sleep(POLL_SECONDS)  # other processes are making all of them


Steps = Callable[[Sequence[Item]], Iterator[tuple[Item, Made | None]]]


def _here(target: Target, setup: Callable[[], object], on_progress: OnProgress) -> Steps:
    _begin(target.threads, setup)
    return lambda items: ((item, perform(target, item, on_progress)) for item in items)


def _in_processes(target: Target, workers: int, setup: Callable[[], object]) -> Steps:
    def steps(items: Sequence[Item]) -> Iterator[tuple[Item, Made | None]]:
        # The measurements of one network are one task, so that its parts are compiled once.
        tasks = [list(group) for _, group in groupby(items, key=lambda item: item.network_id)]
        with (
            importable(),
            ProcessPoolExecutor(
                min(workers, len(tasks)),
                context(next(iter(devices()), None)),
                _begin_worker,
                (dict(os.environ), target.threads, setup),
            ) as pool,
        ):
            futures = [pool.submit(_perform, target, task) for task in tasks]
            try:
                for future in as_completed(futures):
                    yield from future.result()
            except BrokenProcessPool:
                raise UserError(
                    "every process must live until its measurements are made, but one was killed; the same command "
                    "continues, with fewer --workers if memory was exhausted"
                ) from None
            finally:
                pool.shutdown(cancel_futures=True)

    return steps


def _begin(threads: int, setup: Callable[[], object]) -> None:
    configure(threads)
    setup()


def _begin_worker(environment: Mapping[str, str], threads: int, setup: Callable[[], object]) -> None:
    become_worker(environment)
    _begin(threads, setup)


def _perform(target: Target, items: Sequence[Item]) -> list[tuple[Item, Made | None]]:
    return [(item, perform(target, item)) for item in items]


def perform(target: Target, item: Item, on_progress: OnProgress = lambda item, share: None) -> Made | None:
    """Make and write a measurement unless it exists; return `None` if another process is making it."""
    claim = claims.claim(target.root, f"probe-{item.id}")
    try:
        claim.acquire(timeout=0)
    except Timeout:
        return None
    try:
        measurement, measured_now = measurements.there(target.root, item), False
        if measurement is None:
            from resnet_core.runs.execution.measuring import measured

            given = _network(target, item.network_id, item.sample, item.other)
            measurement, measured_now = measured(item, given, lambda share: on_progress(item, share)), True
            measurements.write(target.root, measurement)
    finally:
        with suppress(OSError):
            claim.release()
    return Made(replace(measurement, rows=()), len(measurement.rows), measured_now)


@lru_cache(maxsize=1)
def _network(target: Any, network_id: str, sample: Sample, other: str) -> Any:
    """Return a network of a target with the inputs of its probes. The last one is cached."""
    return target.network(Item(network_id, ProbeRequest(""), sample, other))
