"""`Store`: the records of a study in a folder.

`study.json` is the plan. `runs/<id>.json` is the record of a run, and `runs/<id>-2.json` that of its second attempt. A
record is written atomically, so a reader never sees a part of it, and a process that dies leaves nothing that counts.
`parts/<name>/` holds the records of many runs as parquet tables. Of several records of a run the newest counts, see
`copies`. `claims` has the claims to runs, `checkpoints` the states of unfinished runs, `networks` the kept networks,
`damaged` the files that could not be read, and `removed` the records of runs that are no longer planned.
"""

import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from resnet_core.errors import UserError
from resnet_core.folders import sweep, write_file, write_new
from resnet_core.runs.records import claims, measurements, networks, parts
from resnet_core.runs.records import files as record_files
from resnet_core.runs.records.files import reason_of
from resnet_core.runs.records.frames import Damaged, Frames, frames_of, joined
from resnet_core.runs.records.parts import UnreadablePart
from resnet_core.runs.records.plan import Plan
from resnet_core.runs.records.record import FAILED, Record
from resnet_core.runs.records.survey import (
    DAMAGED,
    PARTS,
    REMOVED,
    RUNS,
    Survey,
    counting,
    files_of,
    in_parts,
    is_out,
    look,
)
from resnet_core.sealed import UNREADABLE

if TYPE_CHECKING:
    import keras

PLAN = "study.json"
NOT_RUNS = frozenset({"study", "search"})
"""Names of claims that belong to no run."""


class Store:
    """The records of one study.

    Args:
        root: The study's folder. It need not exist until something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._runs, self._parts, self._removed = root / RUNS, root / PARTS, root / REMOVED

    def plan(self) -> Plan | None:
        """Return the plan, or `None` without one.

        Raises:
            UserError: `study.json` is not a file of this program.
        """
        path = self.root / PLAN
        return Plan.read(path) if path.exists() else None

    def check_base(self, base: dict[str, Any], unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added; see `Plan.check_base`."""
        plan = self.plan()
        if plan:
            plan.check_base(base, self.root, unknown)

    def check_there(self) -> None:
        """Check that the folder exists.

        Raises:
            UserError: The folder no longer exists.
        """
        if not self.root.is_dir():
            raise claims.gone(self.root)

    def add_plan(self, plan: Plan, *, mixed: bool = False) -> bool:
        """Add the runs and the command of `plan` to the stored plan; return whether removed records were put back.

        Args:
            plan: The plan to add.
            mixed: Whether other runs may have an older code of a block.

        Raises:
            UserError: See `check_base`.
        """
        self.check_base(plan.base)
        self.root.mkdir(parents=True, exist_ok=True)
        sweep(self.root, "**/")
        with claims.held(self.root, "study", "change a study's plan"):
            before = self.plan()
            if before:
                before.check_base(plan.base, self.root)
                if not mixed:
                    before.check_code(plan, self.root)
                plan = before.grown(plan)
            if plan != before:
                write_file(self.root / PLAN, plan.text())
            self.take_out({run.id for run in before.runs} - {run.id for run in plan.runs} if before else set())
            return self.put_back(run.id for run in plan.runs)

    def claim(self, run_id: str) -> claims.RunLease:
        """Return the claim to execute a run. The claim is not taken yet.

        Raises:
            UserError: The folder does not exist.
        """
        return claims.claim(self.root, run_id)

    def claimed(self) -> set[str]:
        """Return the ids of the runs whose claims have not expired."""
        return claims.claimed(self.root) - NOT_RUNS

    def tidy(self, statuses: Mapping[str, str]) -> None:
        """Remove claims and states of recorded runs that dead launchers left behind."""
        for path in (self.root / "claims").glob("*.lock"):
            if path.stem in statuses:
                with suppress(Timeout), self.claim(path.stem).acquire(timeout=0):
                    pass
        for run_id, status in statuses.items():
            if status not in FAILED:
                self.state_of(run_id).unlink(missing_ok=True)
                self.crash_of(run_id).unlink(missing_ok=True)

    def write(self, record: Record) -> None:
        """Record a run. An attempt that is already recorded does not change.

        Raises:
            UserError: The disk is full, or the folder is not writable or no longer exists.
        """
        path = self._file(record.run.id, record.attempt)
        try:
            self._runs.mkdir(exist_ok=True)
            write_new(path, record_files.text_of(record))
        except FileNotFoundError:
            raise claims.gone(self.root) from None
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"records must have room in a writable folder, but {path}: {reason}") from None

    def has(self, run_id: str, attempt: int = 1) -> bool:
        """Return whether this attempt of a run, or a later one in a part, is recorded."""
        if self._file(run_id, attempt).exists():
            return True
        attempts = [parts.intact_attempts(folder).get(run_id, 0) for folder in parts.folders(self._parts)]
        return any(last >= attempt and not is_out(self.root, run_id, last) for last in attempts)

    def read(self, run_id: str, attempt: int = 1) -> Record:
        """Return the record of an attempt, which may have been moved into a part.

        Raises:
            UserError: The record is missing or damaged.
        """
        path = self._file(run_id, attempt)
        try:
            return record_files.read(path)[1]
        except FileNotFoundError:
            for folder in parts.folders(self._parts):
                if parts.intact_attempts(folder).get(run_id) == attempt:
                    with suppress(UnreadablePart):
                        return parts.record(folder, run_id)
            self.check_there()
            raise UserError(f"a record must stay where it was written, but {path} is no longer there") from None
        except UNREADABLE as error:
            raise UserError(f"a record must be whole, but {path} is not: {reason_of(error)}") from None

    def network(self, run_id: str) -> "keras.Model":
        """Return the trained network of a run, if it was kept; see `networks.network_of`.

        Raises:
            UserError: The run is not recorded, or its network was not kept, or is damaged.
        """
        copy = self.survey().copies.get(run_id)
        if copy is None:
            raise UserError(f"a run must be recorded, but '{run_id}' is not in {self.root}; `status` lists the runs")
        return networks.network_of(self.root, self.read(run_id, copy.attempt).run)

    def state_of(self, run_id: str) -> Path:
        """Return the path of the saved state of an unfinished run."""
        return self.root / "checkpoints" / f"{run_id}.npz"

    def crash_of(self, run_id: str) -> Path:
        """Return the path of the crash report of a run; see `crashes`."""
        return self.root / "claims" / f"{run_id}.crash"

    def survey(self, *, whole: bool = False) -> Survey:
        """Return the survey of the folder.

        Args:
            whole: Whether specs and rows are checked, too, and not only checksums.
        """
        return look(self.root, record_files.read if whole else lambda path: (record_files.head(path), None))[1]

    def records(self) -> Iterator[Record]:
        """Yield the records that count, in the order of their ids. Records in parts have no rows here."""
        files, survey = look(self.root, record_files.read)
        by_run = {run: files[copy.place][1] for run, copy in survey.copies.items() if copy.place in files}
        for folder, ids in in_parts(survey).items():
            with suppress(UnreadablePart):
                by_run |= {record.run.id: record for record in parts.records(folder, ids)}
        yield from (by_run[run_id] for run_id in sorted(by_run))

    def whole(self, ids: Set[str]) -> Iterator[Record]:
        """Yield the records that count of these runs, with their rows. Damaged ones are left out."""
        files, survey = look(self.root, record_files.read, ids)
        yield from (record for _, record in counting(files, survey))
        for folder, runs in in_parts(survey).items():
            with suppress(UnreadablePart):
                yield from parts.whole(folder, runs)

    def frames(self) -> Frames:
        """Return the records that count as tables, with the damaged files."""
        files, survey = look(self.root, record_files.read)
        damaged = list(survey.damaged)
        tables = [frames_of(counting(files, survey))]
        for folder, ids in in_parts(survey).items():
            try:
                tables.append(parts.frames(folder).of_runs(ids))
            except UnreadablePart as error:
                damaged.append(error.damaged)
        probed, damaged_too = measurements.table(self.root)
        frames = joined(tables, [*damaged, *damaged_too])
        return replace(frames, probed=probed[probed["run"].isin({*frames.runs.get("run", ())})].reset_index(drop=True))

    def compact(self) -> int:
        """Move all records in single files into one part, and return their number.

        Other processes may read and write at the same time. Of several records of a run, the one that counts is moved,
        and the others are removed. A file is removed only after its record is intact in the part.
        """
        sweep(self.root, "**/")
        files, survey = look(self.root, record_files.read)
        moved = counting(files, survey)
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
        """Move the records of runs into the folder `removed`. `put_back` moves them back."""
        if not ids:
            return
        self._removed.mkdir(exist_ok=True)
        for folder, runs in in_parts(self.survey()).items():  # the copy in a part remains, but does not count
            for run_id in sorted(runs & {*ids}):
                with suppress(UnreadablePart):
                    record = parts.record(folder, run_id)
                    write_new(
                        self._removed / record_files.name_of(run_id, record.attempt), record_files.text_of(record)
                    )
        for path in files_of(self._runs, ids):
            path.replace(self._removed / path.name)
        for run_id in ids:
            self.state_of(run_id).unlink(missing_ok=True)

    def shrink(self, plan: Plan, ids: Collection[str]) -> None:
        """Move the records of runs into `removed`, and write the plan without the runs."""
        with claims.held(self.root, "study", "change a study's plan"):
            self.take_out(ids)
            write_file(self.root / PLAN, plan.text())

    def put_back(self, ids: Iterable[str]) -> bool:
        """Move the records of these runs from `removed` back, unless a run has a record; return whether any was."""
        back = [path for path in files_of(self._removed, {*ids}) if not (self._runs / path.name).exists()]
        for path in back:
            self._runs.mkdir(exist_ok=True)
            path.replace(self._runs / path.name)
        return bool(back)

    def set_aside(self, damaged: tuple[Damaged, ...]) -> Path:
        """Move damaged files and parts into the folder `damaged`, and return this folder."""
        place = self.root / DAMAGED
        place.mkdir(exist_ok=True)
        for file in damaged:
            moved = file.path.parent if file.path.parent.parent == self._parts else file.path
            if moved.exists():
                moved.rename(place / f"{moved.name}-{uuid.uuid4().hex[:8]}")
        return place

    def _file(self, run_id: str, attempt: int) -> Path:
        return self._runs / record_files.name_of(run_id, attempt)
