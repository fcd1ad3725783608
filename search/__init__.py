"""Searches for the best residual network within bounds, by KerasTuner's oracles on this project's runs.

What needs KerasTuner, and so TensorFlow, loads it when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search.limits import Limits
from search.oracles import oracle
from search.space import Space

if TYPE_CHECKING:
    from search.hypermodel import HyperModel

__all__ = ["HyperModel", "Limits", "Space", "oracle"]


def __getattr__(name: str) -> Any:
    if name == "HyperModel":
        return import_module("search.hypermodel").HyperModel
    raise AttributeError(f"module 'search' has no attribute '{name}'")
