"""A study is data: a function from factors to networks, and the levels of each factor at each scale."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError, first_mistake
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import Run, TrainSpec

Levels = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Scale:
    """One size of a study.

    Attributes:
        factors: The levels of every factor; all their combinations are run.
        train: How each network is trained.
        seeds: How many seeds, 0, 1, ...; every combination is run with each.
        cost: What it took, and where.
    """

    factors: Levels
    train: TrainSpec
    seeds: int
    cost: str


@dataclass(frozen=True)
class Study:
    """What is asked, and the runs that answer.

    Attributes:
        name: As in `resnet-ablate run NAME`.
        question: What the study asks.
        source: Where it was asked first.
        net: From factors, its keyword arguments, to the network of an arm. The image shape and the
            classes of the data are filled in afterwards.
        scales: `smoke`, `laptop` and `paper`.
        train: From the scale's `TrainSpec` and factors, again keyword arguments, to an arm's own.
        probe: What is measured.
    """

    name: str
    question: str
    source: str
    net: Callable[..., NetSpec]
    scales: Mapping[str, Scale]
    train: Callable[..., TrainSpec] = lambda base: base
    probe: ProbeSpec = field(default_factory=ProbeSpec)

    @cached_property
    def factors(self) -> dict[str, Any]:
        """The type of every factor, by name, in the order of `net`'s arguments."""
        arguments = {**inspect.signature(self.net).parameters, **inspect.signature(self.train).parameters}
        return {name: argument.annotation for name, argument in arguments.items() if name != "base"}

    def parse_level(self, factor: str, text: str) -> Any:
        """Return the level of `factor` that `text` stands for.

        Raises:
            UserError: It stands for none.
        """
        try:
            return TypeAdapter(self.factors[factor]).validate_python(text)
        except ValidationError as error:
            raise UserError(first_mistake(error, factor)) from None

    def runs(
        self,
        levels: Levels,
        train: TrainSpec,
        probe: ProbeSpec,
        data: DataInfo,
        seeds: int,
        fixed: Mapping[str, Any],
        code: str = "",
    ) -> Iterator[Run]:
        """Yield every combination of `levels` with every seed, the seeds of one network in a row.

        Args:
            levels: The levels of each factor.
            train: Given to the study's `train`.
            probe: What is measured.
            data: What the networks must fit.
            seeds: How many seeds.
            fixed: Fields of `NetSpec` that are set in every arm.
            code: Hash of the user's own code.

        Raises:
            UserError: A combination has no network, or sets what the factors decide.
        """
        shape = {"input_shape": data.input_shape, "classes": data.classes}
        for values in product(*levels.values()):
            arm = dict(zip(levels, values, strict=True))
            net = self.net(**self._read_by(self.net, arm))
            taken = sorted(net.given().keys() & fixed.keys())
            if taken:
                raise UserError(
                    f"a field that the factors decide cannot be set, but `{taken[0]}` is decided by "
                    f"{', '.join(self._read_by(self.net, arm))} in the study '{self.name}'"
                )
            net = net.replace(**shape, **fixed)
            trained = self.train(train, **self._read_by(self.train, arm))
            for seed in range(seeds):
                yield Run(net, trained, probe, seed, code, arm)

    @staticmethod
    def _read_by(function: Callable[..., Any], arm: dict[str, Any]) -> dict[str, Any]:
        return {name: arm[name] for name in inspect.signature(function).parameters if name in arm}
