"""`Job`: how runs are executed in a process. The result of a run does not depend on it."""

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
from resnet_core.probes.requests import AUTO, ProbeRequest, Sample
from resnet_core.runs.data import DataInfo, Dataset, Images, Reading, open_source, prepare
from resnet_core.runs.execution import pruning
from resnet_core.runs.execution.beside import Beside
from resnet_core.runs.execution.crashes import crash_in
from resnet_core.runs.recipes import DATA
from resnet_core.runs.records.record import Outcome, Record, Status
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import configure, total_memory
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.checkpoints import Checkpoint, step_of
from resnet_core.runs.training.forms import form_of
from resnet_core.runs.training.loop import Progress, made_with
from resnet_core.runs.training.train import network_of, train_run

Stream = Literal["auto", "always", "never"]
MEMORY_SHARE = 0.25  # for images, of which there are up to three copies: as read, as chosen, on the device
_stopping = threading.Event()


def _nothing() -> None: ...


@dataclass(frozen=True)
class Ended:
    """The result of executing a run.

    Attributes:
        record: The record.
        files: Further files, by path relative to the study's folder: the trained network and the measurements of
            probes.
    """

    record: Record
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """How runs are executed.

    Attributes:
        store: The store for records and states.
        attempts: Number of the attempt, by the id of the run, for runs that were executed before.
        threads: Threads of TensorFlow in each process.
        workers: Number of simultaneous processes. For `ray`, 0 means as many as the cluster has room for.
        setup: Called first in every process, to load the user's code.
        checkpoint_seconds: Time between saved states of a run.
        timeout: Time limit of a run in seconds, or `None`.
        retries: Number of times that a run whose process was killed is restarted from its last state.
        memory: Memory limit of a process in GiB, or `None`.
        stream: Whether images are read from disk during training; see `resident`.
        options: The executor's own options by name; see `register_executor`.
        keep_states: Whether the last state of a run stays when the run is recorded.
        keep_networks: Whether the trained network of a run stays beside its record.
        probes: Probes to measure on the network of every run, at their steps or after the training.
        sample: Images for these probes.
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
    probes: tuple[ProbeRequest, ...] = ()
    sample: Sample = AUTO

    def begin(self) -> None:
        """Prepare this process for runs."""
        configure(self.threads)
        self.setup()

    def perform(self, run: Run, on_progress: Callable[[Progress], None]) -> Record:
        """Execute and record a run in this process, and return the record. `begin` must have been called."""
        ended = self.execute(run, on_progress)
        self.record(ended)
        return ended.record

    def execute(self, run: Run, on_progress: Callable[[Progress], None], *, keep: bool = True) -> Ended:
        """Execute a run in this process, and return the result without recording it. `begin` must have been called.

        Args:
            run: The run.
            on_progress: Called every few steps.
            keep: Whether states are saved in the store.
        """
        state = self.store.state_of(run.id) if keep else None
        keeps = keep and self.keep_states
        checkpoint = Checkpoint(state, self.checkpoint_seconds, made_with(), _stopping.is_set, keeps_last=keeps)
        data = dataset(run.train, resident(self.stream, self.memory))
        root = self.store.root if keep else None
        beside = Beside(run, data, self.keep_networks, self.probes, self.sample, root)
        if thresholds := pruning.read(self.store.root, run.id):
            kept = checkpoint.load()
            on_progress = pruning.pruning(thresholds, kept.epochs if kept else (), on_progress)
        record = train_run(run, data, on_progress, checkpoint, beside.on_trained, beside.at_steps)
        return Ended(replace(record, attempt=self.attempt_of(run)), beside.after())

    def attempt_of(self, run: Run) -> int:
        """Return the number of the attempt of a run, counted from 1."""
        return self.attempts.get(run.id, 1)

    def record(self, ended: Ended) -> None:
        """Record a run: write the further files, then the record, and remove the state unless it is to be kept."""
        record = ended.record
        for name, content in ended.files.items():
            write_beside(self.store.root / name, content)
        self._write(record)
        if not self.keep_states:
            self.store.state_of(record.run.id).unlink(missing_ok=True)

    def crashed(self, run: Run) -> Record | None:
        """Record a run as crashed if the process of an earlier launcher crashed in it, and return the record; otherwise
        return `None`.
        """
        message = crash_in(self.store.crash_of(run.id))
        return None if message is None else self.lost(run, "crashed", 0, message, time.monotonic())

    def lost(self, run: Run, status: Status, step: int, message: str, began: float) -> Record:
        """Record a run whose process was lost, and return the stored record.

        The process may have written the record itself at the last moment. The saved state of the run is kept for a
        retry.

        Args:
            run: The run.
            status: How it ended.
            step: Last known step. A later step of the saved state replaces it.
            message: What happened.
            began: Time at which the run began, by the monotonic clock.
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
        """Return the `DataInfo` of a run, or `None` if the data cannot be read any more."""
        try:
            return source(*asked(train, resident(self.stream, self.memory))).info.split(train)
        except (UserError, OSError):
            return None

    def _write(self, record: Record) -> None:
        self.store.write(record)
        self.store.crash_of(record.run.id).unlink(missing_ok=True)  # of an earlier launcher


def stop() -> None:
    """Stop the current run after its state has been saved."""
    _stopping.set()


@contextmanager
def stopped_by(*signals: signal.Signals) -> Iterator[threading.Event]:
    """Context manager in which the first of these signals stops the current run after its state has been saved. The
    second signal has its usual effect.

    Yields:
        An event that is set when a signal arrives. A run past its last state completes, and the caller must stop.
    """
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread handles signals
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
    """Return the maximum size in bytes of images that are held in memory.

    Args:
        stream: `always`: 0. `never`: infinity. `auto`: the share `MEMORY_SHARE` of the memory.
        memory: Memory limit of a process in GiB, or `None`.
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
    """Return the images of a data set and their hash; for the arguments see `open_source`. The last ones are cached."""
    images = source(data, image_size, resident, reading).images
    return images, images.sha256()


def dataset(train: TrainSpec, resident: float = math.inf) -> Dataset:
    """Return the prepared data of a run. The last ones are cached. For `resident` see `open_source`.

    Raises:
        UserError: The data have changed since the run was planned.
    """
    images, content = content_of(*asked(train, resident))
    if train.data_sha256 not in ("", content):
        raise UserError(
            f"the data of a run must be those it was planned with, with the hash {train.data_sha256[:12]}…, "
            f"but {train.data} now has {content[:12]}…; run the study again in another --out"
        )
    return prepared(images, of_data(train))


def of_data(train: TrainSpec) -> TrainSpec:
    """Return a spec that prepares the same data, with all other fields at their defaults, as a key of the cache."""
    return TrainSpec(steps=1, preprocessing=train.preprocessing, **{field: getattr(train, field) for field in DATA})


def devices() -> list[str]:
    """Return the GPUs that this process may use, by their names in `CUDA_VISIBLE_DEVICES`, without loading a GPU
    library.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device for device in visible.split(",") if device not in ("", "-1")]
    return [str(i) for i, _ in enumerate(sorted(Path("/proc/driver/nvidia/gpus").glob("*")))]
