"""The fields of a `NetSpec`, and the properties derived from them."""

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

    `replace(skip="none")` returns the plain twin of any network.

    Attributes:
        input_shape: Height, width and channels of an image.
        classes: Number of classes, which is the number of logits.
        depths: Number of blocks in each stage. Every stage but the first halves height and width.
        widths: Channels of each stage before expansion: the channels of a basic block, and those of the 3x3
            convolution of a bottleneck.
        stem: Layers before the first block. `cifar`: one 3x3 convolution. `imagenet`: a 7x7 convolution with stride 2,
            then 3x3 max-pooling with stride 2 (He et al. 2015). `deep`: three 3x3 convolutions, the first with stride
            2, the first two of half the width, then the max-pooling (ResNet-C, He et al. 2019). `tiered`: like `deep`,
            but the first convolution has 3/8 of the width (timm's ResNet-T).
        stem_pool: Second halving of a stem other than `cifar`. `max`: the max-pooling. `conv`: a 3x3 convolution with
            stride 2, normalisation and activation (ResNet-RS, Bello et al. 2021).
        pool_padding: Padding of the max-pooling. `lowest`: minus infinity, as in PyTorch. `zeros`: zeros, as in the
            pre-activation networks of Keras and BiT; the two differ where values are negative.
        stem_width: Channels of the stem. `None` means those of the first stage.
        block: Name of the branch F: `basic`, `bottleneck`, or a registered function.
        kernels: Kernel sizes of the branch's convolutions. Empty means the block's own, (3, 3) or (1, 3, 1). `basic`
            with (3, 1, 3) is B(3,1,3) of Zagoruyko and Komodakis 2016.
        expansion: Output channels of a block divided by its width. `None` means the block's own, 1 or 4.
        cardinality: Number of groups of a bottleneck's 3x3 convolution (ResNeXt, Xie et al. 2017).
        group_width: Each group of a bottleneck's 3x3 convolution has width · group_width / 64 channels.
        stride_in: Convolution of a bottleneck that has the stride: the `first` (v1), or the first `spatial` one (v1.5).
        stride_block: Block of a stage that has the stride. `first`: in every stage but the first, as in the papers.
            `last`: in every stage but the last, as in the pre-activation networks of Keras; then skip B subsamples, and
            skip D pools, where only height and width change.
        antialias: How the convolution of a branch and the pooling of the stem halve. `none`: by stride. `blur`: by
            a fixed 3x3 binomial filter with reflected borders after the activation (Zhang 2019). `average`: by 2x2
            average pooling, which replaces the max-pooling of the stem (timm). The skip is not affected. These filters
            have no weights and count no MACs.
        se_reduction: Reduction ratio of squeeze-and-excitation at the end of the branch (Hu et al. 2018); 0 for none.
        eca: Whether the branch ends with efficient channel attention (Wang et al. 2020). Its kernel size is
            `abs(log2(channels) + 1) / 2`, made odd, and at least 3.
        se_divisor: The channels inside squeeze-and-excitation are rounded to a multiple of this (8 in timm).
        dropout: Rate of the dropout before the last convolution of the branch (Zagoruyko and Komodakis 2016).
        order: Positions of normalisation and activation (He et al. 2016, figure 4, a to e).
        first_split: Where the skip of the first block of a pre-activation network begins: `after_activation` (He et al.
            2016, appendix), or `before_activation`, as in all other blocks (timm).
        skip: The skip S(x). `none`: no skip, the plain network. `A`: the identity, padded with zeros for new channels;
            no parameters. `B`: the identity, or a 1x1 convolution where the shape changes. `C`: a 1x1 convolution in
            every block (He et al. 2015, section 4.1). `D`: like `B`, after average pooling that does the halving
            (ResNet-D, He et al. 2019).
        skip_mask: Which blocks have a skip: for each stage a string of `1` and `0`, a digit for each block. Empty means
            all. See `keep_skips`.
        zero_padding: Position of option A's zeros: `append`, or on `both` sides of the channels.
        zero_pooling: How option A halves: `subsample` every second pixel, or `average` 2x2.
        skip_transform: Operation on the skip (He et al. 2016, section 3.1). `identity`: none. `scale`: S times
            `skip_factor` and F times `branch_factor`. `exclusive_gate`: (1 - g) S and g F. `shortcut_gate`: (1 - g) S.
            `conv`: a 1x1 convolution. `dropout`. The gate g is the sigmoid of a 1x1 convolution of S(x); its kernel
            starts at 0 and its bias at `gate_bias`.
        skip_factor: Factor of S with `skip_transform="scale"`.
        branch_factor: Factor of F with `skip_transform="scale"`.
        gate_bias: Initial bias of the gate.
        skip_dropout: Rate of the dropout with `skip_transform="dropout"`.
        branch_scale: Factor of F. `one`: 1. `zero_gamma`: the gamma of the last normalisation, which starts at 0 (Goyal
            et al. 2017). `skipinit` (De and Smith 2020) and `rezero` (Bachlechner et al. 2021): a learned scalar that
            starts at 0. `fixup`: a learned scalar that starts at 1, with scalar biases before each convolution and
            activation, and its own initialisation (Zhang et al. 2019). `layerscale`: a learned factor for each channel
            that starts at `layer_scale` (Touvron et al. 2021).
        layer_scale: Initial value of LayerScale's factors.
        survival: Probability that the branch of the last block is kept in a training step (stochastic depth, Huang et
            al. 2016).
        survival_decay: `linear`: block l of L is kept with probability 1 - l/L (1 - survival). `constant`: every block
            with `survival`.
        drop_unit: `batch`: a branch is dropped for the whole batch, and multiplied by its probability at test time
            (Huang et al. 2016). `sample`: it is dropped for each image, and divided by the probability in training.
        norm: Normalisation: `batch`, `group` (with `norm_groups`), `layer` (over all axes but the batch), `none`.
        norm_groups: Number of groups of group normalisation.
        norm_epsilon: Value added to the variance.
        bn_momentum: Momentum of the moving averages of batch normalisation. Keras' default of 0.99 is too slow for runs
            of a few hundred steps.
        conv_bias: Whether the convolutions of stem and blocks have biases. `unnormalised`: only those that are not
            directly followed by a normalisation.
        standardize_weights: Whether the kernels of the convolutions of stem, branch and skip are standardised for each
            filter (Qiao et al. 2019; BiT, Kolesnikov et al. 2020).
        weight_epsilon: Value added to the variance of the kernels.
        activation: Activation function, called ReLU in the names of orders.
        init: Initial kernels: truncated normal with variance 2 / fan-in or 2 / fan-out (He), or uniform with variance
            2 / (fan-in + fan-out) (Glorot).
        padding: `explicit`: the same number of zeros on all sides, as in the papers. `same`: Keras' padding, which at
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
        """Output channels of a block divided by its width."""
        return self.expansion or registered(self.block).expansion

    @property
    def depth(self) -> int:
        """Number of layers with weights on the main path: the stem (counted as one), convolutions, classifier."""
        return 2 + len(self.convolutions) * sum(self.depths)

    def strides_of(self, stage: int, block: int) -> int:
        """Return the stride of a block: 2 if it halves the map, else 1. Stages and blocks are counted from 1."""
        if self.stride_block == "first":
            return 2 if stage > 1 and block == 1 else 1
        return 2 if stage < len(self.depths) and block == self.depths[stage - 1] else 1

    def has_skip(self, stage: int, block: int) -> bool:
        """Return whether a block has its skip; stages and blocks are counted from 1."""
        return self.skip != "none" and (not self.skip_mask or self.skip_mask[stage - 1][block - 1] == "1")

    def keep_skips(self, keep: Callable[[int, int], bool]) -> Self:
        """Return the network in which a block has a skip if `keep(stage, block)` is true; both are counted from 1."""
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
