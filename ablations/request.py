"""What a user asked for, and the runs that follow from it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from ablations.designs import Arm
from ablations.study import Published, Study
from analysis.claims import Claim
from resnet_core.errors import UserError
from resnet_core.nets.budget import Budget, with_budget
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.records.plan import Figure, Plan, PlannedRun, Tuned
from resnet_core.runs.spec import Run, TrainSpec


@dataclass(frozen=True)
class Request:
    """What a user asked for: a study with the arms, settings and seeds it is to have.

    Attributes:
        claims: What is claimed of these arms.
        left_out: Why other claims of the study are not among them, a line each.
        published: What others have published of these arms at these settings.
        learning_rates: Learning rates of `train`, of which each arm takes the best; none for that of `train`.
        trial_seeds: How many trials each of them has.
        untuned: Why no learning rate is chosen, if the study says so or the user has changed its training.
        rates: The rate that each arm takes, once it is chosen, by the arm's name.
        tuning: What the trials came to, see `Plan`.
        match: Of what the first arm's network and all others, by their widths, have equally much.
        fixed: Fields of `NetSpec` that are set in every arm.
        given: Fields of `TrainSpec` that the user gave.
        until_decided: Whether seeds are added until every claim is decided, or there are `most_seeds`.
        root: Folder of the records.
        command: The command line that asked.
    """

    study: Study
    scale: str
    arms: Sequence[Arm]
    claims: Sequence[Claim]
    published: Sequence[Published]
    match: Budget | None
    learning_rates: tuple[float, ...]
    trial_seeds: int
    fixed: Mapping[str, Any]
    train: TrainSpec
    given: Mapping[str, Any]
    probe: ProbeSpec
    seeds: int
    root: Path
    command: str
    until_decided: bool = False
    most_seeds: int = 20
    rates: Mapping[str, float] = field(default_factory=dict)
    tuning: Sequence[Tuned] = ()
    untuned: str = ""
    left_out: Sequence[str] = ()

    def runs(self, data: DataInfo, data_sha256: str = "") -> list[Run]:
        """Return the runs on data of this shape and content.

        Raises:
            UserError: A combination has no network, two runs are the same, or a given field has no effect.
        """
        train = self.train.replace(data_sha256=data_sha256)
        seeds = range(self.seeds)
        runs = list(self.study.runs(self.arms, train, self.probe, data, seeds, self.fixed))
        for net in dict.fromkeys(run.net for run in runs):
            _check_block(net)
        by_id: dict[str, Run] = {}
        for run in runs:
            twin = by_id.setdefault(run.id, run)
            if twin is not run:
                changed = [f"`{name}`" for name, level in run.factors.items() if level != twin.factors[name]]
                what = " and ".join(changed) or "the seed"
                raise UserError(
                    f"every run must differ from the others, but {what} changes nothing: "
                    f"({twin.label}) and ({run.label}) are one run"
                )
        runs = [self.at_rate(run, self.rates[run.arm]) if run.arm in self.rates else run for run in self._matched(runs)]
        for name, value in self.given.items():
            if all(getattr(run.train, name) != value for run in runs):
                raise UserError(
                    f"a setting must have an effect, but `{name}`={value} is overridden in every run of this study"
                )
        return runs

    def _matched(self, runs: list[Run]) -> list[Run]:
        """Return the runs with networks that cost as much as that of the first."""
        if self.match is None:
            return runs
        first = cost(runs[0].net)
        budget = first.trainable if self.match == "parameters" else first.macs
        nets = {net: with_budget(net, self.match, budget) for net in dict.fromkeys(run.net for run in runs)}
        return [replace(run, net=nets[run.net]) for run in runs]

    def at_rate(self, run: Run, rate: float) -> Run:
        """Return the run with this learning rate in place of that of `train`, from which the arm may derive its own."""
        base = self.train.replace(learning_rate=rate, data_sha256=run.train.data_sha256)
        arm = {name: level for name, level in run.factors.items() if level is not None}
        return replace(run, train=self.study.training(base, arm))

    def base(self, data_sha256: str) -> dict[str, Any]:
        """Return what all runs have in common, as JSON-serialisable values."""
        train = self.train.replace(data_sha256=data_sha256).model_dump(mode="json", exclude={"data"})
        net = {name: value for name, value in self.fixed.items() if value != NetSpec.model_fields[name].default}
        base: dict[str, Any] = {"scale": self.scale, "code": ""}  # once of a plugin; a run has the code of its block
        base |= {"match": self.match} if self.match else {}
        if self.learning_rates:
            train["learning_rate"] = list(self.learning_rates)
            base["trial_seeds"] = self.trial_seeds
        base |= {f"net.{name}": list(value) if isinstance(value, tuple) else value for name, value in net.items()}
        base |= {f"train.{name}": value for name, value in train.items()}
        return base | {f"probe.{name}": value for name, value in self.probe.model_dump(mode="json").items()}

    def plan(self, runs: list[Run], data: DataInfo, data_sha256: str) -> Plan:
        """Return the plan of `runs` for the store."""
        study, factors = self.study, tuple(runs[0].factors)
        planned = tuple(map(PlannedRun.of, runs))
        base = self.base(data_sha256)
        published = tuple(cast("Figure", asdict(figure)) for figure in self.published)
        return Plan(
            study.name, study.question, study.source, base, factors, (self.command,), planned, study_threads(runs),
            tuple(claim.to_dict() for claim in self.claims), published, tuple(self.tuning), data.split(self.train),
        )  # fmt: skip


def _check_block(net: NetSpec) -> None:
    """Check that the network's block is known and, if it is a user's, that it fits.

    Raises:
        UserError: It is not, or does not.
    """
    try:
        cost(net)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever a user's block may raise
        raise UserError(f"a block must return a map of its channels, but '{net.block}' raised {error!r}") from None
