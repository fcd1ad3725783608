"""The fields of a network, and what follows from them alone."""

from collections.abc import Callable
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from resnet_core.nets.registry import registered
from resnet_core.spec_model import Spec

Skip = Literal["none", "A", "B", "C", "D"]
SkipTransform = Literal["identity", "scale", "exclusive_gate", "shortcut_gate", "conv", "dropout"]
Order = Literal[
    "original", "bn_after_addition", "relu_before_addition", "relu_only_preactivation", "full_preactivation"
]
BranchScale = Literal["one", "zero_gamma", "skipinit", "rezero", "fixup", "layerscale"]
Norm = Literal["batch", "group", "layer", "none"]
Activation = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"]
Init = Literal["he_fan_in", "he_fan_out", "glorot"]
Stem = Literal["cifar", "imagenet", "deep", "tiered"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class NetFields(Spec):
    """A residual network or its plain twin, y = post(S(x) + scale · F(pre(x))), block by block.

    `replace(skip="none")` is the plain twin of any network, whatever rode on its skip.

    Attributes:
        input_shape: Height, width and channels of an image.
        classes: Number of classes, so of logits.
        depths: Blocks in each stage. Every stage but the first halves height and width.
        widths: Channels of each stage before expansion: those of a basic block, and of the 3x3
            convolution of a bottleneck.
        stem: `cifar`: one 3x3 convolution. `imagenet`: 7x7 with stride 2, then a 3x3 max-pool with
            stride 2 (He et al. 2015). `deep`: three 3x3, the first with stride 2 and the first two of
            half the width, then the max-pool (ResNet-C, He et al. 2019). `tiered`: as `deep`, but the first
            has 3/8 of the width (timm's ResNet-T).
        stem_pool: What halves a stem other than that for CIFAR again: `max`, the max-pool; `conv`: a 3x3
            convolution with stride 2, normalisation and activation (ResNet-RS, Bello et al. 2021).
        pool_padding: What the max-pool sees beyond the border: `lowest`, nothing, as in Torch; `zeros`,
            which differ where values are negative, as in the pre-activation networks of Keras and BiT.
        stem_width: Channels of the stem; none takes those of the first stage.
        block: The branch F: `basic`, `bottleneck`, or the name of a registered function.
        kernels: Kernel sizes of the branch's convolutions; none takes the block's own, (3, 3) or
            (1, 3, 1). `basic` with (3, 1, 3) is B(3,1,3) of Zagoruyko and Komodakis 2016.
        expansion: Channels of a block's output over `widths`; none takes the block's own, 1 or 4.
        cardinality: Groups of a bottleneck's 3x3 convolution (ResNeXt, Xie et al. 2017).
        group_width: A bottleneck's 3x3 convolution has width · group_width / 64 channels in each group.
        stride_in: Which convolution of a bottleneck halves: the `first` (v1), or the first `spatial`
            one (v1.5).
        stride_block: Which block of a stage halves: the `first`, in every stage but the first, as in the
            papers; or the `last`, in every stage but the last, as in the pre-activation networks of Keras.
            There, a skip B is a subsampling where only height and width change, and a skip D the pooling.
        antialias: How the convolution of a branch and the stem's pool halve. `none`: they skip every second
            pixel. `blur`: they keep all, and a fixed 3x3 binomial filter with reflected borders halves after
            the activation (Zhang 2019). `average`: an average of 2x2 does, in the stem in place of the
            max-pool (timm). The skip is not changed. It has no weights and counts no MACs.
        se_reduction: A squeeze-and-excitation at the end of the branch, with so many times fewer
            channels in between (Hu et al. 2018); 0 for none.
        eca: Whether the branch ends with efficient channel attention: a gate for each channel, the sigmoid
            of a convolution along the channels' means, with a kernel of |log2(channels) + 1| / 2, made odd,
            3 at least (Wang et al. 2020).
        se_divisor: Those channels are rounded to a multiple of it, at least 1 (timm has 8).
        dropout: Rate of the dropout before a branch's last convolution (Zagoruyko and Komodakis 2016).
        order: Where normalisation and activation stand (He et al. 2016, figure 4, a to e).
        first_split: Where the skip of a pre-activation network's first block begins: `after_activation`
            (He et al. 2016, appendix), or `before_activation`, as that of all others (timm).
        skip: What S(x) is. `none`: nothing, the plain net. `A`: x, with zeros for the new channels where
            the shape changes; no parameters. `B`: x, by a 1x1 convolution where the shape changes. `C`:
            a 1x1 convolution on every block (He et al. 2015, section 4.1). `D`: as B, after an average
            pooling that does the halving (ResNet-D, He et al. 2019).
        skip_mask: Which blocks have their skip: for each stage a word of 1 and 0, a digit a block.
            Empty for all. See `keep_skips`.
        zero_padding: Where option A puts its zeros: `append`, or `both` sides of the channels.
        zero_pooling: How option A halves: `subsample` every second pixel, or `average` 2x2.
        skip_transform: What rides on the skip (He et al. 2016, section 3.1): `identity`, nothing; `scale`:
            S times `skip_factor` and F times `branch_factor`; `exclusive_gate`: (1 - g) S and g F;
            `shortcut_gate`: (1 - g) S; `conv`: a 1x1 convolution; `dropout`. The gate g is the sigmoid
            of a 1x1 convolution of S(x) whose kernel starts at 0 and whose bias starts at `gate_bias`.
        skip_factor, branch_factor, gate_bias, skip_dropout: As said; the last is a rate.
        branch_scale: What F is multiplied by. `one`; `zero_gamma`: the last normalisation's gamma, from
            0 (Goyal et al. 2017); `skipinit` (De and Smith 2020) and `rezero` (Bachlechner et al. 2021):
            a learned scalar, from 0; `fixup`: a learned scalar, from 1, with scalar biases before each
            convolution and activation, and its own initial weights (Zhang et al. 2019);
            `layerscale`: a learned factor a channel, from `layer_scale` (Touvron et al. 2021).
        layer_scale: As said.
        survival: Probability that the last block's branch is kept in a training step (stochastic depth,
            Huang et al. 2016).
        survival_decay: `linear`: block l of L has 1 - l/L (1 - survival). `constant`: all have `survival`.
        drop_unit: `batch`: a branch is kept or dropped for the whole batch, and multiplied by its
            probability at test (Huang et al. 2016). `sample`: for each image, and divided by the
            probability in training.
        norm: `batch`, `group` (of `norm_groups`), `layer` (over all but the batch), `none`.
        norm_groups: As said.
        norm_epsilon: Added to the variance.
        bn_momentum: Share of the old moving average that a step of batch normalisation keeps.
            Keras' own default of 0.99 is too slow for runs of a few hundred steps.
        conv_bias: Whether the convolutions of stem and blocks have biases; `unnormalised`: those that no
            normalisation follows directly.
        standardize_weights: Whether the kernel of each convolution of stem, branch and skip has mean 0 and
            variance 1 a filter when it is applied (Qiao et al. 2019; BiT, Kolesnikov et al. 2020).
        weight_epsilon: Added to that variance.
        activation: Called ReLU in the names of orders.
        init: Initial kernels: truncated normal with variance 2 / fan in or 2 / fan out (He), or uniform
            with variance 2 / (fan in + fan out) (Glorot).
        padding: `explicit`: zeros on all sides alike, as in the papers. `same`: Keras' own, which at
            stride 2 pads an even size on the right and bottom only.
    """

    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 32, 3)
    classes: Annotated[int, Field(ge=2)] = 10
    depths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (3, 3, 3)
    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (16, 32, 64)
    stem: Stem = "cifar"
    stem_width: PositiveInt | None = None
    stem_pool: Literal["max", "conv"] = "max"
    pool_padding: Literal["lowest", "zeros"] = "lowest"
    block: str = "basic"
    kernels: tuple[PositiveInt, ...] = ()
    expansion: PositiveInt | None = None
    cardinality: PositiveInt = 1
    group_width: PositiveInt = 64
    stride_in: Literal["first", "spatial"] = "spatial"
    stride_block: Literal["first", "last"] = "first"
    antialias: Literal["none", "blur", "average"] = "none"
    eca: bool = False
    se_reduction: NonNegativeInt = 0
    se_divisor: PositiveInt = 1
    dropout: Fraction = 0.0
    order: Order = "original"
    first_split: Literal["after_activation", "before_activation"] = "after_activation"
    skip: Skip = "A"
    skip_mask: tuple[str, ...] = ()
    zero_padding: Literal["append", "both"] = "append"
    zero_pooling: Literal["subsample", "average"] = "subsample"
    skip_transform: SkipTransform = "identity"
    skip_factor: float = 0.5
    branch_factor: float = 0.5
    gate_bias: float = -6.0
    skip_dropout: Fraction = 0.5
    branch_scale: BranchScale = "one"
    layer_scale: float = 1e-4
    survival: Annotated[float, Field(gt=0, le=1)] = 1.0
    survival_decay: Literal["linear", "constant"] = "linear"
    drop_unit: Literal["batch", "sample"] = "batch"
    norm: Norm = "batch"
    norm_groups: PositiveInt = 32
    norm_epsilon: PositiveFloat = 1e-5
    bn_momentum: Fraction = 0.9
    conv_bias: bool | Literal["unnormalised"] = False
    standardize_weights: bool = False
    weight_epsilon: PositiveFloat = 1e-6
    activation: Activation = "relu"
    init: Init = "he_fan_in"
    padding: Literal["explicit", "same"] = "explicit"

    @property
    def convolutions(self) -> tuple[int, ...]:
        """Kernel sizes of a branch's convolutions."""
        return self.kernels or registered(self.block).kernels

    @property
    def growth(self) -> int:
        """Channels of a block's output over `widths`."""
        return self.expansion or registered(self.block).expansion

    @property
    def depth(self) -> int:
        """Layers with weights on the main path, a stem counted as one: stem, convolutions, classifier."""
        return 2 + len(self.convolutions) * sum(self.depths)

    def strides_of(self, stage: int, block: int) -> int:
        """Return 2 if a block halves height and width, else 1; stages and blocks are counted from 1."""
        if self.stride_block == "first":
            return 2 if stage > 1 and block == 1 else 1
        return 2 if stage < len(self.depths) and block == self.depths[stage - 1] else 1

    def has_skip(self, stage: int, block: int) -> bool:
        """Return whether a block has its skip; stages and blocks are counted from 1."""
        return self.skip != "none" and (not self.skip_mask or self.skip_mask[stage - 1][block - 1] == "1")

    def keep_skips(self, keep: Callable[[int, int], bool]) -> Self:
        """Return the network in which a block has its skip if `keep(stage, block)`, both counted from 1."""
        return self.replace(
            skip_mask=tuple(
                "".join("01"[keep(stage, block)] for block in range(1, depth + 1))
                for stage, depth in enumerate(self.depths, start=1)
            )
        )

    def survival_of(self, index: int) -> float:
        """Return the probability that the branch of block `index`, counted from 1, is kept."""
        if self.survival_decay == "constant":
            return self.survival
        return 1.0 - index / sum(self.depths) * (1.0 - self.survival)
