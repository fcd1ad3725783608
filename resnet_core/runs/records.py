"""What is kept of a run."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from resnet_core.runs.spec import Run

SCHEMA = 1
Status = Literal["completed", "diverged", "crashed"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: `completed`; `diverged`: the loss was not finite; `crashed`: an error was raised.
        step: Updates that were made.
        message: What happened, if the run was not completed; a traceback if it crashed.
    """

    status: Status
    step: int
    message: str = ""


@dataclass(frozen=True)
class Record:
    """A run and what came of it.

    Attributes:
        run: What was asked for.
        outcome: How it ended.
        results: `train_loss`, `train_accuracy`, `val_…` and `test_…`, each at the last step and in
            inference mode. Empty if the run was not completed.
        epochs: A row an epoch: `epoch`, `step` at its end, `learning_rate`, `loss` and `accuracy`
            (means over its steps, in training mode), `val_loss`, `val_accuracy`.
        probes: A row a measurement: `step`, `epoch`, `probe`, `layer`, `index`, `path`, `value`.
        network: `layers`, `parameters` and `macs` of the network.
        environment: See `runtime.environment`.
        seconds: Wall time, start to end.
        usage: `cpu_seconds` and `peak_memory_bytes`, see `runtime.usage`. Empty in records of old.
    """

    run: Run
    outcome: Outcome
    results: dict[str, float] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)
    network: dict[str, int] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    usage: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return all but the rows of epochs and probes as JSON-serialisable values."""
        return {
            "schema": SCHEMA,
            "id": self.run.id,
            "run": self.run.to_dict(),
            "outcome": asdict(self.outcome),
            "results": self.results,
            "network": self.network,
            "environment": self.environment,
            "seconds": round(self.seconds, 3),
            "usage": self.usage,
        }
