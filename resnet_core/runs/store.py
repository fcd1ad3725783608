"""Records on disk: a folder a study, in it a folder a run.

`<root>/study.json` says what was planned; `<root>/<run id>/` holds `run.json`, `epochs.parquet` and
`probes.parquet`. A run is written beside its place and renamed into it, so that a reader never sees
half of one and a process that dies leaves nothing that counts.
"""

import json
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.runs.records import SCHEMA, Outcome, Record
from resnet_core.runs.spec import Run

if TYPE_CHECKING:
    import pandas as pd

ASIDE = ".writing-"


@dataclass(frozen=True)
class Plan:
    """What a study set out to do.

    Attributes:
        name, question, source: The study, in words.
        base: What all its runs have in common: name of a setting to value. A folder holds one base.
        factors: Names of what is varied, in the study's order.
        commands: Every command that has added to the study.
        runs: The planned runs: id, seed and factors.
    """

    name: str
    question: str
    source: str
    base: dict[str, Any]
    factors: tuple[str, ...]
    commands: tuple[str, ...]
    runs: tuple[dict[str, Any], ...]


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
            plan = Plan(**values)
        except TypeError:
            raise UserError(f"a study's folder must hold a study.json of this program, but {path} is not one") from None
        return replace(plan, factors=tuple(plan.factors), commands=tuple(plan.commands), runs=tuple(plan.runs))

    def add_plan(self, plan: Plan) -> None:
        """Add `plan` to what was planned here: its runs and its command.

        Raises:
            UserError: What is here has another base, so that its runs cannot be compared.
        """
        here = self.plan()
        if here is not None:
            different = [key for key in {**here.base, **plan.base} if here.base.get(key) != plan.base.get(key)]
            if different:
                key = different[0]
                raise UserError(
                    f"the runs of a study must differ in its factors alone, but {self.root} was made with "
                    f"{key}={here.base.get(key)!r}, not {plan.base.get(key)!r}; choose another --out"
                )
            known = {run["id"]: run for run in here.runs}
            runs = tuple({**known, **{run["id"]: run for run in plan.runs}}.values())
            plan = replace(plan, runs=runs, commands=tuple(dict.fromkeys((*here.commands, *plan.commands))))
        self.root.mkdir(parents=True, exist_ok=True)
        self._sweep()
        if plan == here:
            return
        aside = self.root / f"{ASIDE}{uuid.uuid4().hex}"
        aside.write_text(json.dumps({"schema": SCHEMA, **vars(plan)}, indent=1) + "\n")
        aside.replace(self.root / "study.json")

    def _sweep(self) -> None:
        """Remove what a process that died was writing."""
        for left in self.root.glob(f"{ASIDE}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    def ids(self) -> set[str]:
        """Return the ids of the runs that are recorded."""
        return {path.parent.name for path in self.root.glob("*/run.json") if not path.parent.name.startswith(".")}

    def write(self, record: Record) -> None:
        """Record a run. A run that is recorded already stays as it was."""
        import pandas as pd

        aside = self.root / f"{ASIDE}{uuid.uuid4().hex}"
        aside.mkdir(parents=True)
        pd.DataFrame(record.epochs).to_parquet(aside / "epochs.parquet", index=False)
        pd.DataFrame(record.probes).to_parquet(aside / "probes.parquet", index=False)
        text = json.dumps(record.to_dict(), indent=1, allow_nan=False)
        (aside / "run.json").write_text(text + "\n")
        place = self.root / record.run.id
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
                yield Record(
                    Run.from_dict(values["run"]),
                    Outcome(**values["outcome"]),
                    values["results"],
                    environment=values["environment"],
                    seconds=values["seconds"],
                )
            except (KeyError, TypeError, UserError) as error:
                raise UserError(
                    f"a run.json must be a whole record, but {path} is not: {error}; move it away"
                ) from None

    def frames(self) -> Frames:
        """Return all records as three tables.

        Raises:
            UserError: A record is damaged.
        """
        import pandas as pd

        records = list(self.records())
        runs = pd.DataFrame([dict(_columns(record)) for record in records])
        tables = (self._rows([record.run.id for record in records], name) for name in ("epochs", "probes"))
        return Frames(runs, *tables)

    def _rows(self, ids: list[str], name: str) -> "pd.DataFrame":
        import pandas as pd

        def table(run_id: str) -> pd.DataFrame:
            path = self.root / run_id / f"{name}.parquet"
            try:
                return pd.read_parquet(path)
            except (OSError, ValueError) as error:  # pyarrow's errors are subclasses of these
                raise UserError(f"a record must be whole, but {path} cannot be read: {error}; move it away") from None

        tables = [table(run_id) for run_id in ids]
        filled = {run_id: rows for run_id, rows in zip(ids, tables, strict=True) if len(rows)}
        if not filled:
            return pd.DataFrame()
        return pd.concat(filled, names=["run"]).reset_index("run").reset_index(drop=True)


def _columns(record: Record) -> Iterator[tuple[str, Any]]:
    run, network = record.run, cost(record.run.net)
    yield from {"run": run.id, "seed": run.seed, **run.factors}.items()
    yield from vars(record.outcome).items()
    yield from record.results.items()
    yield "layers", run.net.depth
    yield "parameters", network.trainable
    yield "macs", network.macs
    yield "seconds", record.seconds
    for name, spec in (("net", run.net), ("train", run.train), ("probe", run.probe)):
        yield from ((f"{name}.{field}", value) for field, value in spec.model_dump().items())


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"a record must be readable, but {path} is not: {error}; move it away") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        found = values.get("schema", "none") if isinstance(values, dict) else "none"
        raise UserError(f"a record must be of schema {SCHEMA}, but {path} has {found}")
    return values
