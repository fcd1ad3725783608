"""`open_source`: a data set by its name or path."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from resnet_core.errors import UserError, nearest
from resnet_core.runs.data.arrays import Images
from resnet_core.runs.data.hubs import HubName, folder_of
from resnet_core.runs.data.named import NAMED
from resnet_core.runs.description import DataInfo, printable
from resnet_core.runs.reading import Reading

AS_IT_IS = Reading()


class DataSource(Protocol):
    """A data set that may not have been read yet."""

    @property
    def info(self) -> DataInfo:
        """The description of the data set. Before the images are read, it has what is known without decoding."""
        ...

    @property
    def images(self) -> Images:
        """The images, read at the first call and kept."""
        ...

    def sha256(self) -> str:
        """Return the hash of the images, or an empty text if they have not been read."""
        ...


@dataclass(frozen=True, eq=False)
class _Read:
    """A source with two functions: one that reads the images, and one that describes them without reading."""

    load: Callable[[], Images]
    describe: Callable[[], DataInfo]

    @cached_property
    def images(self) -> Images:
        return self.load()

    @cached_property
    def _described(self) -> DataInfo:
        return self.describe()

    @property
    def info(self) -> DataInfo:
        return self.images.info if "images" in vars(self) else self._described

    def sha256(self) -> str:
        return self.images.sha256() if "images" in vars(self) else ""


def open_source(
    data: str, image_size: int | None = None, resident: float = math.inf, reading: Reading = AS_IT_IS
) -> DataSource:
    """Return the data set with this name, `.npz` file or folder of images.

    Args:
        data: A registered name (`digits`, `cifar10`, `cifar100`, `mnist`, `fashion_mnist`), the path
            of an `.npz` file with `x_train`, `y_train`, `x_test` and `y_test`, or of a folder with
            `train/<class>/*` and `test/<class>/*`, or with `<class>/*`; or `hf:NAME` or `tfds:NAME`, see `hubs`.
        image_size: Height and width to which the images are resized.
        resident: Bytes up to which the images of a path are held in memory. More are read from disk when they are
            needed. The images of a name are always held in memory; with 0, they are refused.
        reading: Settings of reading: background, damaged images, position of the channels.

    Raises:
        UserError: There is no such name or path, or the file or folder has another form; a setting of `reading` does
            not apply; or the images of a name are to be read from disk.
    """
    if data in NAMED:
        if not resident:
            raise UserError(
                f"--stream always needs a file or a folder of images, but '{data}' is a name, and its images are held "
                "in memory; take --stream auto"
            )
        reading.check(f"'{data}'")
        load, info = NAMED[data]
        if not image_size:
            return _Read(load, lambda: info)
        known = replace(info, input_shape=(image_size, image_size, info.input_shape[2]))
        return _Read(lambda: load().resized(image_size), lambda: known)
    hub_name = HubName.parse(data)
    path = folder_of(hub_name) if hub_name else Path(data).expanduser()
    if path.is_dir():
        from resnet_core.runs.data.folder import Folder

        reading.check("a folder of images", "background", "skip_damaged")
        folder = Folder(path, image_size, resident, reading)
        return _Read(folder.load, folder.describe)
    if path.is_file() and path.suffix.lower() == ".npz":
        from resnet_core.runs.data.npz import Npz

        reading.check("an .npz file", "data_format")
        npz = Npz(path, image_size, resident, reading)
        return _Read(npz.load, npz.describe)
    kind = "is neither" if path.exists() else "does not exist"
    raise UserError(
        "a data set must be a known name, an .npz file, a folder of images, hf:NAME or tfds:NAME, "
        f"but '{printable(data)}' {kind}{nearest(data, NAMED)}"
    )
