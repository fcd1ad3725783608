"""Saved states of runs."""

import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import NonNegativeFloat, NonNegativeInt, TypeAdapter

from resnet_core.errors import UserError
from resnet_core.folders import write_file
from resnet_core.runs.records.record import Columns, Row, columns, rows

Array = np.ndarray[Any, np.dtype[Any]]
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


@dataclass
class State:
    """The state from which a run continues.

    Attributes:
        step: Number of updates made.
        variables: Variables of the network and the optimiser, in the engine's order.
        epochs, probes: The recorded rows.
        taken: Loss and accuracy of each step of the current epoch.
        seconds: Wall time of the run so far.
    """

    step: int = 0
    variables: Sequence[Array] = ()
    epochs: list[Row] = field(default_factory=list)
    probes: list[Row] = field(default_factory=list)
    taken: list[tuple[float, float]] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class _About:
    """The state without its variables, validated when it is read."""

    made_with: str
    step: NonNegativeInt
    seconds: NonNegativeFloat
    taken: list[tuple[float, float]]
    epochs: Columns
    probes: Columns

    def __post_init__(self) -> None:
        for table in (self.epochs, self.probes):
            if len({len(column) for column in table.values()}) > 1:
                raise ValueError("the columns of a table must be of one length")


_ABOUT = TypeAdapter(_About)


class NoRoom(UserError):
    """The requested last state of a run cannot be written, so the run is not recorded."""


class Checkpoint:
    """Saves the state of a run at intervals.

    Args:
        path: An `.npz` file, or `None` for no states.
        seconds: Minimum time between two states.
        made_with: Versions and settings on which the bits of results depend; a state made with others is not loaded.
        stop: Function that returns whether the run stops after the next saved state.
        keeps_last: Whether a state is saved after the last step.
    """

    def __init__(
        self,
        path: Path | None,
        seconds: float,
        made_with: str = "",
        stop: Callable[[], bool] = lambda: False,
        *,
        keeps_last: bool = False,
    ) -> None:
        self.keeps_last = keeps_last
        self._stop = stop
        self._path = path
        self._seconds = seconds
        self._made_with = made_with
        self._last = time.monotonic()

    def due(self) -> bool:
        """Return whether a state is to be saved now."""
        return self._stop() or (self._path is not None and time.monotonic() - self._last >= self._seconds)

    def save(self, state: State) -> None:
        """Save `state` in place of the last state. If it cannot be written, the last state remains.

        Raises:
            KeyboardInterrupt: `stop` returns true.
        """
        with suppress(OSError):
            self._write(state)
        self._last = time.monotonic()
        if self._stop():
            raise KeyboardInterrupt

    def save_last(self, state: State) -> None:
        """Save the state after the last step.

        Raises:
            NoRoom: The disk is full, or the folder is not writable.
        """
        try:
            self._write(state)
        except OSError as error:
            raise NoRoom(
                f"the last state of a run must have room in a writable folder, but {self._path}: "
                f"{error.strerror or error}"
            ) from None

    def _write(self, state: State) -> None:
        if self._path is None:
            return
        about = {
            "made_with": self._made_with, "step": state.step, "seconds": state.seconds, "taken": state.taken,
            "epochs": columns(state.epochs), "probes": columns(state.probes),
        }  # fmt: skip
        arrays = {f"variable{i}": array for i, array in enumerate(state.variables)}
        self._path.parent.mkdir(exist_ok=True)  # in the folder of the study, which must exist
        content = io.BytesIO()
        np.savez(content, about=np.array(json.dumps(about)), **arrays)  # type: ignore[arg-type]
        write_file(self._path, content.getvalue())

    def load(self) -> State | None:
        """Return the saved state, or `None` if it is missing, damaged, or made with other versions or settings."""
        if self._path is None:
            return None
        try:
            with _opened(self._path) as (about, file):
                variables = _variables(file)
        except UNREADABLE:
            return None
        if about.made_with != self._made_with:
            return None
        return State(about.step, variables, rows(about.epochs), rows(about.probes), about.taken, about.seconds)


def variables_of(path: Path) -> list[Array]:
    """Return the variables of the state in a file.

    Raises:
        OSError, ValueError, KeyError, EOFError, BadZipFile: The file is missing or damaged.
    """
    with _opened(path) as (_, file):
        return _variables(file)


def _variables(file: Any) -> list[Array]:
    return [file[f"variable{i}"] for i in range(len(file.files) - 1)]


def step_of(path: Path) -> int | None:
    """Return the step of the state in a file, or `None` if the file is missing or damaged."""
    try:
        with _opened(path) as (about, _):
            return about.step
    except UNREADABLE:
        return None


@contextmanager
def _opened(path: Path) -> Iterator[tuple[_About, Any]]:
    """Context manager that yields the state without its variables, and the open file with the variables."""
    with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        yield _ABOUT.validate_json(str(file["about"])), file
