"""Names of levels of common factors, as in the papers: a name and, after a colon, a sentence."""

from collections.abc import Mapping
from typing import Any

COMMON: Mapping[str, Mapping[Any, str]] = {
    "skip": {
        "none": "plain: the same layers without a skip",
        "A": "residual, option A: identity with zero padding where the shape changes, so it has no parameters",
        "B": "residual, option B: identity, and a 1x1 convolution where the shape changes",
        "C": "residual, option C: a 1x1 convolution on every skip",
        "D": "residual, option D: average pooling before a 1x1 convolution where the shape changes",
    },
    "order": {
        "original": "original order: convolution and normalisation in the branch, the activation after the addition",
        "bn_after_addition": "normalisation after the addition: normalisation and activation follow the addition",
        "relu_before_addition": "activation before the addition: what is added is never below 0",
        "relu_only_preactivation": "activation first: an activation before, and a normalisation after each convolution",
        "full_preactivation": "full pre-activation: normalisation and activation before each convolution",
    },
}


def words_for(own: Mapping[str, Mapping[Any, str]], factors: Mapping[str, set[str]]) -> dict[str, dict[str, str]]:
    """Return the names of the levels of a study: its own names and, for other levels, those in `COMMON`.

    Args:
        own: Names of the study, by factor and level.
        factors: Levels of the study as text, by factor.
    """
    names = {}
    for factor, levels in factors.items():
        known = {str(level): text for level, text in {**COMMON.get(factor, {}), **own.get(factor, {})}.items()}
        present = {level: known[level] for level in sorted(levels) if level in known}
        if present:
            names[factor] = present
    return names
