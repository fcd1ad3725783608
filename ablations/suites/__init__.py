"""The studies that come with the project, one readable file each."""

import importlib
import pkgutil

from ablations.study import Study


def suites() -> dict[str, Study]:
    """Return every study of this folder by name."""
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {module.study.name: module.study for module in modules}
