"""`Request`: a study with the user's arguments, and the runs that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ablations.designs import Arm
from ablations.study import Published, Study
from ablations.words import words_for
from analysis.claims import Claim
from resnet_core.errors import UserError
from resnet_core.nets.budget import Budget, with_budget
from resnet_core.nets.cost import cost
from resnet_core.nets.own import spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.records.plan import Figure, Plan, PlannedRun, Tuned
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.initial import with_hash


@dataclass(frozen=True)
class Settings:
    """Settings that all arms share.

    Attributes:
        train: The training, which an arm may change.
        given: Fields of `train` that the user gave.
        net: Fields of `NetSpec` that are set in every arm.
        probe: Measurements during the training.
        match: Cost that is made equal to that of the first arm, by scaling widths. `None` changes no width.
    """

    train: TrainSpec
    given: Mapping[str, Any] = field(default_factory=dict)
    net: Mapping[str, Any] = field(default_factory=dict)
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    match: Budget | None = None


@dataclass(frozen=True)
class Seeds:
    """Numbers of seeds. Seeds are counted from 0.

    Attributes:
        first: Number of seeds of every arm.
        most: Maximum number of seeds that are added until every claim is decided. `None` adds none.
    """

    first: int = 3
    most: int | None = None


@dataclass(frozen=True)
class Rates:
    """Learning rates from which each arm chooses, and the choice.

    Attributes:
        grid: Learning rates to choose from. If empty, each arm has that of `Settings.train`.
        trial_seeds: Number of trials at each rate.
        trial_share: Length of a trial as a share of that of a run.
        untuned: Why no learning rate is chosen: a reason of the study, or the user changed the training.
        chosen: The chosen rate of each arm, by the name of the arm.
        tried: Results of the trials, see `Plan`.
    """

    grid: tuple[float, ...] = ()
    trial_seeds: int = 2
    trial_share: float = 1.0
    untuned: str = ""
    chosen: Mapping[str, float] = field(default_factory=dict)
    tried: Sequence[Tuned] = ()


@dataclass(frozen=True)
class Claimed:
    """Claims and published figures about the arms.

    Attributes:
        claims: Claims about these arms.
        left_out: For each other claim of the study, a line on why it is left out.
        published: Published figures of these arms at these settings.
    """

    claims: Sequence[Claim] = ()
    left_out: Sequence[str] = ()
    published: Sequence[Published] = ()


@dataclass(frozen=True)
class Request:
    """A study with the requested arms, settings and seeds. `ablations.asking.request_of` makes a request.

    Attributes:
        study: The study.
        arms: Levels of the factors of each arm.
        settings: Settings that all arms share.
        root: Folder of the records.
        scale: Name of the scale.
        seeds: Numbers of seeds.
        rates: Learning rates to choose from.
        claimed: Claims about the arms.
        command: The command, or the call, for the plan.
    """

    study: Study
    arms: Sequence[Arm]
    settings: Settings
    root: Path
    scale: str = ""
    seeds: Seeds = Seeds()
    rates: Rates = Rates()
    claimed: Claimed = Claimed()
    command: str = ""

    @property
    def train(self) -> TrainSpec:
        """The training, which an arm may change."""
        return self.settings.train

    @property
    def out(self) -> Path:
        """The folder of the studies, which holds that of the records."""
        return self.root.parent

    def with_train(self, train: TrainSpec) -> "Request":
        """Return the request with another training."""
        return replace(self, settings=replace(self.settings, train=train))

    def with_seeds(self, count: int) -> "Request":
        """Return the request with this number of seeds of every arm."""
        return replace(self, seeds=replace(self.seeds, first=count))

    def runs(self, data: DataInfo, data_sha256: str = "") -> list[Run]:
        """Return the runs on a data set with this description and content.

        Raises:
            UserError: A combination has no network, two runs are the same, or a given field has no effect.
        """
        train = self.train.replace(data_sha256=data_sha256)
        seeds = range(self.seeds.first)
        runs = list(self.study.runs(self.arms, train, self.settings.probe, data, seeds, self.settings.net))
        for net in dict.fromkeys(run.net for run in runs):
            cost(net)
        by_id: dict[str, Run] = {}
        for run in runs:
            twin = by_id.setdefault(run.id, run)
            if twin is not run:
                changed = [f"`{name}`" for name, level in run.factors.items() if level != twin.factors[name]]
                difference = " and ".join(changed) or "the seed"
                raise UserError(
                    f"every run must differ from the others, but {difference} changes nothing: "
                    f"({twin.label}) and ({run.label}) are the same run"
                )
        chosen = self.rates.chosen
        runs = [self.at_rate(run, chosen[run.arm]) if run.arm in chosen else run for run in self._matched(runs)]
        runs = [replace(run, train=with_hash(run.train)) for run in runs]
        for name, value in self.settings.given.items():
            if all(getattr(run.train, name) != value for run in runs):
                raise UserError(
                    f"a setting must have an effect, but `{name}`={value} is overridden in every run of this study"
                )
        return runs

    def _matched(self, runs: list[Run]) -> list[Run]:
        """Return the runs with widths scaled so that all networks cost the same as the first."""
        match = self.settings.match
        if match is None:
            return runs
        first = cost(runs[0].net)
        budget = first.trainable if match == "parameters" else first.macs
        nets = {net: with_budget(spec_of(net), match, budget) for net in dict.fromkeys(run.net for run in runs)}
        return [replace(run, net=nets[run.net]) for run in runs]

    def at_rate(self, run: Run, rate: float) -> Run:
        """Return the run at this learning rate of `train`, from which an arm may derive its own rate."""
        base = self.train.replace(learning_rate=rate, data_sha256=run.train.data_sha256)
        arm = {name: level for name, level in run.factors.items() if level is not None}
        return replace(run, train=with_hash(self.study.training(base, arm)))

    def base(self, data_sha256: str) -> dict[str, Any]:
        """Return the settings that all runs share, as JSON-serialisable values."""
        train = with_hash(self.train.replace(data_sha256=data_sha256))
        fields = train.model_dump(mode="json", exclude={"data", "initial_weights"})
        settings, rates = self.settings, self.rates
        net = {name: value for name, value in settings.net.items() if value != NetSpec.model_fields[name].default}
        base: dict[str, Any] = {
            "scale": self.scale,
            "code": "",
        }  # `code` is of earlier versions
        base |= {"match": settings.match} if settings.match else {}
        if rates.grid:
            fields["learning_rate"] = list(rates.grid)
            base["trial_seeds"] = rates.trial_seeds
            base |= {"trial_share": rates.trial_share} if rates.trial_share != 1 else {}
        base |= {f"net.{name}": list(value) if isinstance(value, tuple) else value for name, value in net.items()}
        base |= {f"train.{name}": value for name, value in fields.items()}
        return base | {f"probe.{name}": value for name, value in settings.probe.model_dump(mode="json").items()}

    def plan(self, runs: list[Run], data: DataInfo, data_sha256: str) -> Plan:
        """Return the plan of `runs` for the store."""
        study, factors = self.study, tuple(runs[0].factors)
        planned = tuple(map(PlannedRun.from_run, runs))
        base = self.base(data_sha256)
        published = tuple(cast("Figure", asdict(figure)) for figure in self.claimed.published)
        return Plan(
            study.name, study.question, study.source, base, factors, (self.command,), planned, study_threads(runs),
            tuple(claim.to_dict() for claim in self.claimed.claims), published, tuple(self.rates.tried),
            data.split(self.train),
            words=words_for(study.words, {name: {str(run.factors[name]) for run in runs} for name in factors}),
        )  # fmt: skip
