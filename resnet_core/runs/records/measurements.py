"""Measurements on disk: one file for a network, a probe, its options and its images, in the folder `probed`.

Measurements are not part of the records: they do not change the training, so the id of a run does not depend on them,
and a kept network can be probed at any later time. This module loads no TensorFlow.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from resnet_core.folders import write_beside
from resnet_core.probes.requests import Item, ProbeRequest, Sample
from resnet_core.runs.records.files import reason_of
from resnet_core.runs.records.frames import Damaged
from resnet_core.runs.records.record import Columns, Row, columns, numbers
from resnet_core.sealed import UNREADABLE, bytes_of, seal, unseal

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "probed"
"""The subfolder of a study."""
SCHEMA = 1
Status = Literal["measured", "unfit", "failed"]
FIRST = ("run", "probe", "options", "layer", "block", "index", "path", "value")
"""The first columns of the table. The coordinates of the probes follow."""
ADDED = ("step", "part", "images", "other")
"""Columns that do not come from the rows of a probe."""


@dataclass(frozen=True)
class Measurement:
    """The result of measuring a probe of a network.

    Attributes:
        item: The requested measurement.
        status: `measured`; `unfit`: the probe makes no sense for this network; `failed`: the probe raised an error. A
            failed measurement is repeated when it is requested again.
        rows: Rows with coordinates; empty unless measured.
        images: Number of images.
        part: Part of the data set with the images: `train`, `val` or `test`.
        reason: Why there are no rows.
        seconds: Wall time.
    """

    item: Item
    status: Status
    rows: Sequence[Row] = ()
    images: int = 0
    part: str = ""
    reason: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class _File:
    """The content of the file of a measurement. `of`, the id of the network, is the name in existing files."""

    id: str
    of: str
    probe: str
    status: Status
    sample: Sample
    options: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    other: str = ""
    images: int = 0
    part: str = ""
    reason: str = ""
    seconds: float = 0.0
    rows: Columns = field(default_factory=dict)
    step: int | None = None


_FILE = TypeAdapter(_File)


def name_of(item: Item) -> str:
    """Return the path of a measurement relative to the folder of a study."""
    return f"{FOLDER}/{item.network_id}-{item.id}.json"


def content_of(measured: Measurement) -> bytes:
    """Return the content of the file of a measurement, with its checksum."""
    item = measured.item
    file = _File(
        item.id, item.network_id, item.asked.name, measured.status, item.sample, dict(item.asked.options),
        item.asked.code, item.other, measured.images, measured.part, measured.reason, round(measured.seconds, 3),
        columns(measured.rows), item.asked.step,
    )  # fmt: skip
    return seal({"schema": SCHEMA, **asdict(file)}).encode()


def write(root: Path, measured: Measurement) -> None:
    """Write a measurement atomically.

    Raises:
        UserError: The disk is full, or the folder is not writable.
    """
    write_beside(root / name_of(measured.item), content_of(measured))


def there(root: Path, item: Item) -> Measurement | None:
    """Return the measurement of an item if its file is intact and it has not failed."""
    try:
        measured = read(root / name_of(item))
    except UNREADABLE:
        return None
    return None if measured.status == "failed" else measured


def read(path: Path) -> Measurement:
    """Return the measurement in a file.

    Raises:
        OSError, ValueError, KeyError, TypeError, RecursionError: The file is missing or damaged.
    """
    file = _read(path)
    names = list(file.rows)
    table = [dict(zip(names, row, strict=True)) for row in zip(*map(numbers, file.rows.values()), strict=True)]
    return Measurement(_item(file), file.status, table, file.images, file.part, file.reason, file.seconds)


def _read(path: Path) -> _File:
    values = unseal(bytes_of(path), since=SCHEMA)
    if values.pop("schema", None) != SCHEMA:
        raise ValueError(f"a measurement must be of schema {SCHEMA}")
    file = _FILE.validate_python(values)
    if path.name != f"{file.of}-{file.id}.json" or _item(file).id != file.id:
        raise ValueError(f"a measurement must have the name of what was measured, but it is {file.of}-{file.id}")
    return file


def _item(file: _File) -> Item:
    return Item(file.of, ProbeRequest(file.probe, file.options, file.code, file.step), file.sample, file.other)


def table(root: Path) -> "tuple[pd.DataFrame, tuple[Damaged, ...]]":
    """Return all measurements of a folder as one table, and the damaged files.

    The columns are `run`, `probe`, `options` (see `ProbeRequest.text`), `layer`, `block`, `index`, `path`, `value`,
    then the coordinates of the probes, then `part`, `images` and `other`, and `step` if a probe was measured during
    training. The rows are ordered by run, probe, options and step. The rows of one measurement keep their order.
    """
    import pandas as pd

    files, damaged = [], []
    for path in sorted((root / FOLDER).glob("*.json")):
        if path.name.startswith("."):
            continue
        try:
            file = _read(path)
        except FileNotFoundError:
            continue
        except UNREADABLE as error:
            damaged.append(Damaged(path, reason_of(error)))
            continue
        if file.status == "measured" and file.rows:
            files.append(file)
    files.sort(key=_order)
    if not files:
        return pd.DataFrame(columns=list(FIRST)), tuple(damaged)
    added = [*ADDED] if any(file.step is not None for file in files) else [name for name in ADDED if name != "step"]
    names = [*FIRST, *sorted({name for file in files for name in file.rows} - {*FIRST, *ADDED}), *added]
    parts: dict[str, list[Any]] = {name: [] for name in names}
    for file in files:
        count = len(next(iter(file.rows.values())))
        known: dict[str, Any] = {
            "run": file.of,
            "probe": file.probe,
            "options": _item(file).asked.text,
            "part": file.part,
        }
        known |= {"images": file.images, "other": file.other, "step": file.step}
        for name in names:
            if name in file.rows and name not in ("run", "options", *ADDED):
                parts[name] += numbers(file.rows[name])
            else:
                parts[name] += [known.get(name)] * count
    return pd.DataFrame(parts), tuple(damaged)


def _order(file: _File) -> tuple[Any, ...]:
    step = math.inf if file.step is None else file.step
    return file.of, file.probe, _item(file).asked.text, step, file.part, file.images, file.id
