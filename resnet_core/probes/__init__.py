"""Measuring networks: probes, the anatomy of a model, and surgery.

A probe is called with a model and its data, and returns a table:

    from resnet_core import probes

    rows = probes.lesion(model, images, labels)

`probes.registry.probes()` has all of them by name.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet_core.probes.callbacks import GradientsByDepth
    from resnet_core.probes.kinds.curvature import curvature
    from resnet_core.probes.kinds.gradients import gradients
    from resnet_core.probes.kinds.iterative import iterative
    from resnet_core.probes.kinds.landscape import landscape
    from resnet_core.probes.kinds.lesion import lesion, lesions, shuffle
    from resnet_core.probes.kinds.linear_probe import linear_probe
    from resnet_core.probes.kinds.paths import paths
    from resnet_core.probes.kinds.reset import randomise, reset
    from resnet_core.probes.kinds.shattering import shattering
    from resnet_core.probes.kinds.signal import signal
    from resnet_core.probes.kinds.similarity import similarity
    from resnet_core.probes.kinds.stitching import stitching
    from resnet_core.probes.surgery import in_order, without_branch, without_skip

ELSEWHERE = {
    "GradientsByDepth": "callbacks", "in_order": "surgery", "without_branch": "surgery",
    "without_skip": "surgery",
}  # fmt: skip
__all__ = [
    "GradientsByDepth",
    "curvature",
    "gradients",
    "in_order",
    "iterative",
    "landscape",
    "lesion",
    "lesions",
    "linear_probe",
    "paths",
    "randomise",
    "reset",
    "shattering",
    "shuffle",
    "signal",
    "similarity",
    "stitching",
    "without_branch",
    "without_skip",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ELSEWHERE:
        return getattr(import_module(f"resnet_core.probes.{ELSEWHERE[name]}"), name)
    if not name.startswith("_"):
        known = import_module("resnet_core.probes.registry").probes()
        if name in known:
            return known[name]
    raise AttributeError(f"module 'resnet_core.probes' has no attribute '{name}'")
