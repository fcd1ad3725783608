"""Residual networks with a switch for the skip: specs, networks, probes, runs.

`build` loads TensorFlow, and only when it is used.
"""

from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError
from resnet_core.nets.blocks import register_block
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.nets.zoo import list_networks, network
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import Run, TrainSpec

if TYPE_CHECKING:
    from resnet_core.nets.keras_net import build

__all__ = [
    "NetSpec", "ProbeSpec", "Run", "TrainSpec", "UserError",
    "build", "cifar", "cost", "list_networks", "network", "register_block",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "build":
        from resnet_core.nets.keras_net import build

        return build
    raise AttributeError(f"module 'resnet_core' has no attribute '{name}'")
