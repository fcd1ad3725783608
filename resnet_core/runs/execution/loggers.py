"""Loggers: TensorBoard, MLflow and Weights & Biases, told of a run's epochs as they end.

They are copies for watching; the record stays what counts. So one that fails is left out with a line on
standard error, and the runs go on. Each needs its package, which is loaded when it is asked for.
"""

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from resnet_core.errors import UserError
from resnet_core.runs.records.claims import gone
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress

Row = Mapping[str, Any]
PACKAGES = {"tensorboard": "tensorboard", "mlflow": "mlflow", "wandb": "wandb"}  # logger to module; extras of that name
NAME_LENGTH = 150  # of a folder; a file system takes 255 bytes
MESSAGE_LENGTH = 5000  # of a tag of MLflow


class Logger(Protocol):
    """Is told of runs, in the process that launches them."""

    def progress(self, run: Run, progress: Progress) -> None:
        """Log how far `run` is. Runs may alternate."""
        ...

    def end(self, record: Record) -> None:
        """Log how a run ended; its progress may never have been told."""
        ...

    def close(self) -> None:
        """Write out what is held back. Runs that did not end are marked so, where there is a mark."""
        ...


class Sink(Protocol):
    """Where one run is logged."""

    def row(self, row: Row) -> None:
        """Log the row of an epoch, see `Record.epochs`."""
        ...

    def end(self, record: Record, unseen: Sequence[Row]) -> None:
        """Log the rows of epochs that `row` was not called with, and how the run ended."""
        ...

    def abandon(self) -> None:
        """The run did not end."""
        ...


class RunLogger:
    """A logger that opens a sink for each run.

    Args:
        open_sink: Opens it.
    """

    def __init__(self, open_sink: Callable[[Run], Sink]) -> None:
        self._open = open_sink
        self._sinks: dict[str, Sink] = {}
        self._seen: dict[str, set[int]] = {}

    def _sink(self, run: Run) -> Sink:
        if run.id not in self._sinks:
            self._sinks[run.id] = self._open(run)
            self._seen[run.id] = set()
        return self._sinks[run.id]

    def progress(self, run: Run, progress: Progress) -> None:
        sink, row = self._sink(run), progress.row
        if row is not None and row["step"] not in self._seen[run.id]:
            self._seen[run.id].add(row["step"])
            sink.row(row)

    def end(self, record: Record) -> None:
        sink = self._sink(record.run)
        del self._sinks[record.run.id]
        seen = self._seen.pop(record.run.id)
        sink.end(record, [row for row in record.epochs if row["step"] not in seen])

    def close(self) -> None:
        while self._sinks:
            self._sinks.popitem()[1].abandon()


class Loggers:
    """Several loggers as one. The first error of a logger is said on standard error and is its last call.

    Args:
        loggers: Loggers by name.
        root: The study's folder. Nothing is logged once it has gone, so that no logger makes it anew.
    """

    def __init__(self, loggers: Mapping[str, Logger], root: Path) -> None:
        self._loggers = dict(loggers)
        self._root = root

    def _each(self, call: Callable[[Logger], None]) -> None:
        if self._loggers and not self._root.is_dir():
            raise gone(self._root)
        for name, logger in list(self._loggers.items()):
            try:
                call(logger)
            except Exception as error:  # whatever a server, a disk or a package may raise
                del self._loggers[name]
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                print(f"warning: {name} failed, and the study goes on without it: {reason}", file=sys.stderr)

    def progress(self, run: Run, progress: Progress) -> None:
        self._each(lambda logger: logger.progress(run, progress))

    def end(self, record: Record) -> None:
        self._each(lambda logger: logger.end(record))

    def close(self) -> None:
        if self._root.is_dir():
            self._each(lambda logger: logger.close())
            return
        for logger in self._loggers.values():
            with suppress(Exception):  # what has its files open still writes there
                logger.close()


def check_loggers(names: Sequence[str]) -> None:
    """Check that the packages of these loggers are installed, without loading them.

    Raises:
        UserError: One is not.
    """
    for name in names:
        found = find_spec(PACKAGES[name])
        if found is None or found.origin is None:  # a mere folder of that name, such as wandb's own, has no origin
            raise UserError(
                f"--log {name} needs the package {name}, but it is not installed; pip install 'resnet-ablation[{name}]'"
            )


def open_loggers(names: Sequence[str], study: str, folder: Path) -> Loggers:
    """Return the loggers of these names. Nothing is written before a run has begun.

    Args:
        names: Of `PACKAGES`.
        study: The study's name.
        folder: A folder in that of the study, where a logger without a server keeps its files, each in a folder of its
            name.

    Raises:
        UserError: A package is missing, or Weights & Biases knows no user.
    """
    check_loggers(names)
    return Loggers({name: LOGGERS[name](study, folder / name) for name in dict.fromkeys(names)}, folder.parent)


def settings(run: Run) -> dict[str, Any]:
    """Return the factors and the seed of `run`, and the fields of its specs that differ from their defaults."""
    specs = {"net": run.net, "train": run.train, "probe": run.probe}
    fields = {kind: json.loads(spec.canonical_json()) for kind, spec in specs.items()}
    named = {f"{kind}.{name}": value for kind, values in fields.items() for name, value in values.items()}
    return {**run.factors, "seed": run.seed, **named}


def measures(row: Row) -> dict[str, float]:
    """Return the measures in the row of an epoch."""
    return {name: float(value) for name, value in row.items() if name not in ("epoch", "step")}


def results(record: Record) -> dict[str, float]:
    """Return the final results by name, as `results/test_accuracy`, and the wall time in seconds."""
    return {f"results/{name}": value for name, value in record.results.items()} | {"results/seconds": record.seconds}


def by_depth(record: Record) -> Iterator[tuple[str, int, float]]:
    """Yield name, index of the place and value of each probe, at the first and at the last step that was probed."""
    steps = [row["step"] for row in record.probes]
    for when, step in (("first", min(steps, default=0)), ("last", max(steps, default=0))):
        for row in sorted((row for row in record.probes if row["step"] == step), key=lambda row: int(row["index"])):
            yield f"{row['probe']}/{row['path']}_by_depth_{when}", row["index"], row["value"]


class TensorBoardSink:
    """An event file. The probes' curves have the depth, as an index, where others have the step.

    Args:
        folder: The run's folder; another file in it is of an earlier attempt, whose later steps are void.
        run: What is logged.
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
        if unseen:  # steps must not go back
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
        """Void whatever was logged of `step` and later."""
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


def open_tensorboard(study: str, folder: Path) -> Logger:
    """Return the logger of event files: a folder a run in `folder`. It does not load TensorFlow."""
    import tensorboard.summary.writer.record_writer  # noqa: F401 - a package that is broken shows here

    return RunLogger(lambda run: TensorBoardSink(folder / folder_name(run), run))


def folder_name(run: Run) -> str:
    """Return the run's label as a name that every file system takes; with the run's id if that may not tell it."""
    label = run.label.replace(" ", ",")
    name = re.sub(r"[^\w.,=+-]", "_", label)[:NAME_LENGTH]
    return name if name == label else f"{name}-{run.id}"


class MLflowSink:
    """A run of MLflow.

    Args:
        client: An `MlflowClient`.
        experiment: Id of the experiment.
        run: What is logged.
    """

    def __init__(self, client: Any, experiment: str, run: Run) -> None:
        from mlflow.entities import Param

        self._client = client
        self._run: str = client.create_run(experiment, run_name=run.label, tags={"run": run.id}).info.run_id
        self._log(params=[Param(name, str(value)) for name, value in settings(run).items()])

    def row(self, row: Row) -> None:
        self._metrics(row["step"], measures(row))

    def end(self, record: Record, unseen: Sequence[Row]) -> None:
        for row in unseen:
            self.row(row)
        outcome = record.outcome
        self._metrics(outcome.step, results(record))
        self._client.set_tag(self._run, "status", outcome.status)
        if outcome.message:
            self._client.set_tag(self._run, "message", outcome.message[-MESSAGE_LENGTH:])
        self._client.set_terminated(self._run, "FAILED" if outcome.status == "crashed" else "FINISHED")

    def abandon(self) -> None:
        self._client.set_terminated(self._run, "KILLED")

    def _metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        self._log(metrics=[Metric(name, value, now, step) for name, value in metrics.items()])

    def _log(self, **what: Any) -> None:
        self._client.log_batch(self._run, synchronous=True, **what)


def open_mlflow(study: str, folder: Path) -> Logger:
    """Return the logger of MLflow runs: at MLFLOW_TRACKING_URI, or else in a file store in `folder`.

    The experiment has the study's name.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # the runs wait meanwhile; MLflow's 7 take minutes
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        # Of MLflow's stores the one that needs no database; later versions want it allowed explicitly.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = folder.resolve().as_uri()
    from mlflow import MlflowClient

    @cache
    def experiment() -> tuple[Any, str]:  # made with the first run: a server may be gone, a file store makes its folder
        client = MlflowClient(uri)
        found = client.get_experiment_by_name(study)
        return client, found.experiment_id if found else client.create_experiment(study)

    return RunLogger(lambda run: MLflowSink(*experiment(), run))


class WandbSink:
    """A run of Weights & Biases.

    Args:
        study: Name of the study, which becomes the run's group.
        folder: Where the package keeps its files.
        run: What is logged.
    """

    def __init__(self, study: str, folder: Path, run: Run) -> None:
        import wandb

        folder.mkdir(parents=True, exist_ok=True)  # by its name, wandb, the package finds it in `dir`
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "resnet-ablation"), group=study, name=run.label, dir=folder.parent,
            config={**settings(run), "run": run.id}, tags=[], reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )  # fmt: skip
        self._run.define_metric("step")
        self._run.define_metric("*", step_metric="step")

    def row(self, row: Row) -> None:
        self._run.log({"step": row["step"], **measures(row)})

    def end(self, record: Record, unseen: Sequence[Row]) -> None:
        for row in unseen:
            self.row(row)
        outcome = record.outcome
        self._run.summary.update({**results(record), "status": outcome.status, "message": outcome.message})
        self._run.finish(exit_code=int(outcome.status == "crashed"))

    def abandon(self) -> None:
        self._run.finish(exit_code=1)


def open_wandb(study: str, folder: Path) -> Logger:
    """Return the logger of Weights & Biases; WANDB_MODE, WANDB_PROJECT and the package's other variables hold.

    Raises:
        UserError: Nobody is logged in, and nobody can be asked.
    """
    import wandb

    try:
        if os.environ.get("WANDB_MODE", "online") == "online":
            wandb.login()
    except wandb.errors.UsageError as error:
        raise UserError(f"--log wandb needs a user, but {error} Or set WANDB_MODE=offline") from None
    return RunLogger(lambda run: WandbSink(study, folder, run))


LOGGERS: dict[str, Callable[[str, Path], Logger]] = {
    "tensorboard": open_tensorboard,
    "mlflow": open_mlflow,
    "wandb": open_wandb,
}
