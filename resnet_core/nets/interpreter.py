"""The words in which a network is written.

A block is a function over an `Interpreter`: it says which convolutions, normalisations and
additions are applied to which value, and the interpreter decides what a value is. `KerasNet`
makes layers of a `keras.Model`; `CostNet` counts parameters and operations without TensorFlow; `Tape` writes the words
down, so that they are traced once for all networks of a kind.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, Self

from resnet_core.nets.fields import NetFields

Shape = tuple[int, int, int]
Value = Any  # a KerasTensor for KerasNet, a Tensor for CostNet, a Written for Tape
Pooling = Literal["average", "max"]


class Interpreter(ABC):
    """Applies layers to values. Values are maps of shape (height, width, channels).

    Attributes:
        spec: The network that is being written.
        prefix: Put before the name of every layer, as in `stage1_block2_conv1`.
    """

    def __init__(self, spec: NetFields) -> None:
        self.spec = spec
        self.prefix = ""

    def within(self, scope: str) -> Self:
        """Return the same interpreter, naming its layers `{scope}_…`."""
        inner = copy.copy(self)
        inner.prefix = f"{self.prefix}{scope}_"
        return inner

    def norm_act(self, x: Value, words: tuple[str, ...], *, norm: str, act: str) -> Value:
        """Apply what `words` says, `norm` and `act`, in order, to `x`, under these names."""
        for word in words:
            x = self.norm(x, name=norm) if word == "norm" else self.activation(x, name=act)
        return x

    def at_stride_one(self, x: Value, kernel_size: int, strides: int, *, name: str) -> tuple[Value, int]:
        """Return what the convolution `name` reads of `x`, and the stride that is left to it.

        A strided 1x1 convolution reads the pixels of `subsample` alone, so it is a 1x1 convolution of these, of
        stride 1. It is written so because oneDNN's filter gradient of a strided one writes out of bounds or is wrong,
        where channels do not fill a vector of the processor (see `benchmarks.convolutions`).
        """
        if kernel_size > 1 or strides == 1:
            return x, strides
        return self.subsample(x, strides, name=f"{name}_subsample"), 1

    @abstractmethod
    def shape(self, x: Value) -> Shape:
        """Return height, width and channels of `x`."""

    @abstractmethod
    def conv(
        self,
        x: Value,
        filters: int,
        kernel_size: int,
        strides: int = 1,
        *,
        name: str,
        groups: int = 1,
        bias: bool | None = None,
        gain: float = 1.0,
        bias_start: float = 0.0,
        normalised: bool = True,
        standardized: bool = True,
    ) -> Value:
        """Convolve; output pixel i is centred on i * strides where `spec.padding` is explicit.

        Args:
            x: What is convolved.
            filters: Channels of the output.
            kernel_size: Height and width of the kernel.
            strides: Step between the centres.
            name: Name of the layer.
            groups: Parts of the channels that are convolved apart.
            bias: Whether there is a bias; none takes `spec.conv_bias`.
            gain: What the initial kernel of `spec.init` is multiplied by.
            bias_start: Initial value of the bias.
            normalised: Whether a normalisation follows directly, which `spec.conv_bias` may ask for.
            standardized: Whether the kernel is standardised where `spec.standardize_weights` is true.
        """

    def has_bias(self, bias: bool | None, *, normalised: bool) -> bool:
        """Return whether a convolution has a bias; see `conv`."""
        if bias is not None:
            return bias
        return not normalised if self.spec.conv_bias == "unnormalised" else self.spec.conv_bias

    @abstractmethod
    def norm(self, x: Value, *, name: str, gamma_start: float = 1.0) -> Value:
        """Normalise as `spec.norm` says, then scale, first by `gamma_start`, and shift; `x` itself for `none`."""

    @abstractmethod
    def activation(self, x: Value, *, name: str, function: str | None = None) -> Value:
        """Return `function` of `x`; none takes `spec.activation`."""

    @abstractmethod
    def identity(self, x: Value, *, name: str) -> Value:
        """Return `x` under a name of its own."""

    @abstractmethod
    def add(self, x: Value, y: Value, *, name: str) -> Value:
        """Return x + y, two values of one shape."""

    @abstractmethod
    def multiply(self, x: Value, y: Value, *, name: str) -> Value:
        """Return x * y, two values of one shape, or the second with one row and column."""

    @abstractmethod
    def linear(self, x: Value, factor: float, offset: float = 0.0, *, name: str) -> Value:
        """Return factor * x + offset, two constants."""

    @abstractmethod
    def scale(self, x: Value, *, name: str, start: float, per_channel: bool = False, shifted: bool = False) -> Value:
        """Multiply by a learned factor, one or one a channel, from `start`; add a learned scalar if `shifted`."""

    @abstractmethod
    def shift(self, x: Value, *, name: str) -> Value:
        """Add a learned scalar, from 0."""

    @abstractmethod
    def dropout(
        self, x: Value, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value"
    ) -> Value:
        """Drop each value, each sample's map or the batch's at a rate in training; divide what is left by 1 - rate."""

    @abstractmethod
    def subsample(self, x: Value, strides: int, *, name: str) -> Value:
        """Return every `strides`-th row and column, from the first on."""

    @abstractmethod
    def pool(self, x: Value, kind: Pooling, size: int, strides: int, *, name: str) -> Value:
        """Pool windows of `size`: `average` from the first pixel on, over what is there; `max` centred as in `conv`."""

    @abstractmethod
    def blur(self, x: Value, strides: int, *, name: str) -> Value:
        """Apply the binomial filter (1 2 1) ⊗ (1 2 1) / 16 at every `strides`-th pixel, the borders reflected."""

    @abstractmethod
    def conv_along_channels(self, x: Value, kernel_size: int, *, name: str) -> Value:
        """Convolve a vector along its channels, by one kernel without a bias; return a map of one pixel."""

    @abstractmethod
    def pad_channels(self, x: Value, before: int, after: int, *, name: str) -> Value:
        """Add channels of zeros."""

    @abstractmethod
    def global_average_pool(self, x: Value, *, name: str, keepdims: bool = False) -> Value:
        """Return the mean of each channel, as a vector or as a map of one pixel."""

    @abstractmethod
    def dense(self, x: Value, units: int, *, name: str, gain: float = 1.0) -> Value:
        """Return a linear map of a vector, with bias; `gain` as in `conv`."""

    @abstractmethod
    def layer(
        self, x: Value, make: Callable[..., Any], *, name: str, macs: int | None = None, kept_bytes: int | None = None
    ) -> Value:
        """Apply the Keras layer `make(name=...)`, for what these words have no word for.

        Its cost is counted on the operations that TensorFlow traces of it. What cannot be counted, as the turns of a
        loop, is to be given; `cost` says so.

        Args:
            x: What it is applied to.
            make: From a name to the layer.
            name: Name of the layer.
            macs: Multiply-accumulates of an image, forward, where they cannot be counted.
            kept_bytes: Bytes of an image that the layer keeps for its backward pass, beside its input and its output.
        """
