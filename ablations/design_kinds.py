"""The kinds of designs: the arms of a study. An arm has a level of each factor that is active in it.

The sum `a + b` of designs has the arms of both. The product `a * b` has every arm of one combined with every arm of the
other. The first arm of a design is its base.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from pathlib import Path
from typing import Any, Self, TypeVar

from resnet_core.arguments import line_of_caller
from resnet_core.errors import UserError, nearest

FUNCTIONS = str(Path(__file__).with_name("designs.py"))
"""Module of the functions that make designs: the line of a design is that of their caller."""
Arm = dict[str, Any]
Levels = Mapping[str, Sequence[Any]]
Kind = TypeVar("Kind", bound="Design")


@dataclass(frozen=True, kw_only=True)
class Design(ABC):
    """A sequence of arms.

    Attributes:
        line: Line of the user's file in which the design is made.
    """

    line: int = field(
        default_factory=lambda: line_of_caller(__file__, FUNCTIONS, "<string>"), compare=False, repr=False
    )

    @abstractmethod
    def _arms(self) -> Iterable[Arm]:
        """Yield the arms, possibly with repetitions."""

    @abstractmethod
    def with_levels(self, levels: Levels) -> "Design":
        """Return the design with these levels. Factors that the design lacks are ignored.

        Raises:
            UserError: The levels of a factor cannot be changed without those of others.
        """

    def arms(self) -> list[Arm]:
        """Return the distinct arms."""
        arms: list[Arm] = []
        for arm in self._arms():
            if arm not in arms:
                arms.append(arm)
        return arms

    @property
    def levels(self) -> dict[str, list[Any]]:
        """The levels of every factor, in the order of the arms."""
        levels: dict[str, list[Any]] = {}
        for arm in self.arms():
            for factor, level in arm.items():
                if level not in levels.setdefault(factor, []):
                    levels[factor].append(level)
        return levels

    def only(self, factor: str, **where: Any) -> "Design":
        """Return the design in which `factor` is active only in arms with these levels of other factors.

        `grid(skip=("none", "A", "B"), zero_pooling=("subsample", "average")).only("zero_pooling", skip="A")` has four
        arms. A level may be a tuple of levels.

        Raises:
            UserError: The design lacks a factor.
        """
        for name in (factor, *where):
            if name not in self.levels:
                near = nearest(name, self.levels)
                raise UserError(f"a condition must be on factors of the design, but got '{name}'{near}")
        return Conditional(self, factor, {name: _tuple(levels) for name, levels in where.items()})

    def __add__(self, other: "Design") -> "Design":
        return Sum((self, other))

    def __mul__(self, other: "Design") -> "Design":
        shared = sorted(self.levels.keys() & other.levels.keys())
        if shared:
            raise UserError(f"designs that are multiplied must have no factor in common, but both have '{shared[0]}'")
        return Product((self, other))


def _tuple(levels: Any) -> tuple[Any, ...]:
    return tuple(levels) if isinstance(levels, (tuple, list)) else (levels,)


@dataclass(frozen=True)
class Grid(Design):
    """Every combination of levels. The levels of the last factor change fastest."""

    factors: Levels

    def _arms(self) -> Iterator[Arm]:
        return (dict(zip(self.factors, levels, strict=True)) for levels in product(*self.factors.values()))

    def with_levels(self, levels: Levels) -> Self:
        return replace(self, factors=_replaced(self.factors, levels))


@dataclass(frozen=True)
class Pairwise(Grid):
    """A small set of combinations in which every two levels of two factors occur together."""

    def _arms(self) -> Iterator[Arm]:
        from allpairspy import AllPairs

        if len(self.factors) < 2:
            return super()._arms()
        pairs = AllPairs([[*values] for values in self.factors.values()])
        return (dict(zip(self.factors, levels, strict=True)) for levels in pairs)


@dataclass(frozen=True)
class OneAtATime(Design):
    """The base, and the base with one factor at another level, for each factor and level."""

    base: Arm
    factors: Levels

    def _arms(self) -> Iterator[Arm]:
        yield dict(self.base)
        yield from ({**self.base, factor: level} for factor, values in self.factors.items() for level in values)

    def with_levels(self, levels: Levels) -> Self:
        varied = {name: values for name, values in levels.items() if name in self.factors}
        _fixed(self, {name: levels[name] for name in levels if name not in varied}, "of a base that are not varied")
        others = {name: [level for level in values if level != self.base[name]] for name, values in varied.items()}
        return replace(self, factors=_replaced(self.factors, others))


@dataclass(frozen=True)
class LeaveOut(Design):
    """The full network, and the network without every set of 1, 2, ... up to `most` components."""

    full: Arm
    without: Arm
    most: int

    def _arms(self) -> Iterator[Arm]:
        for size in range(self.most + 1):
            for names in combinations(self.without, size):
                yield self.full | {name: self.without[name] for name in names}

    def with_levels(self, levels: Levels) -> Self:
        return _fixed(self, levels, "of a component, with and without it,")


@dataclass(frozen=True)
class Paired(Design):
    """The first levels of all factors together, then the second levels, and so on."""

    factors: Levels

    def _arms(self) -> Iterator[Arm]:
        return (dict(zip(self.factors, levels, strict=True)) for levels in zip(*self.factors.values(), strict=True))

    def with_levels(self, levels: Levels) -> Self:
        return _fixed(self, levels, "that are paired")


@dataclass(frozen=True)
class Sum(Design):
    """The arms of several designs, one design after the other."""

    parts: tuple[Design, ...]

    def _arms(self) -> Iterator[Arm]:
        return (arm for part in self.parts for arm in part.arms())

    def with_levels(self, levels: Levels) -> Self:
        return replace(self, parts=tuple(part.with_levels(levels) for part in self.parts))


@dataclass(frozen=True)
class Product(Sum):
    """Every arm of one design with every arm of another."""

    def _arms(self) -> Iterator[Arm]:
        for arms in product(*(part.arms() for part in self.parts)):
            yield {factor: level for arm in arms for factor, level in arm.items()}


@dataclass(frozen=True)
class Conditional(Design):
    """A design in which a factor is active only in arms with certain levels of others; see `Design.only`."""

    design: Design
    factor: str
    where: Levels

    def _arms(self) -> Iterator[Arm]:
        for arm in self.design.arms():
            active = all(name in arm and arm[name] in levels for name, levels in self.where.items())
            yield arm if active else {name: level for name, level in arm.items() if name != self.factor}

    def with_levels(self, levels: Levels) -> Self:
        return replace(self, design=self.design.with_levels(levels))


def _replaced(levels: Levels, given: Levels) -> Levels:
    return {name: given.get(name, values) for name, values in levels.items()}


def _fixed(design: Kind, given: Levels, what: str) -> Kind:
    """Return `design`, whose levels cannot be replaced.

    Raises:
        UserError: Other levels of its factors are given.
    """
    taken = [name for name in given if name in design.levels]
    if taken:
        raise UserError(
            f"levels {what} belong to the design, but got others of `{taken[0]}`; write a study of your own"
        )
    return design
