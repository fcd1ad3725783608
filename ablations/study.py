"""A study is data: a function from factors to networks, a design over the factors, and claims, at each scale."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from ablations.designs import Arm, Design
from analysis.claims import Claim
from resnet_core.errors import UserError, first_mistake, nearest
from resnet_core.nets.own import Net, OwnNet
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.users_code import guarded


@dataclass(frozen=True)
class Published:
    """A figure that others have published.

    Attributes:
        source: Where it was published.
        measure: Name of a measure, one of `analysis.measures.MEASURES`.
        arm: Levels of the factors.
        value: The figure, in the unit of the measure. If it `failed`, what the source calls failed is above this; none
            if that is not known.
        statistic: What the figure is of several runs; empty if that is not known.
        runs: Of how many; none if that is not known.
        spread: Their standard deviation; none if that is not known.
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


@dataclass(frozen=True)
class Scale:
    """One size of a study.

    Attributes:
        design: The arms.
        train: How each network is trained.
        seeds: How many seeds, 0, 1, ...; every arm is run with each, so that arms are compared seed by seed.
        claims: What is claimed of these arms: in words, and as an inequality.
        learning_rates: Learning rates of `train`, of which each arm takes the best before its seeds are run; see
            `ablations.tuning`. If there are none, every arm is trained as `train` says, and `untuned` says why.
        trial_seeds: How many trials each of them has.
        untuned: Why no learning rate is chosen.
        published: Figures that others have published of these arms, at these settings.
    """

    design: Design
    train: TrainSpec
    seeds: int
    claims: Mapping[str, Claim] = field(default_factory=dict)
    learning_rates: tuple[float, ...] = ()
    trial_seeds: int = 2
    untuned: str = ""
    published: tuple[Published, ...] = ()


@dataclass(frozen=True)
class Study:
    """A study: a question, and the runs that answer it.

    Attributes:
        name: As in `resnet-ablate run NAME`.
        question: What the study asks.
        net: From factors, its keyword arguments, to the network of an arm: a `NetSpec`, or a function at the top of a
            module (or a `functools.partial` of it) that builds a functional `keras.Model`, see `nets.own.OwnNet`. The
            image shape and the classes of the data are filled in afterwards.
        scales: `smoke`, `laptop` and `paper`.
        source: Where it was asked first.
        train: From the scale's `TrainSpec` and factors, again keyword arguments, to an arm's own.
        probe: What is measured while a run trains.
        probes: Probes that are measured of every network, each as its name and options: `lesion`, `lesions draws=10`;
            at steps of the training `signal at=0,100,end`.
        words: What levels are called, by factor and level: a name and, behind a colon, a sentence, as "residual, option
            A: identity with zero padding". Those of `ablations.words` need not be repeated.
        file: A file of the user's that it is from.
        registers: Whether that file registers blocks, networks or data sets, which every process that executes runs
            must know.
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
        """Return the level of `factor` that `text`, or a value, stands for.

        Raises:
            UserError: It is no level of the factor.
        """
        kind = self.factors[factor]
        try:
            return TypeAdapter(Any if kind is inspect.Parameter.empty else kind).validate_python(text)
        except ValidationError as error:
            raise UserError(first_mistake(error, factor)) from None

    def check(self) -> None:
        """Check every scale: its design, that each arm has a network, and that each claim is on arms that are there.

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
        """Yield every arm with every seed, the seeds of one network in a row.

        Args:
            arms: Levels of the factors. A factor that an arm lacks is `None` in its runs.
            train: Base training, passed to the study's `train`.
            probe: What is measured.
            data: The data set, which gives image shape and classes.
            seeds: The seeds.
            fixed: Fields of `NetSpec` that are set in every arm.

        Raises:
            UserError: An arm has no network, or what is fixed is decided by the factors.
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
                return OwnNet.of(net)
        if not isinstance(net, NetSpec):
            raise UserError(f"{rule}, but got {net!r}")
        return net

    def training(self, base: TrainSpec, arm: Arm) -> TrainSpec:
        """Return how an arm is trained.

        Raises:
            UserError: `train` returns something else.
        """
        with guarded(f"the function `train` of '{self.name}' must return a TrainSpec", self.file):
            train = self.train(base, **self._read_by(self.train, arm))
        if not isinstance(train, TrainSpec):
            raise UserError(f"the function `train` of '{self.name}' must return a TrainSpec, but got {train!r}")
        return train

    def _read_by(self, function: Callable[..., Any], arm: Arm) -> Arm:
        """Return the levels that `function` takes.

        Raises:
            UserError: It needs a factor that the arm lacks.
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
    """Check that a claim is on arms that are there.

    Raises:
        UserError: It names a factor, or levels, that no arm has.
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
