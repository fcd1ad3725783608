"""Ablation studies: a base, what is varied, seeds; and the program that runs them."""

from ablations.study import Scale, Study

__all__ = ["Scale", "Study"]
