"""What a network costs, from its spec alone: parameters, batch statistics, multiply-accumulates."""

from dataclasses import dataclass
from functools import lru_cache
from math import prod

from resnet_core.nets.interpreter import Interpreter, Shape, Value
from resnet_core.nets.network import network
from resnet_core.nets.spec import NetSpec


@dataclass(frozen=True, slots=True)
class LayerCost:
    """One layer with parameters. `macs` counts multiply-accumulates of one image, forward."""

    name: str
    output_shape: tuple[int, ...]
    trainable: int
    bn_running_stats: int = 0
    macs: int = 0


@dataclass(frozen=True, slots=True)
class Cost:
    """The sums over the layers; multiply-accumulates are those of convolutions and of the classifier."""

    layers: tuple[LayerCost, ...]
    trainable: int
    bn_running_stats: int
    macs: int


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
    )


class CostNet(Interpreter):
    """Values are shapes; layers are entries in a list."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__(spec)
        self.layers: list[LayerCost] = []

    def _count(self, name: str, *args: object, **counts: int) -> None:
        self.layers.append(LayerCost(self.prefix + name, *args, **counts))  # type: ignore[arg-type]

    def shape(self, x: Value) -> Shape:
        return x  # type: ignore[no-any-return]

    def conv(self, x: Shape, filters: int, kernel_size: int, strides: int = 1, *, name: str) -> Shape:
        rows, columns, channels = x
        shape = (-(-rows // strides), -(-columns // strides), filters)
        weights = kernel_size * kernel_size * channels * filters
        self._count(name, shape, trainable=weights, macs=weights * shape[0] * shape[1])
        return shape

    def norm(self, x: Shape, *, name: str) -> Shape:
        self._count(name, x, trainable=2 * x[2], bn_running_stats=2 * x[2])
        return x

    def relu(self, x: Shape, *, name: str) -> Shape:
        return x

    def identity(self, x: Shape, *, name: str) -> Shape:
        return x

    def add(self, x: Shape, y: Shape, *, name: str) -> Shape:
        if x != y:
            raise ValueError(f"`{self.prefix}{name}` must add values of one shape, but got {x} and {y}")
        return x

    def subsample(self, x: Shape, strides: int, *, name: str) -> Shape:
        return (-(-x[0] // strides), -(-x[1] // strides), x[2])

    def pad_channels(self, x: Shape, channels: int, *, name: str) -> Shape:
        return (x[0], x[1], channels)

    def global_average_pool(self, x: Shape, *, name: str) -> tuple[int]:
        return (x[2],)

    def dense(self, x: Value, units: int, *, name: str) -> tuple[int]:
        weights = prod(x) * units
        self._count(name, (units,), trainable=weights + units, macs=weights)
        return (units,)
