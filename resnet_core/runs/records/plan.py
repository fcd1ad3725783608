"""`Plan`: the planned runs and the claims of a study, as stored in `study.json`."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, NotRequired, Self

from pydantic import Field, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from resnet_core.errors import UserError, first_mistake
from resnet_core.nets.own import name_of_code
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.requests import Sample
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.description import DataInfo
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.sealed import UNREADABLE, bytes_of, encodable, seal, unseal
from resnet_core.spec_model import Spec

SCHEMA = 1
DEFAULT = "its default"
CONTENT = "train.data_sha256"
SPECS: dict[str, type[Spec]] = {"net": NetSpec, "train": TrainSpec, "probe": ProbeSpec}


Scalar = bool | int | float | str | None
RARE = ("data", "words", "probes", "sample")
"""Fields that are left out of a `study.json` if they are empty."""
SHOWN = ("question", "source", "commands", "claims", "published", "words")
"""Fields with texts that are shown and are no part of an id."""
RESERVED = frozenset({"run", "seed", "label", "status", "step", "message", "seconds", "attempt", "taken_from"})
"""Names of columns of the tables of every study. A factor must not have such a name."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of a plan.

    Attributes:
        id: Id of the run.
        seed: Seed of the run.
        factors: Levels of the factors.
        block, code: Name and hash of the code of a user's block or network; empty for a block of this project.
        known: In a search, the runs that ended between the previous proposal and this one, in order.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    seed: NonNegativeInt
    factors: dict[str, Scalar | list[Scalar]]
    block: str = ""
    code: str = ""
    known: tuple[str, ...] | None = None

    @classmethod
    def from_run(cls, run: Run) -> Self:
        """Return the planned run of a run."""
        return cls(run.id, run.seed, run.factors, *((name_of_code(run.net), run.code) if run.code else ()))

    @property
    def arm(self) -> str:
        """See `Run.arm`."""
        return " ".join(f"{name}={level}" for name, level in self.factors.items() if level is not None)

    @property
    def label(self) -> str:
        """See `Run.label`."""
        return f"{self.arm} seed={self.seed}".lstrip()

    @property
    def place(self) -> str:
        """Identity of the run without the code of its block."""
        return json.dumps([self.seed, self.block, self.factors], sort_keys=True, default=str)


class Figure(TypedDict):
    """A published figure, see `ablations.study.Published`; older plans have the first four fields only."""

    source: str
    measure: str
    arm: dict[str, Scalar | list[Scalar]]
    value: float | None
    statistic: NotRequired[str]
    runs: NotRequired[int | None]
    spread: NotRequired[float | None]
    failed: NotRequired[bool]


class Tuned(TypedDict):
    """Results of an arm's trials at one learning rate: a value per trial, or null if it failed."""

    arm: dict[str, Any]
    learning_rate: float
    val_accuracy: list[float | None]
    val_loss: list[float | None]
    chosen: bool


@dataclass(frozen=True)
class Plan:
    """The plan of a study.

    Attributes:
        name, question, source: Name of the study, its question, and the paper it is from.
        base: Settings that all runs share, by name. A folder has one base.
        factors: Names of the factors, in the study's order.
        commands: All commands that added to the study.
        runs: The planned runs.
        threads: Number of threads in training. Another number may change the last bits.
        claims: The claims; `analysis.claims` reads them.
        published: Published figures of the arms, see `ablations.study.Published`.
        tuning: Results of the trials of learning rates, a row for each arm and rate.
        data: Description of the data that the last command read; empty in old plans.
        looks: The looks at which the claims were judged: number of `seeds`, and `share` of the significance level; see
            `analysis.judging.looks`.
        words: Names of levels, by factor and level as text: a name and, after a colon, a sentence.
        probes: Probes that were requested with the runs, in the form that `asked_for` reads.
        sample: The images for the last of these probes; `None` without probes.
    """

    name: str
    question: str
    source: str
    base: dict[str, Any]
    factors: tuple[str, ...]
    commands: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    threads: PositiveInt
    claims: tuple[dict[str, Any], ...] = ()
    published: tuple[Figure, ...] = ()
    tuning: tuple[Tuned, ...] = ()
    data: DataInfo | None = None
    looks: tuple[dict[str, Any], ...] = ()
    words: dict[str, dict[str, str]] = field(default_factory=dict)
    probes: tuple[str, ...] = ()
    sample: Sample | None = None

    @property
    def trial_share(self) -> float:
        """Length of a trial of a learning rate as a share of that of a run."""
        return float(self.base.get("trial_share", 1))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a `study.json`.

        Raises:
            UserError: The file is not a `study.json` of this program, or its content has changed.
        """
        try:
            values = unseal(bytes_of(path))
            if values.pop("schema", None) != SCHEMA:
                raise ValueError(f"it must be of schema {SCHEMA}")
            values |= {name: encodable(values[name]) for name in SHOWN if name in values}
            plan: Self = TypeAdapter(cls).validate_python(values)
            plan.check()
        except ValidationError as error:
            raise _unusable(path, first_mistake(error, ".".join(map(str, error.errors()[0]["loc"])))) from None
        except UNREADABLE as error:
            raise _unusable(path, " ".join(str(error).split())) from None
        return plan

    def check(self) -> None:
        """Check rules for several fields.

        Raises:
            ValueError: Two fields contradict each other.
        """
        if not self.runs:
            raise ValueError("a plan must have a run, but it has none")
        for name in self.factors:
            if name in RESERVED or self.factors.count(name) > 1:
                raise ValueError(f"a factor must have a name of its own, but one is '{name}'")
        for run in self.runs:
            if run.factors.keys() != set(self.factors):
                raise ValueError(f"every run must have the study's factors, but {run.id} has {', '.join(run.factors)}")
        if len({run.id for run in self.runs}) < len(self.runs):
            raise ValueError("a run must be planned once, but one is planned twice")

    def text(self) -> str:
        """Return the content of the `study.json`."""
        values = {name: value for name, value in asdict(self).items() if name not in RARE or value}
        for run in values["runs"]:
            if not run["code"]:
                del run["block"], run["code"]
            if run["known"] is None:
                del run["known"]
        return seal({"schema": SCHEMA, **values}, indent=1)

    def check_base(self, base: dict[str, Any], place: Path, unknown: frozenset[str] = frozenset()) -> None:
        """Check that runs with this base may be added.

        Args:
            base: See `Plan`. A missing setting has its default.
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
        names.sort(key=lambda name: name == CONTENT)  # last, since another setting may explain the difference
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
        """Check that a block has the same code in all runs after the plan `by` is added.

        Raises:
            UserError: A planned run has an older code of its block, and `by` does not plan this run again.
        """
        codes = {run.block: run.code for run in by.runs}
        for run in self.grown(by).runs:
            if run.code != codes.get(run.block, run.code):
                raise UserError(
                    f"a block must have one code in all runs of a study, but '{run.block}' has changed since "
                    f"({run.label}) was planned in {place}; run these levels and seeds again with the others, "
                    "remove them by `resnet-ablate remove`, or choose another --out"
                )

    def without(self, ids: Collection[str]) -> "Plan":
        """Return the plan without these runs, and without the claims and chosen rates of removed arms."""
        kept = tuple(run for run in self.runs if run.id not in ids)
        arms = [run.factors for run in kept]
        return replace(
            self,
            runs=kept,
            claims=tuple(claim for claim in self.claims if all(_has_arm(kept, term) for term in claim["terms"])),
            tuning=tuple(row for row in self.tuning if row["arm"] in arms),
        )

    def grown(self, by: "Plan") -> "Plan":
        """Return the plan after the runs and commands of another are added. The number of threads does not change.

        A run of `by` replaces the run with an older code of its block.
        """
        newer = {run.place: run for run in by.runs if run.code}
        kept = (newer.get(run.place, run) if run.code else run for run in self.runs)
        runs = {run.id: run for run in (*kept, *by.runs)}
        commands = dict.fromkeys((*self.commands, *by.commands))
        probes = tuple(dict.fromkeys((*self.probes, *by.probes)))
        looks = {look["seeds"]: look for look in (*by.looks, *self.looks)}  # an earlier look is not changed
        return replace(
            by, runs=tuple(runs.values()), commands=tuple(commands), threads=self.threads, probes=probes,
            sample=by.sample or self.sample,
            looks=tuple(looks[seeds] for seeds in sorted(looks)),
            words={**self.words, **{name: {**self.words.get(name, {}), **levels} for name, levels in by.words.items()}},
        )  # fmt: skip


def _has_arm(runs: Iterable[PlannedRun], term: Mapping[str, Any]) -> bool:
    """Return whether a run belongs to the arms of a claim's term."""
    levels = json.loads(json.dumps(term["levels"])).items()
    return any(levels <= json.loads(json.dumps(run.factors)).items() for run in runs)


def _default(setting: str) -> Any:
    """Return the default of a setting of a base, as read from JSON. A setting of a search has the prefix `search.`."""
    kind, _, name = setting.removeprefix("search.").partition(".")
    fields = SPECS[kind].model_fields if kind in SPECS else {}
    default = fields[name].default if name in fields else DEFAULT
    return list(default) if isinstance(default, tuple) else default


def _unusable(path: Path, reason: str) -> UserError:
    return UserError(
        f"a study's folder must hold the study.json that this program wrote, but {path} is not: {reason}; restore a "
        "copy, or move it away and repeat the study's command, since all records stay (if you changed it, remove "
        "its sha256)"
    )
