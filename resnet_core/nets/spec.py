"""`NetSpec`: a network as data."""

from typing import Any, Self

from pydantic import model_validator

from resnet_core.arguments import checked
from resnet_core.errors import UserError
from resnet_core.nets.fields import (
    Activation,
    BranchScale,
    Init,
    NetFields,
    Norm,
    Order,
    Skip,
    SkipTransform,
    Stem,
)
from resnet_core.nets.rules import READ, check
from resnet_core.spec_model import Readers

__all__ = [
    "Activation", "BranchScale", "Init", "NetSpec", "Norm", "Order", "Skip", "SkipTransform", "Stem", "cifar",
]  # fmt: skip


class NetSpec(NetFields):  # noqa: D101 - its fields are what there is to say
    __doc__ = NetFields.__doc__

    @model_validator(mode="after")
    def _legal(self) -> Self:
        check(self)
        return self

    @classmethod
    def readers(cls) -> Readers:
        return READ


@checked
def cifar(depth: int, width: int = 16, **fields: Any) -> NetSpec:
    """Return the CIFAR network of He et al. 2015, section 4.2, with `depth` layers.

    Args:
        depth: Number of layers: three stages of n blocks, the stem and the classifier. With basic blocks this is
            6n + 2: 8, 20, 32, 44, 56, 110, 1202. In general it is 3n times the convolutions of a branch, plus 2.
        width: Channels of the first stage. The second stage has twice as many, the third four times as many.
        fields: Other fields of `NetSpec`.

    Raises:
        UserError: No n gives this depth, or a field is illegal.
    """
    fields = {"depths": (1, 1, 1), "widths": (width, 2 * width, 4 * width), **fields}
    per_n = 3 * len(NetSpec(**fields).convolutions)
    n, rest = divmod(depth - 2, per_n)
    if rest or n < 1:
        near = dict.fromkeys((max(per_n, per_n * n) + 2, max(per_n, per_n * (n + 1)) + 2))
        raise UserError(
            f"`depth` must be {per_n}n + 2 with n >= 1, but got {depth}; take {' or '.join(map(str, near))}"
        )
    return NetSpec(**{**fields, "depths": (n, n, n)})
