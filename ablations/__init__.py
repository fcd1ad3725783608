"""Ablation studies: arms, seeds and claims; and the program that runs them."""

from ablations.designs import grid, leave_out, one_at_a_time, paired, pairwise
from ablations.study import Published, Scale, Study
from analysis.claims import mean

__all__ = [
    "Published", "Scale", "Study", "grid", "leave_out", "mean", "one_at_a_time", "paired", "pairwise",
]  # fmt: skip
