"""`Survey`: the records in a study's folder, the records that count, and the damaged files."""

import re
from collections.abc import Callable, Collection, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from resnet_core.runs.records import files as record_files
from resnet_core.runs.records import parts
from resnet_core.runs.records.copies import Copy, newest
from resnet_core.runs.records.files import copy_of, reason_of
from resnet_core.runs.records.frames import Damaged
from resnet_core.runs.records.outcomes import statuses_of
from resnet_core.runs.records.parts import UnreadablePart
from resnet_core.runs.records.record import Record, Stored
from resnet_core.sealed import UNREADABLE

RUNS, PARTS, REMOVED, DAMAGED = "runs", "parts", "removed", "damaged"
"""The folders of a store."""

R = TypeVar("R")
Files = dict[Path, tuple[Stored, R]]


@dataclass(frozen=True)
class Survey:
    """The content of a store, without rows.

    Attributes:
        copies: For each run, by its id, the record that counts.
        damaged: Damaged files.
        lost: Number of the last attempt whose record is damaged, by the id of the run.
    """

    copies: Mapping[str, Copy] = field(default_factory=dict)
    damaged: tuple[Damaged, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def statuses(self) -> dict[str, str]:
        """The status of each recorded run, by its id. It may be `failed_to_train`; see `outcomes`."""
        judged = statuses_of([(copy.status, copy.measured) for copy in self.copies.values()])
        return dict(zip(self.copies, judged, strict=True))

    def next_attempt(self, run_id: str) -> int:
        """Return the number of the next attempt of a run."""
        recorded = self.copies[run_id].attempt + 1 if run_id in self.copies else 1
        return max(recorded, self.lost.get(run_id, 1))


def look(root: Path, read: Callable[[Path], tuple[Stored, R]], ids: Set[str] | None = None) -> tuple[Files[R], Survey]:
    """Return the result of `read` for each file of a record, and the survey; with `ids` those of these runs.

    Files are read before parts, so that a record that is moved at the same time is found in one of them.
    """
    files: Files[R] = {}
    copies: list[Copy] = []
    damaged: list[Damaged] = []
    for path in files_in(root / RUNS) if ids is None else files_of(root / RUNS, ids):
        try:
            stored, whole = read(path)
            copies.append(copy_of(stored, path))
            files[path] = stored, whole
        except FileNotFoundError:
            continue  # it has been moved into a part
        except UNREADABLE as error:
            damaged.append(Damaged(path, reason_of(error)))
    for folder in parts.folders(root / PARTS):
        if ids is not None and ids.isdisjoint(parts.attempts(folder)):
            continue
        try:
            of_runs = (copy for copy in parts.copies(folder) if ids is None or copy.run in ids)
            copies += (copy for copy in of_runs if not is_out(root, copy.run, copy.attempt))
        except UnreadablePart as error:
            damaged.append(error.damaged)
    lost = _lost(root, damaged)
    return files, Survey(newest(copies, lost), tuple(damaged), lost)


def counting(files: Files[Record], survey: Survey) -> list[tuple[Stored, Record]]:
    """Return the files whose records count, in the order of their runs."""
    return [files[copy.place] for _, copy in sorted(survey.copies.items()) if copy.place in files]


def in_parts(survey: Survey) -> dict[Path, set[str]]:
    """Return the runs whose record that counts is in a part, by part."""
    places: dict[Path, set[str]] = {}
    for run, copy in survey.copies.items():
        if copy.place.parent.name == PARTS:
            places.setdefault(copy.place, set()).add(run)
    return dict(sorted(places.items()))


def files_in(folder: Path) -> list[Path]:
    """Return the files in a folder of records, in the order of their names."""
    with suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []


def files_of(folder: Path, runs: Collection[str]) -> list[Path]:
    """Return the files of these runs, of all their attempts."""
    named = ((path, record_files.run_and_attempt(path.name)) for path in files_in(folder))
    return [path for path, match in named if match and match[0] in runs]


def is_out(root: Path, run_id: str, attempt: int) -> bool:
    """Return whether a record in a part does not count, because it was removed."""
    return (root / REMOVED / record_files.name_of(run_id, attempt)).exists()


def _lost(root: Path, damaged: list[Damaged]) -> dict[str, int]:
    """Return for each run the last attempt whose record is damaged, including records set aside."""
    lost: dict[str, int] = {}
    aside = sorted((root / DAMAGED).glob("*"))
    for path, name in [
        *((file.path, file.path.name) for file in damaged),
        *((path, re.sub(r"-[0-9a-f]{8}$", "", path.name)) for path in aside),
    ]:
        folder = path.parent if path.parent.parent == root / PARTS else path
        of_file = record_files.run_and_attempt(name)
        for run, attempt in [of_file] if of_file else parts.attempts(folder).items():
            lost[run] = max(attempt, lost.get(run, 1))
    return lost
