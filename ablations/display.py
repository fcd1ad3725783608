"""What the terminal shows: tables, and how far a study is."""

import sys
import time
from collections.abc import Mapping, Sequence
from typing import Protocol, Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from resnet_core.command_line import console, say
from resnet_core.runs.records import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.train import Progress as Step


def duration(seconds: float) -> str:
    """Return a time as `45 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 100 * 60 else f"{seconds / 3600:.1f} h"


def magnitude(number: float) -> str:
    """Return a count as `269,722`, `40.6 M`, `2.83 G`."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}"


def runs_table(
    runs: Sequence[Run],
    parameters: Sequence[int],
    macs: Sequence[int],
    seconds: Sequence[float],
    recorded: Sequence[bool],
) -> Table:
    """Return the table of `--dry-run`: a row a run, the totals below."""
    todo = [time for time, done in zip(seconds, recorded, strict=True) if not done]
    table = Table(box=None, header_style="bold", show_footer=True)
    for i, factor in enumerate((*runs[0].factors, "seed")):
        table.add_column(factor, justify="right", footer=f"{len(runs)} runs" if i == 0 else "")
    table.add_column("parameters", justify="right")
    table.add_column("MACs", justify="right")
    table.add_column("about", justify="right", footer=duration(sum(todo)))
    table.add_column("", footer=f"{len(todo)} to run")
    for run, count, operations, time_, done in zip(runs, parameters, macs, seconds, recorded, strict=True):
        cells = [str(value) for value in (*run.factors.values(), run.seed)]
        table.add_row(*cells, magnitude(count), magnitude(operations), duration(time_), "recorded" if done else "")
    return table


class Display(Protocol):
    """Shows the progress of a study, from entering to leaving the context."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def step(self, run: Run, step: Step) -> None:
        """Show how far a run is."""
        ...

    def end(self, record: Record) -> None:
        """Show how a run ended."""
        ...


class Remaining:
    """Estimates the time that is left, from the share of the estimated work that is done.

    Args:
        work: Estimated work of each run, by id, in any unit.
    """

    def __init__(self, work: Mapping[str, float]) -> None:
        self._work = work
        self._total = sum(work.values())
        self._ended = 0.0
        self._started: float | None = None

    def start(self) -> None:
        """Start the clock, unless it runs already."""
        self._started = self._started or time.monotonic()

    def end(self, run: Run) -> None:
        self._ended += self._work[run.id]

    def share(self, run: Run | None = None, fraction: float = 0.0) -> float:
        """Return the share of all work that is done, with `fraction` of `run` under way."""
        done = self._ended + (fraction * self._work[run.id] if run else 0.0)
        return done / self._total if self._total else 1.0

    def __str__(self) -> str:
        return self.after(self.share())

    def after(self, share: float) -> str:
        """Return the time that is left when `share` of the work is done."""
        if share <= 0 or self._started is None:
            return "ETA …"
        elapsed = time.monotonic() - self._started
        return f"ETA {duration(elapsed / share * (1 - share))}"


def ending(record: Record) -> str:
    """Return how a run ended, in a few words."""
    accuracy = record.results.get("test_accuracy")
    figure = f"test accuracy {accuracy:.3f}" if accuracy is not None else f"at step {record.outcome.step}"
    if record.outcome.status == "crashed":
        figure += f", {record.outcome.message.strip().splitlines()[-1]}"
    return f"{record.outcome.status}, {figure}, {duration(record.seconds)}"


class Lines:
    """A line for each run that ends: for logs and pipes."""

    def __init__(self, work: Mapping[str, float]) -> None:
        self._remaining = Remaining(work)
        self._total = len(work)
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def step(self, run: Run, step: Step) -> None:
        self._remaining.start()

    def end(self, record: Record) -> None:
        self._ended += 1
        self._remaining.end(record.run)
        say(f"[{self._ended}/{self._total}] {record.run.label}: {ending(record)}; {self._remaining}")


class Bars:
    """Two bars: runs of the study, steps of the run under way."""

    def __init__(self, work: Mapping[str, float]) -> None:
        self._remaining = Remaining(work)
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(),
            TimeElapsedColumn(), TextColumn("{task.fields[note]}"),
            console=console(),
        )  # fmt: skip
        self._study = self._progress.add_task("runs", total=len(work), note="starting TensorFlow")
        self._run = self._progress.add_task("steps", total=None, visible=False, note="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, run: Run, step: Step) -> None:
        self._remaining.start()
        share = self._remaining.share(run, step.step / step.steps)
        self._progress.update(self._study, note=self._remaining.after(share))
        note = f"epoch {step.epoch}  loss {step.loss:.4f}  {run.label}"
        self._progress.update(self._run, total=step.steps, completed=step.step, note=note, visible=True)

    def end(self, record: Record) -> None:
        self._remaining.end(record.run)
        self._progress.update(self._study, advance=1, note=str(self._remaining))
        self._progress.reset(self._run)
        self._progress.console.print(f"{record.run.label}: {ending(record)}")


def display(work: Mapping[str, float]) -> Display:
    """Return bars on a terminal, lines elsewhere."""
    return Bars(work) if sys.stdout.isatty() else Lines(work)
