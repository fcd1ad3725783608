"""Repeated looks at a study's verdicts, at 5 % for all looks together.

A look is a number of seeds at which verdicts are given. Each look has a share of the significance level, and the shares
sum to 1 at most. So the probability of a false verdict at any look is within the level, for every distribution (union
bound; Lan and DeMets 1983 introduced spending a level over looks). The dependence between looks is not used. With
normal errors it would raise the shares of later looks by half.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

FIRST = 0.8
"""Share of the first look if the study does not announce its looks. With 5 seeds, a power of 80 % becomes 76 %."""
NEXT = 0.5
"""Share of the remaining level for a further look that was not announced."""


@dataclass(frozen=True)
class Look:
    """A look.

    Attributes:
        seeds: Number of seeds.
        share: Share of the significance level.
    """

    seeds: int
    share: float

    @classmethod
    def from_plan(cls, looks: Iterable[Mapping[str, Any]]) -> tuple[Self, ...]:
        """Return the looks of a plan, sorted by the number of seeds."""
        return tuple(
            sorted((cls(int(look["seeds"]), float(look["share"])) for look in looks), key=lambda look: look.seeds)
        )


WHOLE = (Look(1_000_000_000, 1.0),)
"""One look at all seeds, with the whole significance level."""


def left(looks: Iterable[Look]) -> float:
    """Return the share of the level that is left after these looks."""
    return max(0.0, 1.0 - sum(look.share for look in looks))


def following(looks: tuple[Look, ...], seeds: int) -> tuple[Look, ...]:
    """Return the looks plus one at `seeds` seeds if it is new. Its share is `FIRST`, or half of the remaining level."""
    if any(look.seeds >= seeds for look in looks):
        return looks
    return (*looks, Look(seeds, left(looks) * NEXT if looks else FIRST))


def announced(looks: tuple[Look, ...], seeds: int, most: int) -> tuple[Look, ...]:
    """Return the looks of a study that adds seeds until its claims are decided.

    The number of seeds doubles from look to look, up to `most`. The remaining level is divided in proportion to the
    number of seeds: for 3, 6, 12 and 20 seeds, the last look has half of it. So all looks together decide nearly as
    often as one look at 20 seeds.

    Args:
        looks: Previous looks.
        seeds: Number of seeds of the next look.
        most: Number of seeds of the last look.
    """
    numbers = [seeds]
    while numbers[-1] < most:
        numbers.append(min(most, 2 * numbers[-1]))
    new = [number for number in numbers if all(look.seeds < number for look in looks)]
    return (*looks, *(Look(number, left(looks) * number / sum(new)) for number in new))
