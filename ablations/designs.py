"""Designs as a study writes them: `grid(depth=(8, 20)) + grid(depth=(56,), skip=("A",))`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ablations.design_kinds import Arm, Design, Grid, LeaveOut, Levels, OneAtATime, Paired, Pairwise
from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest

__all__ = ["Arm", "Design", "grid", "leave_out", "one_at_a_time", "paired", "pairwise"]


def grid(**levels: Sequence[Any]) -> Design:
    """Return every combination of levels: `grid(depth=(8, 20), skip=("none", "A"))`.

    Raises:
        UserError: A factor has no level, or the same level twice.
    """
    return Grid(_checked(levels))


def pairwise(**levels: Sequence[Any]) -> Design:
    """Return a small set of combinations in which every two levels of two factors occur together.

    Raises:
        UserError: A factor has no level, or the same level twice.
    """
    return Pairwise(_checked(levels))


def paired(**levels: Sequence[Any]) -> Design:
    """Return the first levels together, then the second, and so on: `paired(depth=(16, 40), width=(64, 32))`.

    Raises:
        UserError: The factors differ in the number of levels.
    """
    if len({len(values) for values in levels.values()}) > 1:
        counts = ", ".join(f"{name} {len(values)}" for name, values in levels.items())
        raise UserError(f"paired factors must have the same number of levels, but got {counts}")
    return Paired(levels)


@checked
def one_at_a_time(base: Mapping[str, Any], **levels: Sequence[Any]) -> Design:
    """Return `base`, and `base` with one factor at another level, for each factor and level.

    Raises:
        UserError: A factor is not in the base, or a level is that of the base.
    """
    for factor, values in _checked(levels).items():
        _check_in_base(factor, base)
        if base[factor] in values:
            raise UserError(f"an arm must differ from the base, but `{factor}`={base[factor]} is the base's level")
    return OneAtATime(dict(base), levels)


@checked
def leave_out(full: Mapping[str, Any], *, most: int = 1, **without: Any) -> Design:
    """Return `full`, and `full` without each component; `without` has the level that replaces a component.

    Args:
        full: The level of every factor with all components.
        most: Largest number of components left out at once.
        without: For each component, the level of its factor when it is left out.

    Raises:
        UserError: A component is not in `full`, or leaving it out changes nothing.
    """
    for factor, level in without.items():
        _check_in_base(factor, full)
        if full[factor] == level:
            raise UserError(f"an arm must differ from the base, but `{factor}`={level} is the base's level")
    if not 1 <= most <= len(without):
        raise UserError(f"`most` must be from 1 to the number of components, {len(without)}, but got {most}")
    return LeaveOut(dict(full), without, most)


def _check_in_base(factor: str, base: Mapping[str, Any]) -> None:
    if factor not in base:
        raise UserError(f"a factor must have a level in the base, but `{factor}` has none{nearest(factor, base)}")


def _checked(levels: Levels) -> Levels:
    for factor, values in levels.items():
        if isinstance(values, str) or not len(values):
            raise UserError(f"a factor must have a sequence of levels, but `{factor}` got {values!r}")
        twice = [level for i, level in enumerate(values) if level in values[:i]]
        if twice:
            raise UserError(f"the levels of a factor must differ, but `{factor}` got {twice[0]!r} twice")
    return levels
