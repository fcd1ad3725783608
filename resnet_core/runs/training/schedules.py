"""Learning rates over a run, as factors of its highest."""

import math
from collections.abc import Sequence


def drops(step: int, total_steps: int, places: Sequence[float], factor: float) -> float:
    """Return `factor` to the power of the places, shares of the budget, that `step` has reached."""
    return float(factor ** sum(step >= place * total_steps for place in places))


def cosine(share: float) -> float:
    """Return the half cosine from 1 to 0, at this share of the way (SGDR, Loshchilov and Hutter 2017, equation 5)."""
    return (1.0 + math.cos(math.pi * share)) / 2.0


def one_cycle(share: float, peak: float, descent: str) -> float:
    """Return the line from 0 to 1 at `peak` and then, `linear` or `cosine`, to 0, at this share of the budget.

    One rise and one fall are Smith and Topin's (2018, Super-Convergence); from 0 and to 0 they are those of the
    fast CIFAR-10 recipes (Page 2018, How to Train Your ResNet: linear, the peak at 5 of 24 epochs).
    """
    if share < peak:
        return share / peak
    spent = (share - peak) / (1.0 - peak)
    return cosine(spent) if descent == "cosine" else 1.0 - spent
