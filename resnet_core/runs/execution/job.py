"""How runs are executed, in whatever process: what does not change their results."""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from resnet_core.errors import UserError
from resnet_core.folders import write_beside
from resnet_core.probes.asked import AUTO, Asked, Sample
from resnet_core.runs.data import DataInfo, Dataset, Images, Reading, open_source, prepare
from resnet_core.runs.execution.crashes import crash_in
from resnet_core.runs.recipes import DATA
from resnet_core.runs.records import measurements, networks
from resnet_core.runs.records.record import Outcome, Record, Status
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import configure, total_memory
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint, step_of
from resnet_core.runs.training.forms import form_of
from resnet_core.runs.training.train import Progress, execute, made_with, network_of

Stream = Literal["auto", "always", "never"]
MEMORY_SHARE = 0.25  # of images, which are there up to three times: as read, as chosen, on the device
_stopping = threading.Event()


def _nothing() -> None: ...


@dataclass(frozen=True)
class Ended:
    """What came of a run.

    Attributes:
        record: Its record.
        files: Files that go beside the records, by their places in the folder of the study: the trained network, and
            what probes have measured of it.
    """

    record: Record
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """How runs are executed.

    Attributes:
        store: Where they are recorded, and where their states are.
        attempts: Numbers of the executions of the runs that have been executed before.
        threads: Threads of TensorFlow in each process.
        workers: Processes that execute runs at the same time; 0 for as many as fit, which `ray` alone takes.
        setup: Called first in every process: what makes the user's own code known.
        checkpoint_seconds: Time from one state of a run to the next.
        timeout: Seconds that a run may take; none for no limit.
        retries: How often a run whose process was killed is begun again, from its last state.
        memory: GiB of memory that a process may take; none for no limit.
        stream: Whether images are read from disk as they are asked for; see `resident`.
        options: Options that the executor alone reads, by name; see `register_executor`.
        keep_states: Whether the last state of a run stays when the run is recorded.
        keep_networks: Whether the trained network of a run stays beside its record.
        probes: Probes that are measured of the trained network of every run that completes.
        sample: On which images.
    """

    store: Store
    attempts: Mapping[str, int] = field(default_factory=dict)
    threads: int = 1
    workers: int = 1
    setup: Callable[[], object] = _nothing
    checkpoint_seconds: float = 60.0
    timeout: float | None = None
    retries: int = 2
    memory: float | None = None
    stream: Stream = "auto"
    options: Mapping[str, str] = field(default_factory=dict)
    keep_states: bool = False
    keep_networks: bool = False
    probes: tuple[Asked, ...] = ()
    sample: Sample = AUTO

    def begin(self) -> None:
        """Make this process ready for runs."""
        configure(self.threads)
        self.setup()

    def perform(self, run: Run, on_progress: Callable[[Progress], None]) -> Record:
        """Execute a run in this process, which has begun; record it, and return its record."""
        ended = self.execute(run, on_progress)
        self.record(ended)
        return ended.record

    def execute(self, run: Run, on_progress: Callable[[Progress], None], *, keep: bool = True) -> Ended:
        """Execute a run in this process, which has begun, and return what came of it, to be recorded.

        Args:
            run: What to execute.
            on_progress: Called every few steps.
            keep: Whether its state is kept in the store meanwhile.
        """
        state = self.store.state_of(run.id) if keep else None
        keeps = keep and self.keep_states
        checkpoint = Checkpoint(state, self.checkpoint_seconds, made_with(), _stopping.is_set, keeps_last=keeps)
        data = dataset(run.train, resident(self.stream, self.memory))
        trained: list[list[networks.Array]] = []
        on_trained = trained.append if self.keep_networks or self.probes else None
        record = replace(execute(run, data, on_progress, checkpoint, on_trained), attempt=self.attempt_of(run))
        return Ended(record, dict(self._beside(run, data, trained[0])) if trained else {})

    def _beside(self, run: Run, data: Dataset, weights: list[networks.Array]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that go beside the record of a run that has completed, each with its place."""
        if self.keep_networks:
            yield networks.name_of(run.id), networks.encoded(weights)
        if self.probes:
            from resnet_core.runs.execution.measuring import after_training

            for measured in after_training(run, weights, data, self.probes, self.sample):
                yield measurements.name_of(measured.item), measurements.content_of(measured)

    def attempt_of(self, run: Run) -> int:
        """Return the number of the execution of a run, from 1."""
        return self.attempts.get(run.id, 1)

    def record(self, ended: Ended) -> None:
        """Record a run that has ended, what is beside the record first, and remove its state if it is not to stay."""
        record = ended.record
        for name, content in ended.files.items():
            write_beside(self.store.root / name, content)
        self._write(record)
        if not self.keep_states:
            self.store.state_of(record.run.id).unlink(missing_ok=True)

    def crashed(self, run: Run) -> Record | None:
        """Record a run in which the process of an earlier launcher crashed; return the record, or None if none did."""
        message = crash_in(self.store.crash_of(run.id))
        return None if message is None else self.lost(run, "crashed", 0, message, time.monotonic())

    def lost(self, run: Run, status: Status, step: int, message: str, began: float) -> Record:
        """Record a run whose process could not, and return what is recorded: its process may have, at the last moment.

        Its state stays, for a retry.

        Args:
            run: The run.
            status: How it ended.
            step: That it is known to have come to, if its state says no later one.
            message: What happened.
            began: When, by the monotonic clock.
        """
        outcome = Outcome(status, max(step, step_of(self.store.state_of(run.id)) or 0), message)
        seconds = round(time.monotonic() - began, 3)
        record = Record(
            run, outcome, network=network_of(run), seconds=seconds, data=self._read(run.train),
            attempt=self.attempt_of(run), form=form_of(run),
        )  # fmt: skip
        self._write(record)
        return self.store.read(run.id, record.attempt)

    def _read(self, train: TrainSpec) -> DataInfo | None:
        """Return what this process knows to have been read, if the data can still be."""
        try:
            return source(*asked(train, resident(self.stream, self.memory))).info.split(train)
        except (UserError, OSError):
            return None

    def _write(self, record: Record) -> None:
        self.store.write(record)
        self.store.crash_of(record.run.id).unlink(missing_ok=True)  # of an earlier launcher


def stop() -> None:
    """Let the run under way stop once its state is saved."""
    _stopping.set()


@contextmanager
def stopped_by(*signals: signal.Signals) -> Iterator[threading.Event]:
    """Let the first of these signals stop the run under way once its state is saved, and the second do what it does.

    Yields:
        Whether a signal came: after its last state a run goes on to its end, and what follows it is to be stopped.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # which alone has signals
        yield came
        return

    def ended(number: int, frame: FrameType | None) -> None:
        came.set()
        stop()
        signal.signal(number, before[number])

    _stopping.clear()
    before: dict[int, Any] = {number: signal.signal(number, ended) for number in signals}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _stopping.clear()


def resident(stream: Stream, memory: float | None = None) -> float:
    """Return up to how many bytes the images of a path are held in memory.

    Args:
        stream: `always`: none. `never`: all. `auto`: those that take a share of the memory, `MEMORY_SHARE`.
        memory: GiB that a process may take, if less than there is.
    """
    limits = {"always": 0.0, "never": math.inf}
    share = MEMORY_SHARE * min(total_memory(), math.inf if memory is None else memory * 2**30)
    return limits.get(stream, share)


source = lru_cache(maxsize=1)(open_source)
prepared = lru_cache(maxsize=1)(prepare)


def asked(train: TrainSpec, resident: float = math.inf) -> tuple[str, int | None, float, Reading]:
    """Return the arguments of `open_source` for the data of a run."""
    return train.data, train.image_size, resident, train.reading


@lru_cache(maxsize=1)
def content_of(data: str, image_size: int | None, resident: float, reading: Reading) -> tuple[Images, str]:
    """Return the images and their hash, the last ones if they are the same; see `open_source`."""
    images = source(data, image_size, resident, reading).images
    return images, images.sha256()


def dataset(train: TrainSpec, resident: float = math.inf) -> Dataset:
    """Return the prepared data of a run, the last one's if it is the same; see `open_source` for `resident`.

    Raises:
        UserError: The data are not what they were when the run was planned.
    """
    images, content = content_of(*asked(train, resident))
    if train.data_sha256 not in ("", content):
        raise UserError(
            f"the data of a run must be what it was planned with, of hash {train.data_sha256[:12]}…, "
            f"but {train.data} is now of {content[:12]}…; run the study again in another --out"
        )
    return prepared(images, of_data(train))


def of_data(train: TrainSpec) -> TrainSpec:
    """Return a spec that prepares the same data: what does not bear on them is as in all others that do."""
    return TrainSpec(steps=1, preprocessing=train.preprocessing, **{field: getattr(train, field) for field in DATA})


def devices() -> list[str]:
    """Return the GPUs that this process may use, by what `CUDA_VISIBLE_DEVICES` calls them; no GPU is loaded."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device for device in visible.split(",") if device not in ("", "-1")]
    return [str(i) for i, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]
