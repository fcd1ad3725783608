"""The logger `tensorboard`: event files."""

import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_core.runs.execution.loggers.base import (
    Logger,
    Row,
    RunLogger,
    by_depth,
    measures,
    register_logger,
    results,
)
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run

NAME_LENGTH = 150  # maximum length of the name of a folder; file systems allow 255 bytes


class TensorBoardSink:
    """An event file. Curves of probes have the index of the place on the axis of steps.

    Args:
        folder: The folder of the run. Another file in it is that of an earlier attempt, whose later steps are void.
        run: The run.
    """

    def __init__(self, folder: Path, run: Run) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.plugins.hparams import metadata, plugin_data_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self._event, self._summary = event_pb2, summary_pb2
        self._hparams, self._plugin = metadata, plugin_data_pb2
        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time():.6f}.{platform.node()}.{os.getpid()}"
        self._file = RecordWriter((folder / name).open("xb"))
        self._write(file_version="brain.Event:2")
        self._begun = False
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for field, value in {**run.factors, "seed": run.seed}.items():
            match value:
                case bool():
                    start.hparams[field].bool_value = value
                case int() | float():
                    start.hparams[field].number_value = value
                case _:
                    start.hparams[field].string_value = str(value)
        self._session(metadata.SESSION_START_INFO_TAG, session_start_info=start)

    def row(self, row: Row) -> None:
        if not self._begun:
            self._restart(row["step"])
        self._scalars(row["step"], measures(row))

    def end(self, record: Record, unseen: Sequence[Row]) -> None:
        if unseen:  # steps must not decrease
            self._restart(0)
            for row in record.epochs:
                self._scalars(row["step"], measures(row))
        self._scalars(record.outcome.step, results(record))
        for name, index, value in by_depth(record):
            self._scalars(index, {name: value})
        status = {"completed": "STATUS_SUCCESS"}.get(record.outcome.status, "STATUS_FAILURE")
        self._end(status)

    def abandon(self) -> None:
        self._end("STATUS_UNKNOWN")

    def _end(self, status: str) -> None:
        from tensorboard.plugins.hparams import api_pb2

        end = self._plugin.SessionEndInfo(status=api_pb2.Status.Value(status), end_time_secs=time.time())
        self._session(self._hparams.SESSION_END_INFO_TAG, session_end_info=end)
        self._file.close()

    def _restart(self, step: int) -> None:
        """Void everything that was logged for `step` and later steps."""
        self._begun = True
        start = self._event.SessionLog(status=self._event.SessionLog.START)
        self._write(step, session_log=start)

    def _scalars(self, step: int, scalars: Mapping[str, float]) -> None:
        values = [self._summary.Summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(step, summary=self._summary.Summary(value=values))

    def _session(self, tag: str, **info: Any) -> None:
        metadata = self._hparams.create_summary_metadata(self._plugin.HParamsPluginData(**info))
        value = self._summary.Summary.Value(tag=tag, metadata=metadata, tensor=self._hparams.NULL_TENSOR)
        self._write(summary=self._summary.Summary(value=[value]))

    def _write(self, step: int = 0, **content: Any) -> None:
        event = self._event.Event(wall_time=time.time(), step=step, **content)
        self._file.write(event.SerializeToString())
        self._file.flush()


@register_logger("tensorboard", package="tensorboard")
def open_tensorboard(study: str, folder: Path) -> Logger:
    """Return the logger of event files, with a subfolder of `folder` for each run. It does not load TensorFlow."""
    import tensorboard.summary.writer.record_writer  # noqa: F401 - a broken package raises its error here

    return RunLogger(lambda run: TensorBoardSink(folder / folder_name(run), run))


def folder_name(run: Run) -> str:
    """Return the label of the run as a name for every file system. If it had to be changed, the id is appended."""
    label = run.label.replace(" ", ",")
    name = re.sub(r"[^\w.,=+-]", "_", label)[:NAME_LENGTH]
    return name if name == label else f"{name}-{run.id}"
