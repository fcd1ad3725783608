"""The studies of this project, with one module for each."""

import importlib
import pkgutil

from ablations.study import Study


def suites() -> dict[str, Study]:
    """Return all studies of this package by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {module.study.name: module.study for module in modules}
