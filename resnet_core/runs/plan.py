"""What a study set out to do, as `study.json` keeps it."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.spec_model import Spec

SCHEMA = 1
DEFAULT = "its default"
SPECS: dict[str, type[Spec]] = {"net": NetSpec, "train": TrainSpec, "probe": ProbeSpec}


@dataclass(frozen=True)
class PlannedRun:
    """A run of a plan: its id, seed and levels of factors; if its block is a user's, the block's name and code."""

    id: str
    seed: int
    factors: dict[str, Any]
    block: str = ""
    code: str = ""

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return what a plan keeps of a run."""
        return cls(run.id, run.seed, run.factors, *((run.net.block, run.code) if run.code else ()))

    @property
    def label(self) -> str:
        """What tells the run from the others of its study, for people."""
        levels = (f"{name}={level}" for name, level in self.factors.items() if level is not None)
        return " ".join([*levels, f"seed={self.seed}"])

    @property
    def place(self) -> str:
        """What is the same of a run and of that with another code of its block."""
        return json.dumps([self.seed, self.block, self.factors], sort_keys=True, default=str)


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
        claims: What is claimed of the arms; `analysis.claims` reads them.
        published: What others have published of the arms, see `ablations.study.Published`.
        tuning: What the trials of learning rates came to, if there were any: a row for each arm and rate, with `arm`,
            `learning_rate`, `val_accuracy` and `val_loss` (of each trial; null if it failed), and whether it was
            `chosen`.
    """

    name: str
    question: str
    source: str
    base: dict[str, Any]
    factors: tuple[str, ...]
    commands: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    threads: int
    claims: tuple[dict[str, Any], ...] = ()
    published: tuple[dict[str, Any], ...] = ()
    tuning: tuple[dict[str, Any], ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a `study.json`.

        Raises:
            UserError: It is not one of ours.
        """
        foreign = f"a study's folder must hold a study.json of this program, but {path} is not one"
        try:
            values = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise UserError(f"{foreign}: {error}") from None
        if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
            raise UserError(f"{foreign} of schema {SCHEMA}")
        try:
            plan: Self = TypeAdapter(cls).validate_python(values)
        except ValidationError:
            raise UserError(foreign) from None
        if any(run.factors.keys() != set(plan.factors) for run in plan.runs) or not plan.runs:
            raise UserError(f"every run of a study.json must have the study's factors, but in {path} one has not")
        return plan

    def text(self) -> str:
        """Return the content of the `study.json`."""
        values = asdict(self)
        for run in values["runs"]:
            if not run["code"]:
                del run["block"], run["code"]
        return json.dumps({"schema": SCHEMA, **values}, indent=1) + "\n"

    def check_base(self, base: dict[str, Any], place: Path, unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added.

        Args:
            base: See `Plan`. A setting that is not there has its default.
            place: The study's folder.
            unknown: Settings that are not compared.

        Raises:
            UserError: The plan has another base, so that its runs cannot be compared.
        """
        if self.base.get("code") or self.base.get("search.code"):
            raise UserError(
                f"{place} was made by an earlier version, whose runs had the whole text of a plugin in their ids; it "
                "cannot be added to, but it can be reported; choose another --out for new runs"
            )
        names = [name for name in {**self.base, **base} if name not in unknown]
        for name in names:
            if self.base.get(name, _default(name)) != base.get(name, _default(name)):
                if ".code." in f".{name}":
                    raise UserError(
                        f"the code of a block must be one in all trials, but that of '{name.rpartition('.')[2]}' has "
                        f"changed since {place} was begun; choose another --name or --out"
                    )
                was, now = self.base.get(name, DEFAULT), base.get(name, DEFAULT)
                raise UserError(
                    f"the runs of a study must differ in its factors alone, but {place} was made with "
                    f"{name}={was}, not {now}; choose another --out"
                )

    def check_code(self, by: "Plan", place: Path) -> None:
        """Check that every block has one code in this plan and another together.

        Raises:
            UserError: A block has changed since a run was planned that does not get a newer one.
        """
        codes = {run.block: run.code for run in by.runs}
        for run in self.grown(by).runs:
            if run.code != codes.get(run.block, run.code):
                raise UserError(
                    f"a block must have one code in all runs of a study, but '{run.block}' has changed since "
                    f"({run.label}) was planned in {place}; ask for these levels and seeds too, so that they are run "
                    "anew, take them out by `resnet-ablate remove`, or choose another --out"
                )

    def grown(self, by: "Plan") -> "Plan":
        """Return the plan with the runs and commands of another; the threads stay.

        A run takes the place of one that had an older code of its block.
        """
        newer = {run.place: run for run in by.runs if run.code}
        kept = (newer.get(run.place, run) if run.code else run for run in self.runs)
        runs = {run.id: run for run in (*kept, *by.runs)}
        commands = dict.fromkeys((*self.commands, *by.commands))
        return replace(by, runs=tuple(runs.values()), commands=tuple(commands), threads=self.threads)


def _default(setting: str) -> Any:
    """Return the default of a setting of a base, as JSON gives it back."""
    kind, _, name = setting.partition(".")
    fields = SPECS[kind].model_fields if kind in SPECS else {}
    default = fields[name].default if name in fields else DEFAULT
    return list(default) if isinstance(default, tuple) else default
