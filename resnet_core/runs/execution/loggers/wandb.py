"""The logger `wandb`: Weights & Biases."""

import os
from collections.abc import Sequence
from pathlib import Path

from resnet_core.errors import UserError
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


class WandbSink:
    """A run of Weights & Biases.

    Args:
        study: Name of the study, which is the group of the run.
        folder: Folder for the files of the package.
        run: The run.
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


@register_logger("wandb", package="wandb")
def open_wandb(study: str, folder: Path) -> Logger:
    """Return the logger of Weights & Biases. WANDB_MODE, WANDB_PROJECT and other variables of the package apply.

    Raises:
        UserError: No user is logged in, and there is no terminal to log in.
    """
    import wandb

    try:
        if os.environ.get("WANDB_MODE", "online") == "online":
            wandb.login()
    except wandb.errors.UsageError as error:
        raise UserError(f"--log wandb needs a user, but {error} Or set WANDB_MODE=offline") from None
    return RunLogger(lambda run: WandbSink(study, folder, run))
