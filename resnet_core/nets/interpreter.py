"""`Interpreter`: the operations that networks are composed of.

A block is a function of an `Interpreter`. It calls the interpreter's methods, such as `conv`, `norm` and `add`; the
interpreter decides what a value is. `KerasNet` makes layers of a `keras.Model`; `CostNet` counts parameters and
operations without TensorFlow; `Tape` records the calls, so that they are traced once for all networks of a kind.
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
    """Applies layers to values. A value is a feature map of shape (height, width, channels).

    Attributes:
        spec: The network.
        prefix: Prefix of the names of layers, such as `stage1_block2_`.
    """

    def __init__(self, spec: NetFields) -> None:
        self.spec = spec
        self.prefix = ""

    def within(self, scope: str) -> Self:
        """Return a copy that names its layers `{scope}_…`."""
        inner = copy.copy(self)
        inner.prefix = f"{self.prefix}{scope}_"
        return inner

    def norm_act(self, x: Value, words: tuple[str, ...], *, norm: str, act: str) -> Value:
        """Apply normalisation and activation to `x`, with the layer names `norm` and `act`, in the order of `words`."""
        for word in words:
            x = self.norm(x, name=norm) if word == "norm" else self.activation(x, name=act)
        return x

    def at_stride_one(self, x: Value, kernel_size: int, strides: int, *, name: str) -> tuple[Value, int]:
        """Return the input and the stride with which the convolution `name` of `x` is computed.

        A strided 1x1 convolution is computed as `subsample`, then a 1x1 convolution of stride 1. oneDNN's filter
        gradient of the strided one is wrong, or writes out of bounds, for some numbers of channels (see
        `benchmarks.convolutions`).
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
        """Convolve. If `spec.padding` is `explicit`, output pixel i is centred on input pixel i * strides.

        Args:
            x: The input.
            filters: Number of output channels.
            kernel_size: Height and width of the kernel.
            strides: Step between the centres.
            name: Name of the layer.
            groups: Number of groups of channels.
            bias: Whether there is a bias. `None` follows `spec.conv_bias`.
            gain: Factor of the initial kernel.
            bias_start: Initial value of the bias.
            normalised: Whether a normalisation follows directly; read if `spec.conv_bias` is `unnormalised`.
            standardized: Whether `spec.standardize_weights` applies to the kernel.
        """

    def has_bias(self, bias: bool | None, *, normalised: bool) -> bool:
        """Return whether a convolution has a bias; see `conv`."""
        if bias is not None:
            return bias
        return not normalised if self.spec.conv_bias == "unnormalised" else self.spec.conv_bias

    @abstractmethod
    def norm(self, x: Value, *, name: str, gamma_start: float = 1.0) -> Value:
        """Normalise as in `spec.norm`, then scale (initially by `gamma_start`) and shift. Return `x` for `none`."""

    @abstractmethod
    def activation(self, x: Value, *, name: str, function: str | None = None) -> Value:
        """Apply an activation function, by default `spec.activation`."""

    @abstractmethod
    def identity(self, x: Value, *, name: str) -> Value:
        """Return `x` as the output of a layer of this name."""

    @abstractmethod
    def add(self, x: Value, y: Value, *, name: str) -> Value:
        """Return x + y, values of the same shape."""

    @abstractmethod
    def multiply(self, x: Value, y: Value, *, name: str) -> Value:
        """Return x * y, values of the same shape; y may have a single row and column."""

    @abstractmethod
    def linear(self, x: Value, factor: float, offset: float = 0.0, *, name: str) -> Value:
        """Return factor * x + offset, with constant factor and offset."""

    @abstractmethod
    def scale(self, x: Value, *, name: str, start: float, per_channel: bool = False, shifted: bool = False) -> Value:
        """Multiply by a learned factor, a scalar or one per channel, that starts at `start`; add a learned scalar if
        `shifted`.
        """

    @abstractmethod
    def shift(self, x: Value, *, name: str) -> Value:
        """Add a learned scalar that starts at 0."""

    @abstractmethod
    def dropout(
        self, x: Value, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value"
    ) -> Value:
        """In training, drop values, whole samples or the whole batch at a rate, and divide the rest by 1 - rate."""

    @abstractmethod
    def subsample(self, x: Value, strides: int, *, name: str) -> Value:
        """Return every `strides`-th row and column, starting with the first."""

    @abstractmethod
    def pool(self, x: Value, kind: Pooling, size: int, strides: int, *, name: str) -> Value:
        """Pool windows of `size`.

        `average`: windows start at the first pixel, and the mean is over the pixels inside the map. `max`: windows are
        centred as in `conv`.
        """

    @abstractmethod
    def blur(self, x: Value, strides: int, *, name: str) -> Value:
        """Apply the binomial filter (1 2 1) ⊗ (1 2 1) / 16 at every `strides`-th pixel, with reflected borders."""

    @abstractmethod
    def conv_along_channels(self, x: Value, kernel_size: int, *, name: str) -> Value:
        """Convolve a vector along its channels with a single kernel, without bias; return a map of one pixel."""

    @abstractmethod
    def pad_channels(self, x: Value, before: int, after: int, *, name: str) -> Value:
        """Add channels of zeros."""

    @abstractmethod
    def global_average_pool(self, x: Value, *, name: str, keepdims: bool = False) -> Value:
        """Return the mean of each channel, as a vector or as a map of one pixel."""

    @abstractmethod
    def dense(self, x: Value, units: int, *, name: str, gain: float = 1.0) -> Value:
        """Apply a dense layer with bias to a vector; `gain` as in `conv`."""

    @abstractmethod
    def layer(
        self, x: Value, make: Callable[..., Any], *, name: str, macs: int | None = None, kept_bytes: int | None = None
    ) -> Value:
        """Apply the Keras layer `make(name)`, for operations without a method here.

        The cost is counted on the operations that TensorFlow traces. A cost that cannot be counted, as of a loop, must
        be given; otherwise `cost` raises an error.

        Args:
            x: Input of the layer.
            make: Function from a name to a new layer.
            name: Name of the layer.
            macs: Multiply-accumulates per image, forward, if they cannot be counted.
            kept_bytes: Bytes per image that the layer keeps for its backward pass, besides its input and output.
        """
