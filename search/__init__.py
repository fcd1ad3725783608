"""Searches for the best residual network within limits, by KerasTuner's oracles on runs of this project.

KerasTuner and TensorFlow are loaded when a function that needs them is called.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from search.limits import Limits
from search.oracles import oracle
from search.space import Space

if TYPE_CHECKING:
    from search.hypermodel import HyperModel
    from search.session import SearchResults, run

__all__ = ["HyperModel", "Limits", "SearchResults", "Space", "oracle", "run"]
LOADED_WHEN_USED = {"SearchResults": "search.session", "HyperModel": "search.hypermodel", "run": "search.session"}


def __getattr__(name: str) -> Any:
    if name in LOADED_WHEN_USED:
        return getattr(import_module(LOADED_WHEN_USED[name]), name)
    raise AttributeError(f"module 'search' has no attribute '{name}'")
