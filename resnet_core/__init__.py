"""Residual networks with a switch for the skip: specs, networks, probes, runs.

TensorFlow is loaded by the functions that build or load networks, when they are called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.registry import register_block
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.nets.zoo import list_networks, network
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.recipes import recipe
from resnet_core.runs.spec import Run, TrainSpec

if TYPE_CHECKING:
    from resnet_core.nets.keras_net import build, load
    from resnet_core.nets.weights import from_hub, load_weights
    from resnet_core.runs.data.named import register_source
    from resnet_core.runs.execution.alone import train

__all__ = [
    "NetSpec", "ProbeSpec", "Run", "TrainSpec", "UserError",
    "build", "cifar", "cost", "from_hub", "list_networks", "load", "load_weights", "network", "recipe",
    "register_block", "register_source", "train",
]  # fmt: skip

LOADED_WHEN_USED = {
    "build": "resnet_core.nets.keras_net", "load": "resnet_core.nets.keras_net",
    "from_hub": "resnet_core.nets.weights", "load_weights": "resnet_core.nets.weights",
    "register_source": "resnet_core.runs.data.named", "train": "resnet_core.runs.execution.alone",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in LOADED_WHEN_USED:
        return getattr(import_module(LOADED_WHEN_USED[name]), name)
    raise AttributeError(f"module 'resnet_core' has no attribute '{name}'")
