"""Adaptation of the claims of a study to requested arms with other levels."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

from ablations.designs import Arm
from analysis.claims import Claim


def carried(claims: Mapping[str, Claim], arms: Sequence[Arm]) -> tuple[tuple[Claim, ...], tuple[str, ...]]:
    """Return the claims about these arms, and why other claims of the study are left out.

    A claim whose arms exist does not change. Otherwise the levels of numeric factors are replaced: the smallest level
    by the smallest level of the arms, and the largest by the largest. A single level is replaced by the largest level,
    unless it is the smallest in all claims. The text of the claim states the replacement.

    Args:
        claims: Claims of the study by their texts.
        arms: The requested arms.

    Returns:
        The claims, and a line for each claim that cannot be adapted.
    """
    named = _levels(claims.values())
    kept: list[Claim] = []
    left: list[str] = []
    for text, claim in claims.items():
        if _is_of(claim, arms):
            kept.append(replace(claim, text=text))
            continue
        moved = _moved(claim, text, _carrying(claim, named, arms))
        reason = _reason(claim, moved, arms)
        if reason:
            left.append(f"a claim is left out, since {reason}: {text}")
        else:
            kept.append(moved)
    return tuple(kept), tuple(left)


def _is_of(claim: Claim, arms: Sequence[Arm]) -> bool:
    return all(_any_has(term.levels, arms) for term in claim.terms)


def _any_has(levels: Mapping[str, Any], arms: Sequence[Arm]) -> bool:
    return any(levels.items() <= arm.items() for arm in arms)


def _levels(claims: Iterable[Claim]) -> dict[str, set[Any]]:
    """Return the levels of each factor in claims."""
    named: dict[str, set[Any]] = {}
    for levels in (term.levels for claim in claims for term in claim.terms):
        for factor, level in levels.items():
            named.setdefault(factor, set()).add(level)
    return named


def _carrying(claim: Claim, named: Mapping[str, set[Any]], arms: Sequence[Arm]) -> dict[str, dict[Any, Any]]:
    """Return for each numeric factor the replacement of the smallest and the largest level of a claim.

    Args:
        claim: The claim.
        named: Levels in all claims of the study.
        arms: The requested arms.
    """
    carrying: dict[str, dict[Any, Any]] = {}
    for factor, values in _levels([claim]).items():
        present = sorted({arm[factor] for arm in arms if _is_number(arm.get(factor))})
        if not present or not all(map(_is_number, named[factor])):
            continue
        carrying[factor] = {min(values): present[0], max(values): present[-1]}
        if len(values) == 1 and len(named[factor]) > 1 and values == {min(named[factor])}:
            carrying[factor] = {min(values): present[0]}
    return carrying


def _is_number(level: Any) -> bool:
    return isinstance(level, Real) and not isinstance(level, bool)


def _moved(claim: Claim, text: str, carrying: Mapping[str, Mapping[Any, Any]]) -> Claim:
    used: dict[str, dict[Any, Any]] = {}
    terms = []
    for term in claim.terms:
        levels = dict(term.levels)
        for factor in levels.keys() & carrying.keys():
            before = levels[factor]
            levels[factor] = carrying[factor].get(before, before)
            used.setdefault(factor, {})[before] = levels[factor]
        terms.append(replace(term, levels=levels))
    return replace(claim, terms=tuple(terms), text=_words(text, used))


def _words(text: str, used: Mapping[str, Mapping[Any, Any]]) -> str:
    """Return the text of a claim with the new levels, and a note on the old levels."""
    new = {f"{before:g}": f"{after:g}" for levels in used.values() for before, after in levels.items()}
    if new:
        number = rf"(?<![\w.])({'|'.join(map(re.escape, new))})(?![\w]|\.\d)"
        text = re.sub(number, lambda match: new[match[1]], text)
    claimed = "; ".join(
        f"{factor} {', '.join(f'{level:g}' for level in sorted(values))}" for factor, values in used.items()
    )
    return f"{text} (The study's own claim: {claimed}.)" if claimed else text


def _reason(claim: Claim, moved: Claim, arms: Sequence[Arm]) -> str:
    """Return why a claim cannot be adapted, or an empty text."""
    for term in moved.terms:
        if not _any_has(term.levels, arms):
            return f"no arm has {term}"
    together = {str(term) for term in moved.terms}
    if len(together) < len({str(term) for term in claim.terms}):
        return f"it compares {' with '.join(str(term) for term in claim.terms)}, which here are one arm"
    return ""
