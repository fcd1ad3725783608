"""Networks of a given cost: the same shape, wider or narrower."""

from typing import Literal

from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec

Budget = Literal["parameters", "macs"]


def with_budget(spec: NetSpec, of: Budget, budget: int) -> NetSpec:
    """Return `spec` with all widths multiplied alike and rounded, its cost as near to a budget as can be.

    Args:
        spec: The network.
        of: `parameters`, the trainable ones, or `macs`, multiply-accumulates of an image.
        budget: What it is to cost.

    Raises:
        UserError: A width on the way is illegal, as one that the groups of a convolution do not divide.
    """
    widest = max(spec.widths)

    def times(k: int) -> NetSpec:
        """Return the network whose widest stage has k channels, all others in proportion."""
        stem = {} if spec.stem_width is None else {"stem_width": scaled(spec.stem_width, k)}
        return spec.replace(widths=tuple(scaled(width, k) for width in spec.widths), **stem)

    def scaled(width: int, k: int) -> int:
        return max(1, round(width * k / widest))

    def cost_of(k: int) -> int:
        count = cost(times(k))
        return count.trainable if of == "parameters" else count.macs

    above = 1
    while cost_of(above) < budget:
        above *= 2
    below = above // 2  # too narrow, or 0
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (middle, above) if cost_of(middle) < budget else (below, middle)
    return times(min((k for k in (below, above) if k), key=lambda k: abs(cost_of(k) - budget)))
