"""`Format`, and the registry of formats of exports."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.fingerprint import is_ours

if TYPE_CHECKING:
    import keras

CALLS = 200
"""Default number of calls in which latency is measured."""
Array = np.ndarray[Any, np.dtype[Any]]
Write = Callable[["keras.Model", Path, Array], None]
"""Function that writes a network to a path. Its last argument is training images for the calibration of a format."""
Predict = Callable[[Array], Array]
"""Function from images, (n, height, width, channels), float32, to outputs, (n, classes)."""
Open = Callable[[Path, int], Predict]
"""Function that opens an export in the runtime of its format, with a number of threads."""


@dataclass(frozen=True)
class Format:
    """A format of exports.

    Attributes:
        name: Name of the format, as in `--format`.
        file: Name of the file or folder.
        about: Description of the format.
        write: Function that writes an export.
        open: Function that opens an export in its runtime.
        needs: Modules that must be installed, all from the extra `export`.
        exact: Whether the outputs equal those of Keras up to rounding in float32. For other formats the difference is
            only reported.
    """

    name: str
    file: str
    about: str
    write: Write
    open: Open
    needs: tuple[str, ...] = ()
    exact: bool = True

    @property
    def missing(self) -> list[str]:
        """Names of the needed packages that are not installed."""
        return [module.replace("_", "-") for module in self.needs if find_spec(module) is None]


FORMATS: dict[str, Format] = {}


def register_format(
    name: str, file: str, about: str, *, opened_by: Open, needs: tuple[str, ...] = (), exact: bool = True
) -> Callable[[Write], Write]:
    """Register the decorated function, which writes an export, as the format of `--format NAME`.

    A user's function may be registered again, as when a notebook cell is run again. It replaces the earlier one.

    Args:
        name: A new name.
        file: Name of the file or folder.
        about: Description of the format.
        opened_by: Function that opens an export in its runtime.
        needs: Modules that must be installed.
        exact: See `Format`.

    Raises:
        UserError: This project has a format of this name.
    """

    def register(write: Write) -> Write:
        if name in FORMATS and is_ours(FORMATS[name].write):
            raise UserError(f"a format's name must be new, but there is a format '{name}' already; choose another")
        FORMATS[name] = Format(name, file, about, write, opened_by, needs, exact)
        return write

    return register
