"""Ablation studies: arms, seeds and claims; and the program that runs them."""

from ablations.designs import grid, leave_out, one_at_a_time, paired, pairwise
from ablations.study import Published, Scale, Study
from analysis.claims import mean, rate

__all__ = [
    "Published", "Scale", "Study", "column", "grid", "judge", "leave_out", "mean", "one_at_a_time", "paired",
    "pairwise", "rate",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Return what needs pandas, when it is asked for."""
    if name in ("column", "judge"):
        from analysis import judging

        return getattr(judging, name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
