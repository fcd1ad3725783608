"""`Study`: a function from factors to networks and, at each scale, a design over the factors, and claims."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import PositiveInt, TypeAdapter, ValidationError

from ablations.designs import Arm, Design
from analysis.claims import Claim
from resnet_core.arguments import Rate, Share, checked_class
from resnet_core.errors import UserError, first_mistake, nearest
from resnet_core.nets.own import Net, OwnNet
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.users_code import guarded


@checked_class
@dataclass(frozen=True)
class Published:
    """A published figure.

    Attributes:
        source: The publication.
        measure: Name of a measure in `analysis.measures.MEASURES`.
        arm: Levels of the factors.
        value: The figure, in the unit of the measure. If training `failed`, the value above which the source says so;
            `None` if unknown.
        statistic: Statistic of several runs, such as the median; empty if unknown.
        runs: Number of these runs; `None` if unknown.
        spread: Standard deviation of these runs; `None` if unknown.
        failed: Whether the source has no figure but says that training failed.
    """

    source: str
    measure: str
    arm: Mapping[str, Any]
    value: float | None
    statistic: Literal["", "mean", "median", "best"] = ""
    runs: int | None = None
    spread: float | None = None
    failed: bool = False


@checked_class
@dataclass(frozen=True)
class Scale:
    """One size of a study.

    Attributes:
        design: The arms.
        train: The training of each network.
        seeds: Number of seeds, which are counted from 0. Every arm is run with each seed, so that arms are compared
            seed by seed.
        claims: Claims about these arms: the text, and the inequality.
        learning_rates: Learning rates, of which each arm chooses the best before its seeds are run; see
            `ablations.tuning`. If empty, every arm has the rate of `train`, and `untuned` has the reason.
        trial_seeds: Number of trials at each learning rate.
        trial_share: Length of a trial as a share of that of a run.
        untuned: Why no learning rate is chosen.
        published: Published figures of these arms, at these settings.
    """

    design: Design
    train: TrainSpec
    seeds: PositiveInt
    claims: Mapping[str, Claim] = field(default_factory=dict)
    learning_rates: tuple[Rate, ...] = ()
    trial_seeds: PositiveInt = 2
    trial_share: Share = 1.0
    untuned: str = ""
    published: tuple[Published, ...] = ()


@checked_class
@dataclass(frozen=True)
class Study:
    """A study: a question, and the runs that answer it.

    Attributes:
        name: Name of the study, as in `resnet-ablate run NAME`.
        question: The question of the study.
        net: Function from factors, which are its keyword arguments, to the network of an arm: a `NetSpec`, or a
            function at the top of a module (or a `functools.partial` of it) that builds a functional `keras.Model`, see
            `nets.own.OwnNet`. The image shape and the number of classes are set afterwards.
        scales: The scales by name, such as `smoke`, `laptop` and `paper`.
        source: The paper that asked the question first.
        train: Function from the scale's `TrainSpec` and factors, which are its keyword arguments, to the training of an
            arm.
        probe: Measurements during the training.
        probes: Probes for every network, each given by name and options: `lesion`, `lesions draws=10`, at steps of the
            training `signal at=0,100,end`.
        words: Names of levels, by factor and level: a name and, after a colon, a sentence, such as "residual, option A:
            identity with zero padding". Those in `ablations.words` need not be repeated.
        file: The user's file that defines the study.
        registers: Whether this file registers blocks, networks or data sets, which every process with runs must know.
    """

    name: str
    question: str
    net: Callable[..., NetSpec | Callable[..., Any]]
    scales: Mapping[str, Scale]
    source: str = ""
    train: Callable[..., TrainSpec] = lambda base: base
    probe: ProbeSpec = field(default_factory=ProbeSpec)
    probes: Sequence[str] = ()
    words: Mapping[str, Mapping[Any, str]] = field(default_factory=dict)
    file: Path | None = None
    registers: bool = False

    @cached_property
    def factors(self) -> dict[str, Any]:
        """The type of every factor, by name, in the order of `net`'s arguments."""
        arguments = {**inspect.signature(self.net).parameters, **inspect.signature(self.train).parameters}
        return {name: argument.annotation for name, argument in arguments.items() if name != "base"}

    def parse_level(self, factor: str, text: Any) -> Any:
        """Return the level of `factor` for a text or a value.

        Raises:
            UserError: The factor cannot have this level.
        """
        kind = self.factors[factor]
        try:
            return TypeAdapter(Any if kind is inspect.Parameter.empty else kind).validate_python(text)
        except ValidationError as error:
            raise UserError(first_mistake(error, factor)) from None

    def check(self) -> None:
        """Check every scale: its design, the network of each arm, and that the arms of each claim exist.

        Raises:
            UserError: A check fails.
        """
        if not self.scales:
            raise UserError(f"a study must have a scale, but '{self.name}' has none")
        for scale in self.scales.values():
            design, arms = scale.design, scale.design.arms()
            for factor in design.levels:
                if factor not in self.factors:
                    raise UserError(
                        f"a factor must be an argument of `net` or `train`, but nothing reads "
                        f"'{factor}'{nearest(factor, self.factors)}",
                        design.line,
                    )
            for arm in arms:
                self._net(arm)
                self._read_by(self.train, arm)
            for claim in scale.claims.values():
                check_claim(claim, arms, design.levels)

    def runs(
        self,
        arms: Sequence[Arm],
        train: TrainSpec,
        probe: ProbeSpec,
        data: DataInfo,
        seeds: Sequence[int],
        fixed: Mapping[str, Any],
    ) -> Iterator[Run]:
        """Yield the run of every arm with every seed. The seeds of one network follow each other.

        Args:
            arms: Levels of the factors. A factor that an arm lacks is `None` in its runs.
            train: Base training, passed to the study's `train`.
            probe: Measurements during the training.
            data: Description of the data set, with the image shape and the number of classes.
            seeds: The seeds.
            fixed: Fields of `NetSpec` that are set in every arm.

        Raises:
            UserError: An arm has no network, or a field of `fixed` depends on the factors.
        """
        shape = {"input_shape": data.input_shape, "classes": data.classes}
        names = [name for name in self.factors if any(name in arm for arm in arms)]
        for arm in arms:
            net = self._net(arm)
            if isinstance(net, OwnNet) and fixed:
                raise UserError(
                    f"a field of NetSpec can be set of networks of NetSpec, but got `{next(iter(fixed))}` and the "
                    f"function `{net.network}`; make it an argument of that"
                )
            taken = sorted(net.given().keys() & fixed.keys())
            if taken:
                raise UserError(
                    f"a field that the factors decide cannot be set, but `{taken[0]}` is decided by "
                    f"{', '.join(self._read_by(self.net, arm))} in the study '{self.name}'"
                )
            net = net.replace(**shape, **fixed)
            trained = self.training(train, arm)
            for seed in seeds:
                yield Run(net, trained, probe, seed, factors={name: arm.get(name) for name in names})

    def _net(self, arm: Arm) -> Net:
        rule = f"the function `net` of '{self.name}' must return a NetSpec, or a function that builds a keras.Model"
        with guarded(rule, self.file):
            net = self.net(**self._read_by(self.net, arm))
            if callable(net):
                return OwnNet.from_function(net)
        if not isinstance(net, NetSpec):
            raise UserError(f"{rule}, but got {net!r}")
        return net

    def training(self, base: TrainSpec, arm: Arm) -> TrainSpec:
        """Return the training of an arm.

        Raises:
            UserError: The function `train` returns something else than a `TrainSpec`.
        """
        with guarded(f"the function `train` of '{self.name}' must return a TrainSpec", self.file):
            train = self.train(base, **self._read_by(self.train, arm))
        if not isinstance(train, TrainSpec):
            raise UserError(f"the function `train` of '{self.name}' must return a TrainSpec, but got {train!r}")
        return train

    def _read_by(self, function: Callable[..., Any], arm: Arm) -> Arm:
        """Return the levels of the factors that `function` takes.

        Raises:
            UserError: The function needs a factor that the arm lacks.
        """
        arguments = inspect.signature(function).parameters
        for name, argument in arguments.items():
            if name != "base" and name not in arm and argument.default is inspect.Parameter.empty:
                raise UserError(
                    f"a factor that an arm leaves open must have a default in `{function.__name__}`, but `{name}` has "
                    f"none and the arm ({_words(arm)}) no level of it"
                )
        return {name: arm[name] for name in arguments if name in arm}


def check_claim(claim: Claim, arms: Sequence[Arm], levels: Mapping[str, Sequence[Any]]) -> None:
    """Check that the arms of a claim exist.

    Raises:
        UserError: No arm has a factor, or the levels, of the claim.
    """
    for term in claim.terms:
        for factor in term.levels:
            if factor not in levels:
                raise UserError(
                    f"a claim must be on factors of the design, but got '{factor}'{nearest(factor, levels)}", claim.line
                )
        if not any(term.levels.items() <= arm.items() for arm in arms):
            known = "; ".join(f"{name} {', '.join(map(str, levels[name]))}" for name in term.levels)
            raise UserError(
                f"a claim must be on arms of the design, but none has {term}; there are {known}", claim.line
            )


def _words(arm: Arm) -> str:
    return " ".join(f"{name}={level}" for name, level in arm.items())
