"""Networks of a given cost: the same shape, wider or narrower."""

from math import gcd
from typing import Literal

from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec

Budget = Literal["parameters", "macs"]


def with_budget(spec: NetSpec, of: Budget, budget: int) -> NetSpec:
    """Return `spec` with all widths multiplied alike, such that its cost is as near to a budget as it can be.

    Args:
        spec: The network.
        of: `parameters`, the trainable ones, or `macs`, multiply-accumulates of an image.
        budget: What it is to cost.

    Raises:
        UserError: A width on the way is illegal, as one that the groups of a convolution do not divide.
    """
    stem = [] if spec.stem_width is None else [spec.stem_width]
    unit = gcd(*spec.widths, *stem)

    def times(k: int) -> NetSpec:
        widths = tuple(width // unit * k for width in spec.widths)
        return spec.replace(widths=widths, **({"stem_width": stem[0] // unit * k} if stem else {}))

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
