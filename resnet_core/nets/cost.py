"""What a network costs, from its spec alone: parameters, multiply-accumulates, memory of activations."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, Literal

from resnet_core.nets.interpreter import Interpreter, Pooling, Shape, Value
from resnet_core.nets.network import network
from resnet_core.nets.spec import NetSpec


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer.

    Attributes:
        name: Name of the layer.
        kind: What it is: the name of the interpreter's word.
        output_shape: Without the batch.
        trainable: Weights, biases, scales and shifts.
        bn_running_stats: Moving means and variances.
        macs: Multiply-accumulates of one image, forward, of convolutions and dense layers.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...]
    trainable: int = 0
    bn_running_stats: int = 0
    macs: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The layers of a network and their sums.

    Attributes:
        activations: Numbers that the layers put out for one image, images included: what a training step
            keeps for its backward pass if nothing is computed twice.
    """

    layers: tuple[LayerCost, ...]
    trainable: int
    bn_running_stats: int
    macs: int
    activations: int

    def activation_bytes(self, batch_size: int, bytes_each: int = 4) -> int:
        """Return the memory of the activations of a training step."""
        return self.activations * batch_size * bytes_each


@lru_cache(maxsize=1024)
def cost(spec: NetSpec) -> Cost:
    """Return the cost of the network that `spec` describes, without building it."""
    net = CostNet(spec)
    network(net, spec.input_shape)
    layers = tuple(net.layers)
    return Cost(
        layers,
        trainable=sum(layer.trainable for layer in layers),
        bn_running_stats=sum(layer.bn_running_stats for layer in layers),
        macs=sum(layer.macs for layer in layers),
        activations=prod(spec.input_shape) + sum(prod(layer.output_shape) for layer in layers),
    )


def normalised_channels(spec: NetSpec) -> list[int]:
    """Return the channels of every map that is normalised."""
    net = CostNet(spec)
    network(net, spec.input_shape)
    return [layer.output_shape[-1] for layer in net.layers if layer.kind == "norm"]


class CostNet(Interpreter):
    """Values are shapes; layers are entries in a list."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__(spec)
        self.layers: list[LayerCost] = []

    def _count(self, name: str, kind: str, shape: Any, **counts: int) -> Any:
        self.layers.append(LayerCost(self.prefix + name, kind, shape, **counts))
        return shape

    def shape(self, x: Value) -> Any:
        return x

    def conv(
        self, x: Shape, filters: int, kernel_size: int, strides: int = 1, *, name: str, groups: int = 1,
        bias: bool | None = None, gain: float = 1.0, bias_start: float = 0.0,
    ) -> Any:  # fmt: skip
        rows, columns, channels = x
        shape = (-(-rows // strides), -(-columns // strides), filters)
        weights = kernel_size * kernel_size * channels // groups * filters
        biases = filters if (self.spec.conv_bias if bias is None else bias) else 0
        return self._count(name, "conv", shape, trainable=weights + biases, macs=weights * shape[0] * shape[1])

    def norm(self, x: Shape, *, name: str, gamma_start: float = 1.0) -> Any:
        if self.spec.norm == "none":
            return self.shift(x, name=f"{name}_shift") if self.spec.branch_scale == "fixup" else x
        statistics = 2 * x[2] if self.spec.norm == "batch" else 0
        return self._count(name, "norm", x, trainable=2 * x[2], bn_running_stats=statistics)

    def activation(self, x: Shape, *, name: str, function: str | None = None) -> Any:
        return self._count(name, "activation", x)

    def identity(self, x: Shape, *, name: str) -> Any:
        return x

    def add(self, x: Shape, y: Shape, *, name: str) -> Any:
        if x != y:
            raise ValueError(f"`{self.prefix}{name}` must add values of one shape, but got {x} and {y}")
        return self._count(name, "add", x)

    def multiply(self, x: Shape, y: Shape, *, name: str) -> Any:
        return self._count(name, "multiply", x)

    def linear(self, x: Shape, factor: float, offset: float = 0.0, *, name: str) -> Any:
        return self._count(name, "linear", x)

    def scale(self, x: Shape, *, name: str, start: float, per_channel: bool = False, shifted: bool = False) -> Any:
        return self._count(name, "scale", x, trainable=(x[2] if per_channel else 1) + shifted)

    def shift(self, x: Shape, *, name: str) -> Any:
        return self._count(name, "shift", x, trainable=1)

    def dropout(self, x: Shape, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value") -> Any:
        return self._count(name, "dropout", x)

    def subsample(self, x: Shape, strides: int, *, name: str) -> Any:
        return self._count(name, "subsample", (-(-x[0] // strides), -(-x[1] // strides), x[2]))

    def pool(self, x: Shape, kind: Pooling, size: int, strides: int, *, name: str) -> Any:
        return self._count(name, "pool", (-(-x[0] // strides), -(-x[1] // strides), x[2]))

    def pad_channels(self, x: Shape, before: int, after: int, *, name: str) -> Any:
        return self._count(name, "pad_channels", (x[0], x[1], before + x[2] + after))

    def global_average_pool(self, x: Shape, *, name: str, keepdims: bool = False) -> Any:
        return self._count(name, "global_average_pool", (1, 1, x[2]) if keepdims else (x[2],))

    def dense(self, x: Value, units: int, *, name: str, gain: float = 1.0) -> Any:
        weights = prod(x) * units
        return self._count(name, "dense", (units,), trainable=weights + units, macs=weights)

    def layer(self, x: Shape, make: Callable[..., Any], *, name: str) -> Any:
        made = make(name=name)
        made.build((None, *x))
        trainable = sum(prod(weight.shape) for weight in made.trainable_weights)
        others = sum(prod(weight.shape) for weight in made.non_trainable_weights)
        shape = tuple(made.compute_output_shape((None, *x))[1:])
        return self._count(name, "layer", shape, trainable=trainable, bn_running_stats=others)
