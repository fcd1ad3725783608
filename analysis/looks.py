"""Looking at a study's verdicts more than once, at 5 % for all looks together.

A look is a number of seeds at which verdicts were given. Each has a share of the significance level, and the shares of
all looks sum to 1 at most, so that the probability of a false verdict at any of them is within the level, whatever the
distribution (the union bound; spending a level over looks is of Lan and DeMets 1983). The dependence between looks is
not used. With normal errors it would raise the shares of later looks by half.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

FIRST = 0.8
"""Share of the first look, unless the study announces its looks. With 5 seeds, a power of 80 % becomes 76 %."""
NEXT = 0.5
"""Share of the remaining level for a further look that was not announced."""


@dataclass(frozen=True)
class Look:
    """A look.

    Attributes:
        seeds: How many there were.
        share: Of the significance level.
    """

    seeds: int
    share: float

    @classmethod
    def of(cls, looks: Iterable[Mapping[str, Any]]) -> tuple[Self, ...]:
        """Return the looks that a plan keeps, the fewest seeds first."""
        return tuple(
            sorted((cls(int(look["seeds"]), float(look["share"])) for look in looks), key=lambda look: look.seeds)
        )


WHOLE = (Look(1_000_000_000, 1.0),)
"""One look at all seeds, with all of the level."""


def left(looks: Iterable[Look]) -> float:
    """Return the share of the level that is left after these looks."""
    return max(0.0, 1.0 - sum(look.share for look in looks))


def following(looks: tuple[Look, ...], seeds: int) -> tuple[Look, ...]:
    """Return the looks with one at so many seeds, if it is new: the first has `FIRST`, others half of what is left."""
    if any(look.seeds >= seeds for look in looks):
        return looks
    return (*looks, Look(seeds, left(looks) * NEXT if looks else FIRST))


def announced(looks: tuple[Look, ...], seeds: int, most: int) -> tuple[Look, ...]:
    """Return the looks of a study that adds seeds until its claims are decided.

    The number of seeds doubles from look to look, up to the most, and the shares of what is left are proportional to
    it: of 3, 6, 12 and 20 seeds the last look has half, so that all of them together decide nearly as often as one
    look at 20 seeds.

    Args:
        looks: Those that there were.
        seeds: Of the next look.
        most: Of the last.
    """
    numbers = [seeds]
    while numbers[-1] < most:
        numbers.append(min(most, 2 * numbers[-1]))
    new = [number for number in numbers if all(look.seeds < number for look in looks)]
    return (*looks, *(Look(number, left(looks) * number / sum(new)) for number in new))
