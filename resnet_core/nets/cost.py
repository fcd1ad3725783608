"""The cost of a network, from its spec alone: parameters, multiply-accumulates, memory of a training step."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from resnet_core.arguments import checked
from resnet_core.nets.counting import FLOAT, CostNet, LayerCost, Tensor
from resnet_core.nets.network import network
from resnet_core.nets.own import Net, OwnNet, code_of_net
from resnet_core.nets.registry import registered
from resnet_core.users_code import guarded


@dataclass(frozen=True, slots=True)
class Cost:
    """The layers of a network and their sums.

    Attributes:
        activation_bytes: Memory for activations in a training step, in bytes per image, in float32: the tensors kept
            for the backward pass. The step's peak also has temporary gradients and the workspaces of operations.
        depth: Number of layers with a kernel on the longest path from the input to the output.
    """

    layers: tuple[LayerCost, ...]
    trainable: int
    bn_running_stats: int
    macs: int
    activation_bytes: int
    depth: int


@checked
def cost(spec: Net) -> Cost:
    """Return the cost of a network. A `NetSpec` is counted without building the network.

    Raises:
        UserError: The network's block, or the function that builds it, is not known, raises an error, or returns
            something else than it must; the file and line of a user's code are named.
    """
    return _cost(spec, code_of_net(spec))


@lru_cache(maxsize=1024)
def _cost(spec: Net, code: str) -> Cost:
    kept_bytes = 0
    if isinstance(spec, OwnNet):
        from resnet_core.nets.own_model import own_cost  # loads TensorFlow

        layers, kept_bytes, depth = own_cost(spec, code)
    else:
        net = CostNet(spec)
        with _guarded(spec.block) if code else nullcontext():
            network(net, Tensor(spec.input_shape))
        layers, depth = tuple(net.layers), spec.depth
    loss_bytes = FLOAT * spec.classes  # the gradient of softmax and cross-entropy, made with the loss
    return Cost(
        layers,
        trainable=sum(layer.trainable for layer in layers),
        bn_running_stats=sum(layer.bn_running_stats for layer in layers),
        macs=sum(layer.macs for layer in layers),
        activation_bytes=loss_bytes + kept_bytes + sum(layer.kept_bytes for layer in layers),
        depth=depth,
    )


def _guarded(block: str) -> AbstractContextManager[None]:
    """Turn what a user's block raises into a `UserError` with its place."""
    branch = registered(block).branch
    code = getattr(branch, "__code__", None) or getattr(type(branch).__call__, "__code__", None)
    return guarded(f"the block '{block}' must return a map of its channels", Path(code.co_filename) if code else None)
