"""The logger `mlflow`: runs of MLflow."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from resnet_core.runs.execution.loggers.base import (
    Logger,
    Row,
    RunLogger,
    measures,
    register_logger,
    results,
    settings,
)
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run

MESSAGE_LENGTH = 5000  # maximum length of a tag of MLflow


class MLflowSink:
    """A run of MLflow.

    Args:
        client: An `MlflowClient`.
        experiment: Id of the experiment.
        run: The run.
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


@register_logger("mlflow", package="mlflow")
def open_mlflow(study: str, folder: Path) -> Logger:
    """Return the logger of MLflow runs, at MLFLOW_TRACKING_URI or, if that is not set, in a file store in `folder`.

    The experiment has the study's name.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # runs wait meanwhile, with MLflow's 7 for minutes
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        # The only store of MLflow that needs no database. Later versions require this permission.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        uri = folder.resolve().as_uri()
    from mlflow import MlflowClient

    @cache
    def experiment() -> tuple[Any, str]:  # called with the first run, since it connects to a server or creates a folder
        client = MlflowClient(uri)
        existing = client.get_experiment_by_name(study)
        return client, existing.experiment_id if existing else client.create_experiment(study)

    return RunLogger(lambda run: MLflowSink(*experiment(), run))
