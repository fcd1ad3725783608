"""The progress of a search on the terminal, with the best trial so far."""

import sys
import time
from collections.abc import Sequence
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from resnet_core.runs.execution.display import MOST_BARS, duration, magnitude
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.train import Progress as Step
from resnet_core.telling import console, say
from search.objectives import Objective


class Live:
    """Shows a line for each trial that ends and, on a terminal, bars of the trials in progress below.

    Args:
        trials: Number of trials of the search.
        objectives: The objectives. The first one decides which trial is the best.
        earlier: Earlier records of the search.
    """

    def __init__(self, trials: int, objectives: Sequence[Objective], earlier: Sequence[Record] = ()) -> None:
        self._trials = trials
        self._objectives = objectives
        self._best: Record | None = None
        self._ended = self._before = len(earlier)
        self._started = time.monotonic()
        self._bars: Progress | None = None
        self._under_way: dict[str, TaskID] = {}
        for record in earlier:
            self._keep(record)

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self._bars = Progress(
                TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(),
                TimeElapsedColumn(), TextColumn("{task.fields[note]}", markup=False), console=console(),
            )  # fmt: skip
            self._all = self._bars.add_task(
                "trials", total=self._trials, completed=self._ended, note="starting TensorFlow"
            )
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()

    def step(self, run: Run, step: Step) -> None:
        """Show the progress of a run."""
        if self._bars and (run.id in self._under_way or len(self._under_way) < MOST_BARS):
            if run.id not in self._under_way:
                self._under_way[run.id] = self._bars.add_task("steps", total=step.steps, note="")
            note = f"epoch {step.epoch}  loss {step.loss:.4f}  {values_of(run)}"
            self._bars.update(self._under_way[run.id], completed=step.step, note=note)

    def end(self, record: Record) -> None:
        """Show how a run ended, and the best trial so far."""
        self._ended += 1
        self._keep(record)
        self._trials = max(self._trials, self._ended)
        line = f"[{self._ended}/{self._trials}] {self._sentence(record)}: {values_of(record.run)}; {self._outlook()}"
        if self._bars is None:
            say(line)
            return
        if record.run.id in self._under_way:
            self._bars.remove_task(self._under_way.pop(record.run.id))
        self._bars.update(self._all, completed=self._ended, note=self._outlook())
        self._bars.console.print(line, markup=False)

    def _keep(self, record: Record) -> None:
        first = self._objectives[0]
        if record.status == "completed" and (self._best is None or first.gain(record) > first.gain(self._best)):
            self._best = record

    def _sentence(self, record: Record) -> str:
        if record.status != "completed":
            return f"{record.status} at step {record.outcome.step}"
        measures = [f"{objective.name} {shown(objective.name, objective.of(record))}" for objective in self._objectives]
        return ", ".join([*measures, f"{magnitude(record.network['parameters'])} parameters"])

    def _outlook(self) -> str:
        first = self._objectives[0]
        best = f"best {shown(first.name, first.of(self._best))}" if self._best else "none completed"
        ended_now = self._ended - self._before
        if not ended_now:
            return best
        left = (time.monotonic() - self._started) / ended_now * (self._trials - self._ended)
        return f"{best}; ETA {duration(max(0.0, left))}"


def level(value: object) -> str:
    """Return the value of a hyperparameter as text; a dash if it is not active."""
    return "–" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def values_of(run: Run) -> str:
    """Return the values of a trial's active hyperparameters as text."""
    return " ".join(f"{name}={level(value)}" for name, value in run.factors.items() if value is not None)


def shown(name: str, value: float) -> str:
    """Return a measure as text, in a suitable unit."""
    match name:
        case "parameters" | "macs":
            return magnitude(value)
        case "latency_seconds":
            return f"{1000 * value:.3g} ms"
        case "seconds":
            return duration(value)
        case _:
            return f"{value:.4f}"
