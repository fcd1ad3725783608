"""The interpreter that counts the parameters, multiply-accumulates and memory of each layer.

Memory is the size of the tensors that the forward pass keeps because the gradient of an operation reads them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any, Literal

from resnet_core.errors import UserError
from resnet_core.nets.fields import NetFields
from resnet_core.nets.interpreter import Interpreter, Pooling, Value
from resnet_core.nets.network import network
from resnet_core.surroundings import settings_of_a_run

FLOAT = 4  # bytes of a float32; a mask has one byte


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer.

    Attributes:
        name: Name of the layer.
        kind: Name of the method of `Interpreter` that makes it.
        output_shape: Shape of the output, without the batch axis.
        trainable: Number of trainable parameters: weights, biases, scales and shifts.
        bn_running_stats: Moving means and variances.
        macs: Multiply-accumulates of one image, forward, of convolutions and dense layers.
        kept_bytes: Bytes of one image, in float32, that are kept for the backward pass because of this layer. Tensors
            counted for an earlier layer are left out.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    trainable: int = 0
    bn_running_stats: int = 0
    macs: int = 0
    kept_bytes: int = 0


@dataclass(eq=False, slots=True)
class Tensor:
    """A tensor for one image. Compared by identity.

    Attributes:
        shape: Height, width and channels, or channels alone.
        itemsize: Bytes per element.
        kept: Whether it has been counted as a tensor that the backward pass reads.
    """

    shape: tuple[int, ...]
    itemsize: int = FLOAT
    kept: bool = False


class CostNet(Interpreter):
    """Values are `Tensor`s; layers are entries in a list."""

    def __init__(self, spec: NetFields) -> None:
        super().__init__(spec)
        self.layers: list[LayerCost] = []
        self._names: set[str] = set()

    def _count(self, name: str, kind: str, y: Tensor, keeps: Iterable[Tensor] = (), **counts: int) -> Tensor:
        """Add a layer with output `y`, whose gradient reads the tensors `keeps`, and return `y`.

        Raises:
            UserError: Another layer has this name.
        """
        if self.prefix + name in self._names:
            raise UserError(
                f"every layer must have a name of its own, but two are '{self.prefix + name}'; rename '{name}' in the "
                "block, since a layer that `order` adds around the block may have this name"
            )
        self._names.add(self.prefix + name)
        kept_bytes = 0
        for tensor in keeps:
            kept_bytes += 0 if tensor.kept else prod(tensor.shape) * tensor.itemsize
            tensor.kept = True
        self.layers.append(LayerCost(self.prefix + name, kind, y.shape, kept_bytes=kept_bytes, **counts))
        return y

    def _windows(self, x: Tensor, size: int, strides: int) -> Tensor:
        """Return the input of a convolution or pooling: `x`, or a padded copy if the padding is explicit."""
        if strides == 1 or size == 1 or self.spec.padding == "same":
            return x
        rows, columns, channels = x.shape
        return Tensor((rows + size // 2 * 2, columns + size // 2 * 2, channels))

    def shape(self, x: Value) -> Any:
        return x.shape

    def conv(
        self, x: Tensor, filters: int, kernel_size: int, strides: int = 1, *, name: str, groups: int = 1,
        bias: bool | None = None, gain: float = 1.0, bias_start: float = 0.0, normalised: bool = True,
        standardized: bool = True,
    ) -> Tensor:  # fmt: skip
        x, strides = self.at_stride_one(x, kernel_size, strides, name=name)
        y = Tensor((*_strided(x, strides), filters))
        weights = kernel_size * kernel_size * x.shape[2] // groups * filters
        biases = filters if self.has_bias(bias, normalised=normalised) else 0
        keeps = [self._windows(x, kernel_size, strides)]
        return self._count(name, "conv", y, keeps, trainable=weights + biases, macs=weights * prod(y.shape[:2]))

    def norm(self, x: Tensor, *, name: str, gamma_start: float = 1.0) -> Tensor:
        channels = x.shape[2]
        match self.spec.norm:
            case "none" if self.spec.branch_scale == "fixup":
                return self.shift(x, name=f"{name}_shift")
            case "none":
                return x
            case "batch":
                keeps, statistics = [x], 2 * channels
            case kind:  # of each group the mean, minus the mean and 1 / deviation; gamma / deviation
                groups = self.spec.norm_groups if kind == "group" else 1
                keeps, statistics = [x, Tensor((3 * groups + channels,))], 0
        counts = {"trainable": 2 * channels, "bn_running_stats": statistics}
        return self._count(name, "norm", Tensor(x.shape), keeps, **counts)

    def activation(self, x: Tensor, *, name: str, function: str | None = None) -> Tensor:
        y = Tensor(x.shape)
        match function or self.spec.activation:
            case "leaky_relu" | "silu":
                keeps = [x]
            case "gelu":  # three steps of x / 2 · erfc(-x / sqrt 2)
                keeps = [Tensor(x.shape) for _ in range(3)]
            case _:  # its derivative is a function of its value
                keeps = [y]
        return self._count(name, "activation", y, keeps)

    def identity(self, x: Tensor, *, name: str) -> Tensor:
        return x

    def add(self, x: Tensor, y: Tensor, *, name: str) -> Tensor:
        if x.shape != y.shape:
            raise ValueError(f"`{self.prefix}{name}` must add values of one shape, but got {x.shape} and {y.shape}")
        return self._count(name, "add", Tensor(x.shape))

    def multiply(self, x: Tensor, y: Tensor, *, name: str) -> Tensor:
        return self._count(name, "multiply", Tensor(x.shape), [x, y])

    def linear(self, x: Tensor, factor: float, offset: float = 0.0, *, name: str) -> Tensor:
        return self._count(name, "linear", Tensor(x.shape))

    def scale(self, x: Tensor, *, name: str, start: float, per_channel: bool = False, shifted: bool = False) -> Tensor:
        factors = x.shape[2] if per_channel else 1
        return self._count(name, "scale", Tensor(x.shape), [x], trainable=factors + shifted)

    def shift(self, x: Tensor, *, name: str) -> Tensor:
        return self._count(name, "shift", Tensor(x.shape), trainable=1)

    def dropout(
        self, x: Tensor, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value"
    ) -> Tensor:
        if rate == 0:  # Keras returns its input
            return self._count(name, "dropout", x)
        mask = {"value": x.shape, "sample": (1,), "batch": (0,)}[unit]
        return self._count(name, "dropout", Tensor(x.shape), [Tensor(mask, itemsize=1)])

    def subsample(self, x: Tensor, strides: int, *, name: str) -> Tensor:
        return self._count(name, "subsample", Tensor((*_strided(x, strides), x.shape[2])))

    def pool(self, x: Tensor, kind: Pooling, size: int, strides: int, *, name: str) -> Tensor:
        y = Tensor((*_strided(x, strides), x.shape[2]))
        if kind == "average":
            return self._count(name, "pool", y)
        zeros = self.spec.pool_padding == "zeros"
        return self._count(name, "pool", y, [self._windows(x, size, 2 if zeros else strides), y])

    def blur(self, x: Tensor, strides: int, *, name: str) -> Tensor:
        return self._count(name, "blur", Tensor((*_strided(x, strides), x.shape[2])))

    def conv_along_channels(self, x: Tensor, kernel_size: int, *, name: str) -> Tensor:
        (channels,) = x.shape
        along = Tensor((channels, 1))
        self._count(name, "conv_along_channels", along, [x], trainable=kernel_size, macs=kernel_size * channels)
        return Tensor((1, 1, channels))

    def pad_channels(self, x: Tensor, before: int, after: int, *, name: str) -> Tensor:
        return self._count(name, "pad_channels", Tensor((*x.shape[:2], before + x.shape[2] + after)))

    def global_average_pool(self, x: Tensor, *, name: str, keepdims: bool = False) -> Tensor:
        channels = x.shape[-1]
        return self._count(name, "global_average_pool", Tensor((1, 1, channels) if keepdims else (channels,)))

    def dense(self, x: Tensor, units: int, *, name: str, gain: float = 1.0) -> Tensor:
        weights = prod(x.shape) * units
        return self._count(name, "dense", Tensor((units,)), [x], trainable=weights + units, macs=weights)

    def layer(
        self, x: Tensor, make: Callable[..., Any], *, name: str, macs: int | None = None, kept_bytes: int | None = None
    ) -> Tensor:
        from resnet_core.nets.traced import Uncounted, traced

        with settings_of_a_run():
            layer_cost = traced(make, self.prefix + name, x.shape)

        def known(word: str, counted: int | Uncounted, given: int | None) -> int:
            count = counted if given is None else given
            if not isinstance(count, Uncounted):
                return count
            raise UserError(
                f"the {word} of a layer must be known to count the cost of a network, but those of "
                f"'{self.prefix}{name}' cannot be counted: {count}; give {word}=… of an image to at.layer"
            )

        macs = known("macs", layer_cost.macs, macs)
        inside = known("kept_bytes", layer_cost.kept_bytes, kept_bytes)
        y = Tensor(layer_cost.output_shape)
        keeps = [
            *([x] if layer_cost.reads_input else []),
            *([y] if layer_cost.reads_output else []),
            Tensor((inside,), itemsize=1),
        ]
        return self._count(
            name, "layer", y, keeps, trainable=layer_cost.trainable, bn_running_stats=layer_cost.others, macs=macs
        )


def _strided(x: Tensor, strides: int) -> tuple[int, int]:
    """Return the numbers of rows and columns of the output at a stride."""
    return -(-x.shape[0] // strides), -(-x.shape[1] // strides)


def normalised_channels(spec: NetFields) -> list[int]:
    """Return the numbers of channels of all normalised maps."""
    net = CostNet(spec)
    network(net, Tensor(spec.input_shape))
    return [layer.output_shape[-1] for layer in net.layers if layer.kind == "norm"]
