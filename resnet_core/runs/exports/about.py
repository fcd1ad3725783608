"""The entry of a `.keras` file on the data of its network: names of the classes, and how images were read."""

import json
import zipfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError
from resnet_core.runs.description import DataInfo, printable

ABOUT = "resnet_ablation.json"
"""Name of the entry in the file of the model."""
_INFO = TypeAdapter(DataInfo)


def add_about(model: Path, info: DataInfo, background: str) -> None:
    """Add the entry to a model's file. Keras ignores it."""
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr(ABOUT, json.dumps({"background": background, "data": info.to_dict()}, indent=1))


def about(model: Path) -> tuple[DataInfo, str]:
    """Return the entry that `add_about` wrote: the description of the data, and the background of transparent images.

    Raises:
        UserError: The file has no such entry.
    """
    try:
        with zipfile.ZipFile(model) as archive:
            values = json.loads(archive.read(ABOUT))
            return _INFO.validate_python(values["data"]), str(values["background"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile, ValidationError):
        raise UserError(
            f"a prediction needs a network that a search has exported, with its classes, but {printable(str(model))} "
            "is not one; run resnet-search with --confirm"
        ) from None
