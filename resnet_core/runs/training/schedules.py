"""Schedules of the learning rate, as factors of the highest learning rate of a run."""

import math
from collections.abc import Sequence


def drops(step: int, total_steps: int, places: Sequence[float], factor: float) -> float:
    """Return `factor` to the power of the number of `places`, fractions of the budget, that `step` has reached."""
    return float(factor ** sum(step >= place * total_steps for place in places))


def cosine(share: float) -> float:
    """Return the value of half a cosine from 1 to 0 at this fraction (SGDR, Loshchilov and Hutter 2017, equation 5)."""
    return (1.0 + math.cos(math.pi * share)) / 2.0


def one_cycle(share: float, peak: float, descent: str) -> float:
    """Return the factor at this fraction of the budget: linear from 0 to 1 at `peak`, then `linear` or `cosine` to 0.

    A single rise and fall is proposed by Smith and Topin (2018, Super-Convergence). Beginning and end at 0 are those of
    fast CIFAR-10 recipes (Page 2018, How to Train Your ResNet: linear, with the peak at 5 of 24 epochs).
    """
    if share < peak:
        return share / peak
    spent = (share - peak) / (1.0 - peak)
    return cosine(spent) if descent == "cosine" else 1.0 - spent
