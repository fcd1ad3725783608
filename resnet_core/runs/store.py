"""Records on disk: a folder a study, in it a folder a run.

`<root>/study.json` says what was planned; `<root>/<run id>/` holds `run.json`, `epochs.parquet` and
`probes.parquet`. A run is written beside its place and renamed into it, so that a reader never sees
half of one and a process that dies leaves nothing that counts.
"""

import json
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError, first_mistake
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.records import SCHEMA, Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.spec_model import Spec

if TYPE_CHECKING:
    import pandas as pd

ASIDE = ".writing-"
DEFAULT = "its default"
SPECS: dict[str, type[Spec]] = {"net": NetSpec, "train": TrainSpec, "probe": ProbeSpec}
EPOCH_COLUMNS = {"epoch", "step", "loss", "accuracy"}
PROBE_COLUMNS = {"step", "epoch", "probe", "layer", "index", "path", "value"}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a plan: its id, its seed, and the levels of its factors."""

    id: str
    seed: int
    factors: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What a study set out to do.

    Attributes:
        name, question, source: The study, in words.
        base: What all its runs have in common: name of a setting to value. A folder holds one base.
        factors: Names of what is varied, in the study's order.
        commands: Every command that has added to the study.
        runs: The planned runs.
        threads: Number of threads that the runs are trained with: another may give other bits.
    """

    name: str
    question: str
    source: str
    base: dict[str, Any]
    factors: tuple[str, ...]
    commands: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    threads: int


@dataclass(frozen=True)
class Frames:
    """The records as tidy tables.

    Attributes:
        runs: A row a run: `run`, `seed`, the factors, `status`, `step`, `message`, the results, the
            cost of the network, and the fields of its specs as `net.…`, `train.…`, `probe.…`.
        epochs: `run`, and the columns of `Record.epochs`.
        probes: `run`, and the columns of `Record.probes`.
    """

    runs: "pd.DataFrame"
    epochs: "pd.DataFrame"
    probes: "pd.DataFrame"


class Store:
    """The records of one study.

    Args:
        root: The study's folder. It need not exist until something is written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def plan(self) -> Plan | None:
        """Return what was planned here, or None if nothing was.

        Raises:
            UserError: `study.json` is not one of ours.
        """
        path = self.root / "study.json"
        if not path.exists():
            return None
        values = _read_json(path)
        values.pop("schema")
        try:
            plan = TypeAdapter(Plan).validate_python(values)
        except ValidationError:
            raise UserError(f"a study's folder must hold a study.json of this program, but {path} is not one") from None
        if any(run.factors.keys() != set(plan.factors) for run in plan.runs) or not plan.runs:
            raise UserError(f"every run of a study.json must have the study's factors, but in {path} one has not")
        return plan

    def check_base(self, base: dict[str, Any], unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added.

        Args:
            base: See `Plan`. A setting that is not there has its default.
            unknown: Settings that are not compared.

        Raises:
            UserError: What is here has another base, so that its runs cannot be compared.
        """
        here = self.plan()
        if here is None:
            return
        names = [name for name in {**here.base, **base} if name not in unknown]
        different = [name for name in names if here.base.get(name, _default(name)) != base.get(name, _default(name))]
        if different:
            was, now = (values.get(different[0], DEFAULT) for values in (here.base, base))
            raise UserError(
                f"the runs of a study must differ in its factors alone, but {self.root} was made with "
                f"{different[0]}={was}, not {now}; choose another --out"
            )

    def add_plan(self, plan: Plan) -> None:
        """Add `plan` to what was planned here: its runs and its command.

        Raises:
            UserError: See `check_base`.
        """
        self.check_base(plan.base)
        here = self.plan()
        if here is not None:
            runs = {run.id: run for run in (*here.runs, *plan.runs)}
            commands = dict.fromkeys((*here.commands, *plan.commands))
            plan = replace(plan, runs=tuple(runs.values()), commands=tuple(commands), threads=here.threads)
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        if plan == here:
            return
        aside = self._aside()
        aside.write_text(json.dumps({"schema": SCHEMA, **asdict(plan)}, indent=1) + "\n")
        aside.replace(self.root / "study.json")

    def _aside(self) -> Path:
        """Return a path beside the runs that no other process or machine writes to."""
        return self.root / f"{ASIDE}{platform.node()}-{os.getpid()}-{uuid.uuid4().hex}"

    def _sweep(self) -> None:
        """Remove what a process of this machine that is no more was writing."""
        for left in self.root.glob(f"{ASIDE}{platform.node()}-*"):
            pid = int(left.name.split("-")[-2])
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            except PermissionError:
                continue  # another user's, and alive

    def ids(self) -> set[str]:
        """Return the ids of the runs that are recorded."""
        return {path.parent.name for path in self.root.glob("*/run.json") if not path.parent.name.startswith(".")}

    def write(self, record: Record) -> None:
        """Record a run. A run that is recorded already stays as it was."""
        import pandas as pd

        aside = self._aside()
        aside.mkdir(parents=True)
        pd.DataFrame(record.epochs).to_parquet(aside / "epochs.parquet", index=False)
        pd.DataFrame(record.probes).to_parquet(aside / "probes.parquet", index=False)
        text = json.dumps(record.to_dict(), indent=1, allow_nan=False)
        (aside / "run.json").write_text(text + "\n")
        place = self.root / record.run.id
        if place.exists() and not (place / "run.json").exists():
            shutil.rmtree(place)  # no record: somebody has taken its run.json away
        try:
            aside.rename(place)
        except OSError:
            if not place.exists():
                raise
            shutil.rmtree(aside)

    def records(self) -> Iterator[Record]:
        """Yield the recorded runs in the order of their ids, without the rows of epochs and probes.

        Raises:
            UserError: A `run.json` is damaged, or of a later version.
        """
        for run_id in sorted(self.ids()):
            path = self.root / run_id / "run.json"
            values = _read_json(path)
            try:
                record = TypeAdapter(Stored).validate_python(values).record()
            except (ValidationError, UserError, KeyError, TypeError) as error:
                reason = first_mistake(error) if isinstance(error, ValidationError) else str(error)
                raise UserError(
                    f"a run.json must be a whole record, but {path} is not: {reason}; move it away"
                ) from None
            if record.run.id != run_id:
                raise UserError(
                    f"a record must stand in the folder of its id, but {path} is {record.run.id}; move it away"
                )
            yield record

    def frames(self) -> Frames:
        """Return all records as three tables.

        Raises:
            UserError: A record is damaged.
        """
        import pandas as pd

        records = list(self.records())
        runs = pd.DataFrame([dict(_columns(record)) for record in records])
        ids = [record.run.id for record in records]
        return Frames(runs, self._rows(ids, "epochs", EPOCH_COLUMNS), self._rows(ids, "probes", PROBE_COLUMNS))

    def _rows(self, ids: list[str], name: str, columns: set[str]) -> "pd.DataFrame":
        import pandas as pd

        def table(run_id: str) -> pd.DataFrame:
            path = self.root / run_id / f"{name}.parquet"
            try:
                rows = pd.read_parquet(path)
            except (OSError, ValueError) as error:  # pyarrow's errors are subclasses of these
                raise UserError(f"a record must be whole, but {path} cannot be read: {error}; move it away") from None
            if len(rows) and not columns <= set(rows):
                lacking = ", ".join(sorted(columns - set(rows)))
                raise UserError(f"a record must be whole, but {path} lacks {lacking}; move it away")
            return rows

        tables = [table(run_id) for run_id in ids]
        filled = {run_id: rows for run_id, rows in zip(ids, tables, strict=True) if len(rows)}
        if not filled:
            return pd.DataFrame()
        return pd.concat(filled, names=["run"]).reset_index("run").reset_index(drop=True)


@dataclass(frozen=True)
class Stored:
    """The content of a `run.json`, as it is checked when it is read."""

    run: dict[str, Any]
    outcome: Outcome
    results: dict[str, float]
    network: dict[str, int]
    environment: dict[str, Any]
    seconds: float

    def record(self) -> Record:
        """Return the record, without the rows of epochs and probes."""
        run = Run.from_dict(self.run)
        about: dict[str, Any] = {"network": self.network, "environment": self.environment, "seconds": self.seconds}
        return Record(run, self.outcome, self.results, **about)


def _columns(record: Record) -> Iterator[tuple[str, Any]]:
    run = record.run
    yield from {"run": run.id, "seed": run.seed, **run.factors}.items()
    yield from vars(record.outcome).items()
    yield from record.results.items()
    yield from record.network.items()
    yield "seconds", record.seconds
    for name, spec in (("net", run.net), ("train", run.train), ("probe", run.probe)):
        yield from ((f"{name}.{field}", value) for field, value in spec.model_dump().items())


def _default(setting: str) -> Any:
    """Return the default of a setting of a plan's base, as JSON gives it back."""
    kind, _, name = setting.partition(".")
    fields = SPECS[kind].model_fields if kind in SPECS else {}
    default = fields[name].default if name in fields else DEFAULT
    return list(default) if isinstance(default, tuple) else default


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"a record must be readable, but {path} is not: {error}; move it away") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        found = values.get("schema", "none") if isinstance(values, dict) else "none"
        raise UserError(f"a record must be of schema {SCHEMA}, but {path} has {found}")
    return values
