"""Networks of a given cost: the same shape, wider or narrower."""

from typing import Literal

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec

Budget = Literal["parameters", "macs"]

GAP = 1024
"""Number of consecutive illegal widths after which the search gives up. No network has groups with more channels."""


def with_budget(spec: NetSpec, cost_name: Budget, budget: int) -> NetSpec:
    """Return `spec` with all widths scaled by one factor and rounded, so that its cost is as near as possible to a
    budget.

    Illegal widths are skipped, for example widths that are not divisible by the groups of a normalisation.

    Args:
        spec: The network.
        cost_name: `parameters`, the trainable ones, or `macs`, multiply-accumulates of an image.
        budget: The target cost.

    Raises:
        UserError: The operations cannot be counted, or no width near the budget is legal. The message states the rule
            that the last width broke.
    """
    widest = max(spec.widths)

    def times(k: int) -> NetSpec:
        """Return the network whose widest stage has k channels, with the other stages in proportion."""
        stem = {} if spec.stem_width is None else {"stem_width": scaled(spec.stem_width, k)}
        return spec.replace(widths=tuple(scaled(width, k) for width in spec.widths), **stem)

    def scaled(width: int, k: int) -> int:
        return max(1, round(width * k / widest))

    def legal(start: int, stop: int, step: int = 1) -> int | None:
        """Return the first legal width in range(start, stop)."""
        for k in range(start, stop, step):
            try:
                times(k)
            except UserError:
                continue
            return k
        return None

    def cost_of(k: int) -> int:
        count = cost(times(k))
        return count.trainable if cost_name == "parameters" else count.macs

    below, above = 0, legal(1, 1 + GAP)  # widths below the budget, or 0, and above it
    while above is not None and cost_of(above) < budget:
        below, above = above, legal(2 * above, 2 * above + GAP)
    if above is None:
        times(2 * below + GAP if below else GAP)  # raises the error with the broken rule
        raise UserError(
            f"a network near {budget:,} {cost_name} must have a legal width, but none was found for {spec.widths}"
        )
    while above - below > 1:
        middle = (below + above) // 2
        nearest = legal(middle, above) or legal(middle - 1, below, -1)
        if nearest is None:
            break
        below, above = (nearest, above) if cost_of(nearest) < budget else (below, nearest)
    return times(min((k for k in (below, above) if k), key=lambda k: abs(cost_of(k) - budget)))
