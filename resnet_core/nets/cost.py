"""What a network costs, from its spec alone: parameters, multiply-accumulates, memory of a training step."""

from dataclasses import dataclass
from functools import lru_cache

from resnet_core.nets.counting import FLOAT, CostNet, LayerCost, Tensor
from resnet_core.nets.network import network
from resnet_core.nets.registry import code_of
from resnet_core.nets.spec import NetSpec


@dataclass(frozen=True, slots=True)
class Cost:
    """The layers of a network and their sums.

    Attributes:
        activation_bytes: Memory of the activations of a training step for each image of a batch, in
            float32: what is kept when the backward pass begins, which is the step's peak but for the
            gradients under way and the workspaces of single operations.
    """

    layers: tuple[LayerCost, ...]
    trainable: int
    bn_running_stats: int
    macs: int
    activation_bytes: int


def cost(spec: NetSpec) -> Cost:
    """Return the cost of the network that `spec` describes, without building it."""
    return _cost(spec, code_of(spec.block))


@lru_cache(maxsize=1024)
def _cost(spec: NetSpec, code: str) -> Cost:
    net = CostNet(spec)
    network(net, Tensor(spec.input_shape))
    layers = tuple(net.layers)
    loss_bytes = FLOAT * spec.classes  # the gradient of softmax and cross-entropy, made with the loss
    return Cost(
        layers,
        trainable=sum(layer.trainable for layer in layers),
        bn_running_stats=sum(layer.bn_running_stats for layer in layers),
        macs=sum(layer.macs for layer in layers),
        activation_bytes=loss_bytes + sum(layer.kept_bytes for layer in layers),
    )
