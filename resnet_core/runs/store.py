"""Records on disk: a folder a study.

`study.json` says what was planned. `runs/<id>.json` is a run, whole; it is written beside its place and
put into it at once, so that a reader never sees half of one and a process that dies leaves nothing that
counts; `runs/<id>-2.json` is of its second attempt. `parts/<name>/` holds many runs as parquet tables. Of several
records of a run the newest counts, see `copies`. `claims` says who executes what, `checkpoints` how far it is,
`damaged` holds what could not be read, and `removed` the records of runs that are not planned any more.
"""

import re
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

from filelock import Timeout

from resnet_core.errors import UserError
from resnet_core.folders import sweep, write_file, write_new
from resnet_core.runs import claims, parts, record_files
from resnet_core.runs.copies import Copy, newest
from resnet_core.runs.frames import Damaged, Frames, frames_of, joined
from resnet_core.runs.outcomes import statuses_of
from resnet_core.runs.parts import Unreadable
from resnet_core.runs.plan import Plan
from resnet_core.runs.record_files import copy_of, reason_of
from resnet_core.runs.records import FAILED, Record, Stored
from resnet_core.sealed import UNREADABLE

PLAN = "study.json"
DAMAGED = "damaged"
NOT_RUNS = frozenset({"study", "search"})
"""Claims to what is no run."""

R = TypeVar("R")
Files = dict[Path, tuple[Stored, R]]


@dataclass(frozen=True)
class Survey:
    """What is in a store, without the rows.

    Attributes:
        copies: The record that counts of each run, by the run's id.
        damaged: What could not be read.
        lost: Number of the last attempt whose record is damaged, by the id of the run.
    """

    copies: Mapping[str, Copy] = field(default_factory=dict)
    damaged: tuple[Damaged, ...] = ()
    lost: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def statuses(self) -> dict[str, str]:
        """How each recorded run ended, by its id, `failed_to_train` among the ways; see `outcomes`."""
        judged = statuses_of([(copy.status, copy.measured) for copy in self.copies.values()])
        return dict(zip(self.copies, judged, strict=True))

    def next_attempt(self, run_id: str) -> int:
        """Return the number of the next execution of a run."""
        recorded = self.copies[run_id].attempt + 1 if run_id in self.copies else 1
        return max(recorded, self.lost.get(run_id, 1))


class Store:
    """The records of one study.

    Args:
        root: The study's folder. It need not exist until something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs, self._parts, self._removed = root / "runs", root / "parts", root / "removed"

    def plan(self) -> Plan | None:
        """Return what was planned here, or None if nothing was.

        Raises:
            UserError: `study.json` is not one of ours.
        """
        path = self.root / PLAN
        return Plan.read(path) if path.exists() else None

    def check_base(self, base: dict[str, Any], unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added; see `Plan.check_base`."""
        here = self.plan()
        if here:
            here.check_base(base, self.root, unknown)

    def check_there(self) -> None:
        """Check that the folder is still there.

        Raises:
            UserError: It is not.
        """
        if not self.root.is_dir():
            raise claims.gone(self.root)

    def add_plan(self, plan: Plan, *, mixed: bool = False) -> None:
        """Add `plan` to what was planned here: its runs and its command.

        Args:
            plan: What is added.
            mixed: Whether other runs may have an older code of a block.

        Raises:
            UserError: See `check_base`.
        """
        self.check_base(plan.base)
        self.root.mkdir(parents=True, exist_ok=True)
        sweep(self.root, "**/")
        with self.claim("study"):
            here = self.plan()
            if here:
                here.check_base(plan.base, self.root)
                if not mixed:
                    here.check_code(plan, self.root)
                plan = here.grown(plan)
            if plan != here:
                write_file(self.root / PLAN, plan.text())
            self.take_out({run.id for run in here.runs} - {run.id for run in plan.runs} if here else set())
            self.put_back(run.id for run in plan.runs)

    def claim(self, run_id: str) -> claims.Claim:
        """Return the claim to execute a run, not yet taken.

        Raises:
            UserError: The folder is not there.
        """
        return claims.claim(self.root, run_id)

    def claimed(self) -> set[str]:
        """Return the ids of the runs whose claims have not expired: somebody is executing them, or was a moment ago."""
        return claims.claimed(self.root) - NOT_RUNS

    def tidy(self, statuses: Mapping[str, str]) -> None:
        """Remove what launchers that are no more have left of recorded runs: claims, and states nobody will take up."""
        for path in (self.root / "claims").glob("*.lock"):
            if path.stem in statuses:
                with suppress(Timeout), self.claim(path.stem).acquire(timeout=0):
                    pass
        for run_id, status in statuses.items():
            if status not in FAILED:
                self.state_of(run_id).unlink(missing_ok=True)
                self.crash_of(run_id).unlink(missing_ok=True)

    def write(self, record: Record) -> None:
        """Record a run. An attempt that is recorded already stays as it was.

        Raises:
            UserError: There is no room, or the folder cannot be written, or is no longer there.
        """
        path = self._file(record.run.id, record.attempt)
        try:
            self._runs.mkdir(exist_ok=True)
            write_new(path, record_files.text_of(record))
        except FileNotFoundError:
            raise claims.gone(self.root) from None
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"records must have room in a folder that can be written, but {path}: {reason}") from None

    def has(self, run_id: str, attempt: int = 1) -> bool:
        """Return whether this attempt of a run is recorded, or in a part a later one."""
        if self._file(run_id, attempt).exists():
            return True
        there = [_attempts(folder).get(run_id, 0) for folder in parts.folders(self._parts)]
        return any(last >= attempt and not self._is_out(run_id, last) for last in there)

    def read(self, run_id: str, attempt: int = 1) -> Record:
        """Return the record of an attempt; if it has been moved into a part meanwhile, from there.

        Raises:
            UserError: There is none that is whole.
        """
        path = self._file(run_id, attempt)
        try:
            return record_files.read(path)[1]
        except FileNotFoundError:
            for folder in parts.folders(self._parts):
                if _attempts(folder).get(run_id) == attempt:
                    with suppress(Unreadable):
                        return parts.record(folder, run_id)
            self.check_there()
            raise UserError(f"a record must stay where it was written, but {path} is no longer there") from None
        except UNREADABLE as error:
            raise UserError(f"a record must be whole, but {path} is not: {reason_of(error)}") from None

    def state_of(self, run_id: str) -> Path:
        """Return the place of the state of a run under way."""
        return self.root / "checkpoints" / f"{run_id}.npz"

    def crash_of(self, run_id: str) -> Path:
        """Return the place where a process says how it crashed in a run; see `crashes`."""
        return self.root / "claims" / f"{run_id}.crash"

    def survey(self, *, whole: bool = False) -> Survey:
        """Return which record of each run counts, and how it ended.

        Args:
            whole: Whether the specs and rows of records are looked at, too, whose checksum is right.
        """
        return self._look(record_files.read if whole else lambda path: (record_files.head(path), None))[1]

    def records(self) -> Iterator[Record]:
        """Yield the records that count, in the order of their ids; those of parts without their rows."""
        files, survey = self._look(record_files.read)
        found = {run: files[copy.place][1] for run, copy in survey.copies.items() if copy.place in files}
        for folder, ids in self._in_parts(survey).items():
            with suppress(Unreadable):
                found |= {record.run.id: record for record in parts.records(folder, ids)}
        yield from (found[run_id] for run_id in sorted(found))

    def frames(self) -> Frames:
        """Return the records that count as tables, and what cannot be read."""
        files, survey = self._look(record_files.read)
        damaged = list(survey.damaged)
        tables = [frames_of(_counting(files, survey))]
        for folder, ids in self._in_parts(survey).items():
            try:
                tables.append(parts.frames(folder).of(ids))
            except Unreadable as error:
                damaged.append(error.damaged)
        return joined(tables, damaged)

    def compact(self) -> int:
        """Move the runs that have files of their own into one part; return their number.

        Readers and writers may go on meanwhile. Of a run that has several records, the one that counts is moved and the
        others are removed. What is not in a part, whole, keeps its file.
        """
        sweep(self.root, "**/")
        files, survey = self._look(record_files.read)
        moved = _counting(files, survey)
        if moved:
            place = parts.write(self._parts, moved)
            written = {copy.run: copy.attempt for copy in parts.copies(place)}
            if written != {stored.id: stored.attempt for stored, _ in moved}:
                raise UserError(f"a part must have the records that were moved into it, but {place} has others")
        for path, (stored, _) in files.items():
            if stored.id in survey.copies:
                path.unlink(missing_ok=True)
        return len(moved)

    def take_out(self, ids: Collection[str]) -> None:
        """Move the records of runs into the folder `removed`, from which `put_back` takes them."""
        if not ids:
            return
        self._removed.mkdir(exist_ok=True)
        for folder, runs in self._in_parts(self.survey()).items():  # a part keeps its copy, which does not count then
            for run_id in sorted(runs & {*ids}):
                with suppress(Unreadable):
                    record = parts.record(folder, run_id)
                    write_new(
                        self._removed / record_files.name_of(run_id, record.attempt), record_files.text_of(record)
                    )
        for path in _files_of(self._runs, ids):
            path.replace(self._removed / path.name)
        for run_id in ids:
            self.state_of(run_id).unlink(missing_ok=True)

    def shrink(self, plan: Plan, ids: Collection[str]) -> None:
        """Take the records of runs out, and put a plan without these runs in the place of the one that is here."""
        with self.claim("study"):
            self.take_out(ids)
            write_file(self.root / PLAN, plan.text())

    def put_back(self, ids: Iterable[str]) -> None:
        """Take back the records of runs that were taken out, if they have none."""
        for path in _files_of(self._removed, frozenset(ids)):
            if not (self._runs / path.name).exists():
                self._runs.mkdir(exist_ok=True)
                path.replace(self._runs / path.name)

    def set_aside(self, damaged: tuple[Damaged, ...]) -> Path:
        """Move what cannot be read out of the way, whole parts included; return where to."""
        place = self.root / DAMAGED
        place.mkdir(exist_ok=True)
        for one in damaged:
            what = one.path.parent if one.path.parent.parent == self._parts else one.path
            if what.exists():
                what.rename(place / f"{what.name}-{uuid.uuid4().hex[:8]}")
        return place

    def _is_out(self, run_id: str, attempt: int) -> bool:
        """Return whether a record of a part does not count, since it was taken out."""
        return (self._removed / record_files.name_of(run_id, attempt)).exists()

    def _file(self, run_id: str, attempt: int) -> Path:
        return self._runs / record_files.name_of(run_id, attempt)

    def _look(self, read: Callable[[Path], tuple[Stored, R]]) -> tuple[Files[R], Survey]:
        """Return what `read` returns of each file of a run, and which record of each run counts.

        The files come before the parts: what is moved meanwhile is found in one of them.
        """
        files: Files[R] = {}
        copies: list[Copy] = []
        damaged: list[Damaged] = []
        for path in _files(self._runs):
            try:
                if not path.is_file():
                    raise ValueError("a record must be a file, but it is something else")
                stored, whole = read(path)
                copies.append(copy_of(stored, path))
                files[path] = stored, whole
            except FileNotFoundError:
                continue  # it has gone into a part
            except UNREADABLE as error:
                damaged.append(Damaged(path, reason_of(error)))
        for folder in parts.folders(self._parts):
            try:
                copies += (copy for copy in parts.copies(folder) if not self._is_out(copy.run, copy.attempt))
            except Unreadable as error:
                damaged.append(error.damaged)
        lost = self._lost(damaged)
        return files, Survey(newest(copies, lost), tuple(damaged), lost)

    def _in_parts(self, survey: Survey) -> dict[Path, set[str]]:
        """Return the runs whose records that count are in parts, by the part."""
        found: dict[Path, set[str]] = {}
        for run, copy in survey.copies.items():
            if copy.place.parent == self._parts:
                found.setdefault(copy.place, set()).add(run)
        return dict(sorted(found.items()))

    def _lost(self, damaged: list[Damaged]) -> dict[str, int]:
        """Return the last attempt of each run whose record is damaged, here or where it was set aside."""
        lost: dict[str, int] = {}
        aside = sorted((self.root / DAMAGED).glob("*"))
        for path, name in [
            *((one.path, one.path.name) for one in damaged),
            *((path, re.sub(r"-[0-9a-f]{8}$", "", path.name)) for path in aside),
        ]:
            folder = path.parent if path.parent.parent == self._parts else path
            of_file = record_files.run_and_attempt(name)
            for run, attempt in [of_file] if of_file else parts.attempts(folder).items():
                lost[run] = max(attempt, lost.get(run, 1))
        return lost


def _counting(files: Files[Record], survey: Survey) -> list[tuple[Stored, Record]]:
    """Return those of the files whose records count, in the order of their runs."""
    return [files[copy.place] for _, copy in sorted(survey.copies.items()) if copy.place in files]


def _files(folder: Path) -> list[Path]:
    """Return what is in a folder of records, in the order of the names."""
    with suppress(FileNotFoundError):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return []


def _files_of(folder: Path, runs: Collection[str]) -> list[Path]:
    """Return the files of these runs, of all their attempts."""
    named = ((path, record_files.run_and_attempt(path.name)) for path in _files(folder))
    return [path for path, of in named if of and of[0] in runs]


@lru_cache
def _attempts(folder: Path) -> Mapping[str, int]:
    """Return the attempt of each run of a part, which never changes; none if it is damaged."""
    try:
        return {copy.run: copy.attempt for copy in parts.copies(folder)}
    except Unreadable:
        return {}
