"""A network is data: `NetSpec`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from resnet_core.errors import UserError
from resnet_core.spec_model import Spec

Skip = Literal["none", "A", "B", "C"]
Order = Literal["original", "full_preactivation"]
Init = Literal["he_fan_in", "he_fan_out", "glorot"]


class NetSpec(Spec):
    """A residual network or its plain twin.

    Attributes:
        input_shape: Height, width and channels of an image.
        classes: Number of classes, so of logits.
        depths: Blocks in each stage. Every stage but the first halves height and width.
        widths: Channels of each stage; the stem has those of the first.
        skip: What a block adds to its branch. `none`: nothing, the plain net. `A`: its input, with
            zeros for the new channels where the shape changes; no parameters. `B`: its input, by a
            1x1 convolution where the shape changes. `C`: a 1x1 convolution on every block
            (He et al. 2015, section 4.1, "Identity vs. Projection Shortcuts").
        order: Where normalisation and activation stand. `original`: after each convolution, the
            last ReLU after the addition (He et al. 2015). `full_preactivation`: both before each
            convolution, nothing after the addition (He et al. 2016, figure 4e).
        bn_momentum: Share of the old moving average that a step of batch normalisation keeps.
            Keras' own default of 0.99 is too slow for runs of a few hundred steps.
        bn_epsilon: Added to the variance in batch normalisation.
        init: Initial weights: normal with variance 2 / fan in or 2 / fan out (He), or uniform with
            variance 2 / (fan in + fan out) (Glorot).
    """

    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 32, 3)
    classes: Annotated[int, Field(ge=2)] = 10
    depths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (3, 3, 3)
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (16, 32, 64)
    skip: Skip = "A"
    order: Order = "original"
    bn_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    bn_epsilon: PositiveFloat = 1e-5
    init: Init = "he_fan_in"

    @model_validator(mode="after")
    def _one_width_a_stage(self) -> Self:
        if len(self.depths) != len(self.widths):
            raise UserError(
                "`depths` and `widths` must have one entry a stage each, "
                f"but got depths={self.depths} and widths={self.widths}"
            )
        narrowing = [pair for pair in zip(self.widths, self.widths[1:]) if pair[1] < pair[0]]
        if self.skip == "A" and narrowing:
            raise UserError(
                "`widths` must not fall with skip='A', which can only add channels, "
                f"but got widths={self.widths}; take skip='B'"
            )
        return self

    @property
    def depth(self) -> int:
        """Layers with weights on the main path: the stem, two a block, and the classifier."""
        return 2 + 2 * sum(self.depths)


def cifar(depth: int, width: int = 16, **fields: Any) -> NetSpec:
    """Return the CIFAR network of He et al. 2015, section 4.2, with `depth` = 6n + 2 layers.

    Args:
        depth: 8, 14, 20, ..., 56, 110, 1202: three stages of n blocks of two convolutions, the stem
            and the classifier.
        width: Channels of the first stage; the second has twice as many, the third four times.
        fields: Further fields of `NetSpec`.

    Raises:
        UserError: No n gives this depth.
    """
    n, rest = divmod(depth - 2, 6)
    if rest or n < 1:
        below, above = max(8, 6 * n + 2), max(8, 6 * n + 8)
        near = f"{below}" if below == above else f"{below} or {above}"
        raise UserError(f"`depth` must be 6n + 2 with n >= 1, but got {depth}; take {near}")
    return NetSpec(depths=(n, n, n), widths=(width, 2 * width, 4 * width), **fields)
