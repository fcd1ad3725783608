"""Tables of runs from the log files of TensorBoard and of Weights & Biases: a row a run, the last value of a metric."""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError

Row = dict[str, object]

EVENTS = "*tfevents*"
PARTS = ("train", "validation", "eval", "test")
"""Folders in which Keras and others keep the curves of one run apart; their names go before those of the metrics."""

OFFLINE = "*.wandb"
HEADER = b":W&B"
HEADER_BYTES = 7
BLOCK = 32_768
RECORD = struct.Struct("<IHB")  # checksum, length, kind
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def tensorboard_rows(place: str) -> tuple[list[Row], Path]:
    """Return a row for each folder below `place` that has event files.

    Columns are the last value of each scalar, the hyperparameters of the plugin `hparams`, and `name`, the folder.
    `train` and `validation` in one folder are one run.

    Raises:
        UserError: There is no such folder, the package is missing, or a file is damaged.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"tensorboard:DIR must be a folder with event files, but {folder} does not exist")
    try:
        from tensorboard.compat.proto import event_pb2  # noqa: F401 - whether it is there
    except ImportError:
        raise UserError("tensorboard:DIR needs tensorboard; pip install 'resnet-ablation[tensorboard]'") from None
    rows: dict[Path, Row] = {}
    for file in sorted(folder.rglob(EVENTS)):
        part = file.parent.name if file.parent.name in PARTS and file.parent != folder else ""
        run = file.parent.parent if part else file.parent
        row = rows.setdefault(run, {"name": str(run.relative_to(folder)) if run != folder else folder.name})
        row |= {f"{part}/{name}".removeprefix("/"): value for name, value in _scalars(file)}
    return list(rows.values()), folder


def _scalars(file: Path) -> Iterator[tuple[str, object]]:
    """Yield the scalars and hyperparameters of an event file, with their names, in the order of writing."""
    from tensorboard.compat.proto import event_pb2
    from tensorboard.plugins.hparams import plugin_data_pb2
    from tensorboard.util import tensor_util

    plugins: dict[str, str] = {}  # a summary names its plugin at its first value alone
    for data in _events(file):
        for value in event_pb2.Event.FromString(data).summary.value:
            plugin = value.metadata.plugin_data.plugin_name or plugins.get(value.tag, "")
            plugins[value.tag] = plugin
            if plugin == "hparams":
                started = plugin_data_pb2.HParamsPluginData.FromString(value.metadata.plugin_data.content)
                for name, given in started.session_start_info.hparams.items():
                    yield name, getattr(given, given.WhichOneof("kind"))
            elif value.HasField("simple_value"):
                yield value.tag, value.simple_value
            elif plugin == "scalars" and value.HasField("tensor"):
                yield value.tag, float(tensor_util.make_ndarray(value.tensor))


def _events(file: Path) -> Iterator[bytes]:
    """Yield the events of a file; what was being written when its program ended is no event.

    Raises:
        UserError: A checksum is wrong.
    """
    from tensorboard.compat.tensorflow_stub import errors
    from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import PyRecordReader_New

    reader = PyRecordReader_New(str(file))
    while True:
        try:
            reader.GetNext()
        except errors.OutOfRangeError:
            return
        except errors.DataLossError as error:
            if "truncated" in str(error).lower():
                return
            raise UserError(f"{file}: an event file must be whole, but {error}") from None
        yield reader.record()


def wandb_rows(place: str) -> tuple[list[Row], Path]:
    """Return a row for each run of a folder of Weights & Biases, `wandb/offline-run-*/run-*.wandb`.

    Columns are the configuration, nested names joined by dots, the summary, or else the last value of each metric,
    `name`, `id`, `project` and `exit_code`.

    Raises:
        UserError: There is no such folder, the package is missing, or a file is damaged.
    """
    folder = Path(place)
    if not folder.is_dir():
        raise UserError(f"wandb:DIR must be a folder with runs of Weights & Biases, but {folder} does not exist")
    try:
        from wandb.proto import wandb_internal_pb2
    except ImportError:
        raise UserError("wandb:DIR needs the package wandb; pip install 'resnet-ablation[wandb]'") from None
    messages: Any = wandb_internal_pb2
    rows = []
    for file in sorted(folder.rglob(OFFLINE)):
        row: Row = {"exit_code": None}
        for data in _records(file):
            record = messages.Record.FromString(data)
            kind = record.WhichOneof("record_type")
            if kind == "run":
                about = record.run
                row |= {"name": about.display_name or about.run_id, "id": about.run_id, "project": about.project}
                row |= _flat(about.config.update)
            elif kind == "config":
                row |= _flat(record.config.update)
            elif kind == "history":
                row |= {name: value for name, value in _flat(record.history.item).items() if not name.startswith("_")}
            elif kind == "summary":
                row |= {name: value for name, value in _flat(record.summary.update).items() if not name.startswith("_")}
            elif kind == "exit":
                row["exit_code"] = record.exit.exit_code
        rows.append(row)
    return rows, folder


def _flat(items: Any) -> Row:
    """Return values by their names. Of nested ones, names are joined by dots; what is no plain value is left out."""
    values: Row = {}
    for item in items:
        name = ".".join(item.nested_key) or item.key
        values |= _plain(name, json.loads(item.value_json))
    return {name: value for name, value in values.items() if not name.startswith("_wandb")}


def _plain(name: str, value: Any) -> Row:
    if isinstance(value, dict):
        return {key: plain for inner, deep in value.items() for key, plain in _plain(f"{name}.{inner}", deep).items()}
    return {name: value} if isinstance(value, bool | int | float | str) or value is None else {}


def _records(file: Path) -> Iterator[bytes]:
    """Yield the records of a file in LevelDB's log format; what was being written when its program ended is none.

    Raises:
        UserError: It is no such file, or a checksum is wrong.
    """
    content = file.read_bytes()
    if not content.startswith(HEADER):
        raise UserError(f"{file}: a file of Weights & Biases must begin with {HEADER.decode()}, but it does not")
    at, parts = HEADER_BYTES, b""
    while at + RECORD.size <= len(content):
        left = BLOCK - at % BLOCK
        if left < RECORD.size:  # the rest of a block is empty
            at += left
            continue
        checksum, length, kind = RECORD.unpack_from(content, at)
        data = content[at + RECORD.size : at + RECORD.size + length]
        if len(data) < length or not (checksum or length or kind):
            return
        if zlib.crc32(bytes([kind]) + data) != checksum or kind not in (WHOLE, FIRST, MIDDLE, LAST):
            raise UserError(f"{file}: a file of Weights & Biases must be whole, but the checksum at byte {at} is wrong")
        at += RECORD.size + length
        parts = data if kind in (WHOLE, FIRST) else parts + data
        if kind in (WHOLE, LAST):
            yield parts
