"""The words in which a network is written.

A block is a function over an `Interpreter`: it says which convolutions, normalisations and
additions are applied to which value, and the interpreter decides what a value is. `KerasNet`
makes layers of a `keras.Model`; `CostNet` counts parameters and operations without TensorFlow.
"""

import copy
from abc import ABC, abstractmethod
from typing import Any, Self

from resnet_core.nets.spec import NetSpec

Shape = tuple[int, int, int]
Value = Any  # a KerasTensor for KerasNet, a Shape for CostNet


class Interpreter(ABC):
    """Applies layers to values. Values are maps of shape (height, width, channels).

    Attributes:
        spec: The network that is being written.
        prefix: Put before the name of every layer, as in `stage1_block2_conv1`.
    """

    def __init__(self, spec: NetSpec) -> None:
        self.spec = spec
        self.prefix = ""

    def within(self, scope: str) -> Self:
        """Return the same interpreter, naming its layers `{scope}_…`."""
        inner = copy.copy(self)
        inner.prefix = f"{self.prefix}{scope}_"
        return inner

    @abstractmethod
    def shape(self, x: Value) -> Shape:
        """Return height, width and channels of `x`."""

    @abstractmethod
    def conv(self, x: Value, filters: int, kernel_size: int, strides: int = 1, *, name: str) -> Value:
        """Convolve without bias, zeros padded on all sides alike: output pixel i is centred on i * strides."""

    @abstractmethod
    def norm(self, x: Value, *, name: str) -> Value:
        """Normalise each channel over the batch, then scale and shift it."""

    @abstractmethod
    def relu(self, x: Value, *, name: str) -> Value:
        """Return max(x, 0)."""

    @abstractmethod
    def identity(self, x: Value, *, name: str) -> Value:
        """Return `x` under a name of its own."""

    @abstractmethod
    def add(self, x: Value, y: Value, *, name: str) -> Value:
        """Return x + y, two values of one shape."""

    @abstractmethod
    def subsample(self, x: Value, strides: int, *, name: str) -> Value:
        """Return every `strides`-th row and column, from the first on."""

    @abstractmethod
    def pad_channels(self, x: Value, channels: int, *, name: str) -> Value:
        """Append zeros until there are `channels` channels."""

    @abstractmethod
    def global_average_pool(self, x: Value, *, name: str) -> Value:
        """Return the mean of each channel."""

    @abstractmethod
    def dense(self, x: Value, units: int, *, name: str) -> Value:
        """Return a linear map of a vector, with bias."""
