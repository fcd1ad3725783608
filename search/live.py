"""The progress of a search on the terminal, with the best trial so far."""

import sys
from collections.abc import Sequence
from typing import Self

from rich.progress import Progress, TaskID

from resnet_core.runs.execution.display import MOST_BARS, bars, duration, magnitude
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress as Step
from resnet_core.telling import console, say
from search.listing import shown, values_of
from search.objectives import Objective
from search.pace import Pace


class Live:
    """Shows a line for each trial that ends and, on a terminal, bars of the trials in progress below.

    Args:
        trials: Number of trials of the search.
        objectives: The objectives. The first one decides which trial is the best.
        pace: The records so far, and the time that is left.
    """

    def __init__(self, trials: int, objectives: Sequence[Objective], pace: Pace) -> None:
        self._trials = trials
        self._objectives = objectives
        self._best: Record | None = None
        self._pace = pace
        self._ended = len(pace.records)
        self._bars: Progress | None = None
        self._under_way: dict[str, TaskID] = {}
        for record in pace.records:
            self._keep(record)

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            self._bars = bars(console())
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
        again = f" (seed {record.run.seed})" if record.run.seed != self._pace.records[0].run.seed else ""
        what = f"{self._sentence(record)}{again}: {values_of(record.run)}"
        line = f"[{self._ended}/{self._trials}] {what}; {self._outlook()}"
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
        measures = [
            f"{objective.name} {shown(objective.name, objective.value(record))}" for objective in self._objectives
        ]
        return ", ".join([*measures, f"{magnitude(record.network['parameters'])} parameters"])

    def _outlook(self) -> str:
        first = self._objectives[0]
        best = f"best {shown(first.name, first.value(self._best))}" if self._best else "none completed"
        left = self._pace.left(self._trials - self._ended)
        return best if left is None else f"{best}; ETA {duration(left)}"
