"""What a format of exports is, and which there are."""

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
"""In how many calls latency is measured, unless asked otherwise."""
Array = np.ndarray[Any, np.dtype[Any]]
Write = Callable[["keras.Model", Path, Array], None]
"""Writes a network to a path. The images are training images, for formats that are calibrated on some."""
Predict = Callable[[Array], Array]
"""From images, (n, rows, columns, channels) of float32, to outputs, (n, classes)."""
Open = Callable[[Path, int], Predict]
"""Opens what was written, in the runtime of the format, with a number of threads."""


@dataclass(frozen=True)
class Format:
    """A format of exports.

    Attributes:
        name: Its name, as in `--format`.
        file: Name of its file or folder.
        about: What it is, in words.
        write: Writes it.
        open: Opens it in its runtime.
        needs: Modules that must be installed, all of the extra `export`.
        exact: Whether its outputs are those of Keras but for rounding in float32. The outputs of others are compared,
            and the difference is reported.
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
        """Names of the packages that it needs and that are not installed."""
        return [module.replace("_", "-") for module in self.needs if find_spec(module) is None]


FORMATS: dict[str, Format] = {}


def register_format(
    name: str, file: str, about: str, *, opened_by: Open, needs: tuple[str, ...] = (), exact: bool = True
) -> Callable[[Write], Write]:
    """Register the decorated function as what writes `--format NAME`.

    A function of a user's may be registered again, as in a notebook; it takes the place of the one before.

    Args:
        name: A new name.
        file: Name of its file or folder.
        about: What it is, in words.
        opened_by: Opens it in its runtime.
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
