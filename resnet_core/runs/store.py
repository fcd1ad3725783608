"""Records on disk: a folder a study.

`study.json` says what was planned. `runs/<id>.json` is a run, whole; it is written beside its place and
put into it at once, so that a reader never sees half of one and a process that dies leaves nothing that
counts. `parts/<name>/` holds many runs as parquet tables; what is in `runs` goes before it. `claims` says
who executes what, `checkpoints` how far it is, and `damaged` holds what could not be read.
"""

import json
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from filelock import SoftFileLease, Timeout
from pydantic import ValidationError

from resnet_core.errors import UserError, first_mistake
from resnet_core.folders import path_aside, sweep
from resnet_core.runs.frames import (
    NAMES,
    RECORD,
    Damaged,
    Frames,
    check_parquet,
    columns_of,
    frames_of,
    joined,
    read_parquet,
    write_parquet,
)  # fmt: skip
from resnet_core.runs.outcomes import COLUMNS, statuses
from resnet_core.runs.plan import Plan
from resnet_core.runs.records import FAILED, SCHEMA, Record, Stored
from resnet_core.spec_model import digest

LEASE_SECONDS = 60.0
UNREADABLE = (OSError, ValueError, KeyError, TypeError, UserError)


@dataclass(frozen=True)
class Survey:
    """What is in a store, without the rows.

    Attributes:
        statuses: How each recorded run ended, by its id.
        damaged: What could not be read.
    """

    statuses: dict[str, str]
    damaged: tuple[Damaged, ...]


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
        path = self.root / "study.json"
        return Plan.read(path) if path.exists() else None

    def check_base(self, base: dict[str, Any], unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added; see `Plan.check_base`."""
        here = self.plan()
        if here:
            here.check_base(base, self.root, unknown)

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
        with self._lease("study"):
            here = self.plan()
            if here:
                here.check_base(plan.base, self.root)
                if not mixed:
                    here.check_code(plan, self.root)
                plan = here.grown(plan)
            if plan != here:
                self._put(self.root / "study.json", plan.text())
            self.take_out({run.id for run in here.runs} - {run.id for run in plan.runs} if here else set())
            self.put_back(run.id for run in plan.runs)

    def claim(self, run_id: str) -> SoftFileLease:
        """Return the claim to execute a run, not yet taken; see `SoftFileLease`."""
        return self._lease(run_id)

    def claimed(self) -> set[str]:
        """Return the ids of the runs whose claims have not expired: somebody is executing them, or was a moment ago."""
        found = set()
        for path in (self.root / "claims").glob("*.lock"):
            with suppress(FileNotFoundError):  # it has been given back
                if time.time() - path.stat().st_mtime < LEASE_SECONDS:
                    found.add(path.stem)
        return found - {"study", "search"}

    def tidy(self, statuses: Mapping[str, str]) -> None:
        """Remove what launchers that are no more have left of recorded runs: claims, and states nobody will take up."""
        for path in (self.root / "claims").glob("*.lock"):
            if path.stem in statuses:
                with suppress(Timeout), self._lease(path.stem).acquire(timeout=0):
                    pass
        for run_id, status in statuses.items():
            if status not in FAILED:
                self.state_of(run_id).unlink(missing_ok=True)

    def _lease(self, name: str) -> SoftFileLease:
        """Return a lock that expires when its owner does not refresh it: it may be on another machine, or no more."""
        folder = self.root / "claims"
        folder.mkdir(parents=True, exist_ok=True)
        return SoftFileLease(folder / f"{name}.lock", lease_duration=LEASE_SECONDS, timeout=2 * LEASE_SECONDS)

    def _put(self, path: Path, text: str) -> None:
        """Write a file at once, over what is there."""
        aside = path_aside(path.parent)
        aside.write_text(text)
        aside.replace(path)

    def write(self, record: Record, *, again: bool = False) -> None:
        """Record a run. A run that is recorded already stays as it was, unless it was run `again`.

        Raises:
            UserError: There is no room, or the folder cannot be written.
        """
        path = self._runs / f"{record.run.id}.json"
        text = json.dumps(record.to_dict(), allow_nan=False, separators=(",", ":"))
        try:
            self._runs.mkdir(parents=True, exist_ok=True)
            if again or not path.exists():
                self._put(path, text + "\n")
        except OSError as error:
            reason = error.strerror or error
            raise UserError(f"records must have room in a folder that can be written, but {path}: {reason}") from None

    def has(self, run_id: str) -> bool:
        """Return whether a run is recorded."""
        alone = (self._runs / f"{run_id}.json").exists()
        return alone or any(run_id in _part_ids(folder / "runs.parquet") for folder in self._folders())

    def status(self, run_id: str) -> str | None:
        """Return how a run that has a file of its own ended, or None if it has none that can be read."""
        try:
            return self.read(run_id).outcome.status
        except UNREADABLE:
            return None

    def read(self, run_id: str) -> Record:
        """Return the record of a run that has a file of its own.

        Raises:
            OSError, ValueError, KeyError, TypeError, UserError: It has none, or it is damaged.
        """
        return _read(self._runs / f"{run_id}.json")[1]

    def state_of(self, run_id: str) -> Path:
        """Return the place of the state of a run under way."""
        return self.root / "checkpoints" / f"{run_id}.npz"

    def survey(self) -> Survey:
        """Return how each recorded run ended."""
        stored, damaged = self._read()
        found: dict[str, str] = {}
        for folder in self._folders():
            try:
                check_parquet([folder / f"{name}.parquet" for name in NAMES])
                table = read_parquet(folder / "runs.parquet", columns_of(folder / "runs.parquet", COLUMNS))
                found |= dict(zip(table["run"], statuses(table), strict=True))
            except (OSError, ValueError) as error:  # pyarrow's errors are subclasses of these
                damaged.append(Damaged(folder / "runs.parquet", str(error)))
        return Survey(found | {one.id: record.status for one, record in stored}, tuple(damaged))

    def records(self) -> Iterator[Record]:
        """Yield the records that can be read, in the order of their ids; those of parts without their rows."""
        found = {one.id: record for one, record in self._read()[0]}
        for folder in self._folders():
            try:
                texts = read_parquet(folder / "runs.parquet", ["run", RECORD])
            except (OSError, ValueError):
                continue
            for run_id, text in zip(texts["run"], texts[RECORD], strict=True):
                if run_id not in found:
                    found[run_id] = Stored.from_dict(json.loads(text)).record()
        yield from (found[run_id] for run_id in sorted(found))

    def frames(self) -> Frames:
        """Return all records that can be read as tables, and what cannot be."""
        read, damaged = self._read()
        return joined([frames_of(read, damaged), *(self._part(folder) for folder in self._folders())])

    def compact(self) -> int:
        """Move the runs that have files of their own into one part; return their number.

        Readers and writers may go on meanwhile. What is not in the part, whole, keeps its file.
        """
        read, _ = self._read()
        if not read:
            return 0
        frames = frames_of(read)
        texts = [json.dumps(replace(record, epochs=[], probes=[]).to_dict()) for _, record in read]
        self._parts.mkdir(exist_ok=True)
        aside = path_aside(self._parts)
        aside.mkdir()
        write_parquet(frames.runs.assign(**{RECORD: texts}), aside / "runs.parquet")
        write_parquet(frames.epochs, aside / "epochs.parquet")
        write_parquet(frames.probes, aside / "probes.parquet")
        place = self._parts / digest(*texts)
        if not place.exists():
            aside.rename(place)
        written = self._part(place)
        if not written.damaged and written.runs["run"].tolist() == frames.runs["run"].tolist():
            for stored, _ in read:
                (self._runs / f"{stored.id}.json").unlink(missing_ok=True)
        return len(read)

    def take_out(self, ids: Collection[str]) -> None:
        """Move the records of runs into the folder `removed`, from which `put_back` takes them."""
        for run_id in ids:
            for path, place in ((self._runs / f"{run_id}.json", self._removed / f"{run_id}.json"),):
                if path.exists():
                    self._removed.mkdir(exist_ok=True)
                    path.replace(place)
            self.state_of(run_id).unlink(missing_ok=True)

    def put_back(self, ids: Iterable[str]) -> None:
        """Take back the records of runs that were taken out, if they have none."""
        for run_id in {path.stem for path in self._removed.glob("[!.]*.json")} & {*ids}:
            if not self.has(run_id):
                self._runs.mkdir(exist_ok=True)
                (self._removed / f"{run_id}.json").replace(self._runs / f"{run_id}.json")

    def set_aside(self, damaged: tuple[Damaged, ...]) -> Path:
        """Move what cannot be read out of the way, whole parts included; return where to."""
        place = self.root / "damaged"
        place.mkdir(exist_ok=True)
        for one in damaged:
            what = one.path.parent if one.path.parent.parent == self._parts else one.path
            if what.exists():
                what.rename(place / f"{what.name}-{uuid.uuid4().hex[:8]}")
        return place

    def _read(self) -> tuple[list[tuple[Stored, Record]], list[Damaged]]:
        """Return the runs that have files of their own, in the order of their ids, and those that are damaged."""
        read: list[tuple[Stored, Record]] = []
        damaged: list[Damaged] = []
        for path in sorted(self._runs.glob("[!.]*.json")):
            try:
                read.append(_read(path))
            except FileNotFoundError:
                continue  # it has gone into a part
            except UNREADABLE as error:
                damaged.append(Damaged(path, _reason(error)))
        return read, damaged

    def _folders(self) -> list[Path]:
        return sorted(path for path in self._parts.glob("*") if not path.name.startswith("."))

    def _part(self, folder: Path) -> Frames:
        import pandas as pd

        try:
            runs, epochs, probes = (read_parquet(folder / f"{name}.parquet") for name in NAMES)
            return Frames(runs.assign(status=statuses(runs)), epochs, probes)
        except (OSError, ValueError) as error:
            empty = pd.DataFrame()
            return Frames(empty, empty, empty, (Damaged(folder / "runs.parquet", str(error)),))


def _reason(error: Exception) -> str:
    match error:
        case ValidationError():
            return first_mistake(error)
        case KeyError():
            return f"it lacks {error}"
        case _:
            return str(error)


@lru_cache
def _part_ids(path: Path) -> frozenset[str]:
    """Return the runs of a part, which never changes."""
    try:
        return frozenset(read_parquet(path, ["run"])["run"])
    except (OSError, ValueError):
        return frozenset()


def _read(path: Path) -> tuple[Stored, Record]:
    values = json.loads(path.read_bytes())
    schema = values.get("schema", "none") if isinstance(values, dict) else "none"
    if schema != SCHEMA:
        raise ValueError(f"a record must be of schema {SCHEMA}, but it has {schema}")
    stored = Stored.from_dict(values)
    record = stored.record()
    if not path.stem == record.run.id == stored.id:
        raise ValueError(f"a record must have the name of its run, but it is {record.run.id}")
    return stored, record
