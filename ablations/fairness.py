"""Comparison of the cost of the two sides of a claim."""

from collections.abc import Iterator, Sequence
from statistics import fmean

from analysis.claims import Claim
from resnet_core.nets.cost import Cost, cost
from resnet_core.runs.spec import Run

COSTS = {"parameters": "trainable", "MACs": "macs"}
TOLERANCE = 0.01  # relative difference that is tolerated


def mismatches(claims: Sequence[Claim], runs: Sequence[Run]) -> Iterator[str]:
    """Yield a line for each claim whose sides differ in parameters or multiply-accumulates, with the ratio."""
    for claim in claims:
        above, below = (_sides(claim, runs, sign) for sign in (1, -1))
        if not above or not below:
            continue
        ratios = {name: _mean(above, field) / _mean(below, field) for name, field in COSTS.items()}
        unequal = [f"{name} ×{ratio:.3g}" for name, ratio in ratios.items() if abs(ratio - 1) > TOLERANCE]
        if unequal:
            yield f"{(claim.text or str(claim)).removesuffix('.')}: {', '.join(unequal)}"


def _sides(claim: Claim, runs: Sequence[Run], sign: int) -> list[tuple[Cost, float]]:
    """Return the costs of the arms on one side, 1 or -1, of a claim, with their weights."""
    costs = []
    for term in claim.terms:
        arms = [run for run in runs if run.seed == 0 and term.levels.items() <= run.factors.items()]
        if term.factor * sign > 0:
            costs += [(cost(run.net), abs(term.factor) / len(arms)) for run in arms]
    return costs


def _mean(side: list[tuple[Cost, float]], field: str) -> float:
    return fmean([getattr(each, field) for each, _ in side], [share for _, share in side])
