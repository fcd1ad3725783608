"""Terminal output: tables and the progress of a study."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn
from rich.table import Column, Table

from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import REPORT_EVERY
from resnet_core.runs.training.loop import Progress as Step
from resnet_core.telling import audience, console, say, text_column

MOST_BARS = 8
CELL_SECONDS = 0.5  # between two updates of the text below a cell


def duration(seconds: float) -> str:
    """Return a time as text, such as `45 s`, `12 min`, `3.5 h` or `15 days`."""
    for unit, size, digits in (("s", 1, 0), ("min", 60, 0), ("h", 3600, 1)):
        if seconds < 100 * size:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86_400:,.0f} days"


def magnitude(number: float) -> str:
    """Return a count as text, such as `269,722`, `40.6 M` or `2.83 G`."""
    for unit, size in (("G", 1e9), ("M", 1e6)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:,.0f}"


def shown(level: object) -> str:
    """Return a level of a factor as text. A factor that is not active in an arm has a dash."""
    return "–" if level is None else str(level)


def runs_table(
    runs: Sequence[Run],
    parameters: Sequence[int],
    macs: Sequence[int],
    seconds: Sequence[float],
    states: Sequence[str],
) -> Table:
    """Return the table of `--dry-run`: a row for each run, and the totals of those without a state below."""
    todo = [time for time, state in zip(seconds, states, strict=True) if not state]
    table = Table(box=None, header_style="bold", show_footer=True)
    for i, factor in enumerate((*runs[0].factors, "seed")):
        table.add_column(factor, justify="right", footer=f"{len(runs)} runs" if i == 0 else "")
    table.add_column("parameters", justify="right")
    table.add_column("MACs", justify="right")
    table.add_column("about", justify="right", footer=duration(sum(todo)))
    table.add_column("", footer=f"{len(todo)} to run")
    for run, count, operations, time_, state in zip(runs, parameters, macs, seconds, states, strict=True):
        cells = [shown(value) for value in (*run.factors.values(), run.seed)]
        table.add_row(*cells, magnitude(count), magnitude(operations), duration(time_), state)
    return table


class Display(Protocol):
    """Shows the progress of a study, from entering to leaving the context."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...

    def step(self, run: Run, step: Step) -> None:
        """Show the progress of a run. Several runs may be in progress."""
        ...

    def end(self, record: Record) -> None:
        """Show how a run ended."""
        ...


class Remaining:
    """Estimates the remaining time from the work done since the first reported step.

    The estimate assumes that as many runs are simultaneous as at most so far. It is never below the time of the longest
    remaining run.

    Args:
        work: Estimated work of each run, by id, in any unit.
        clock: Function that returns the time in seconds.
    """

    def __init__(self, work: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._left = dict(work)
        self._work = work
        self._clock = clock
        self._started: float | None = None
        self._before = 0.0  # work done before the clock started, or by an earlier process
        self._under_way: set[str] = set()
        self._workers = 1

    def step(self, run: Run, step: Step) -> None:
        """Record the progress of a run."""
        work = self._work[run.id]
        if run.id not in self._under_way:
            timed = 0 if self._started is None else REPORT_EVERY  # a run that begins at a later step is resumed
            self._before += work * max(0, step.step - timed) / step.steps
            self._under_way.add(run.id)
            self._workers = max(self._workers, len(self._under_way))
        if self._started is None:
            self._started = self._clock()
        self._left[run.id] = work * (1 - step.step / step.steps)

    def end(self, run: Run) -> None:
        self._under_way.discard(run.id)
        self._left[run.id] = 0.0

    def seconds(self) -> float | None:
        """Return the remaining time in seconds, or `None` while it is unknown."""
        left, total = sum(self._left.values()), sum(self._work.values())
        done = total - left - self._before
        if not left:
            return 0.0
        if self._started is None or done <= 1e-9 * total:
            return None
        longest = self._workers * max(self._left.values(), default=0.0)
        return (self._clock() - self._started) / done * max(left, longest)

    def __str__(self) -> str:
        seconds = self.seconds()
        return "ETA …" if seconds is None else f"ETA {duration(seconds)}"


def ending(record: Record) -> str:
    """Return a short text on how a run ended."""
    parts = [part for part in ("test", "val") if f"{part}_accuracy" in record.results]
    names = {"test": "test", "val": "validation"}
    figure = f"at step {record.outcome.step}"
    if parts:
        figure = f"{names[parts[0]]} accuracy {record.results[f'{parts[0]}_accuracy']:.3f}"
    if record.status == "crashed":
        figure += f", {record.outcome.message.strip().splitlines()[-1]}"
    return f"{record.status}, {figure}, {duration(record.seconds)}"


class Lines:
    """Display for logs and pipes: a line for each run that ends."""

    def __init__(self, work: Mapping[str, float]) -> None:
        self._remaining = Remaining(work)
        self._total = len(work)
        self._ended = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def step(self, run: Run, step: Step) -> None:
        self._remaining.step(run, step)

    def end(self, record: Record) -> None:
        self._ended += 1
        self._remaining.end(record.run)
        say(f"[{self._ended}/{self._total}] {record.run.label}: {ending(record)}; {self._remaining}")


def bars(to: Console) -> Progress:
    """Return bars with a description and a `note`, which is cut to the width of the console."""
    note = Column(no_wrap=True, overflow="ellipsis", ratio=1)
    return Progress(
        text_column("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
        text_column("{task.fields[note]}", note), console=to, expand=True,
    )  # fmt: skip


class Bars:
    """Display for terminals: a bar of the runs, and below it a bar of the steps of each run in progress.

    At most `MOST_BARS` runs have a bar.

    Args:
        work: Estimated work of each run, by id, in any unit.
        to: Console for the bars; by default that of standard output.
    """

    def __init__(self, work: Mapping[str, float], to: Console | None = None) -> None:
        self._remaining = Remaining(work)
        self._progress = bars(to or console())
        self._study = self._progress.add_task("runs", total=len(work), note="starting TensorFlow")
        self._under_way: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, run: Run, step: Step) -> None:
        self._remaining.step(run, step)
        self._progress.update(self._study, note=str(self._remaining))
        if run.id not in self._under_way:
            if len(self._under_way) == MOST_BARS:
                return
            self._under_way[run.id] = self._progress.add_task("steps", total=step.steps, note="")
        note = f"epoch {step.epoch}  loss {step.loss:.4f}  {run.label}"
        self._progress.update(self._under_way[run.id], completed=step.step, note=note)

    def end(self, record: Record) -> None:
        self._remaining.end(record.run)
        self._progress.update(self._study, advance=1, note=str(self._remaining))
        if record.run.id in self._under_way:
            self._progress.remove_task(self._under_way.pop(record.run.id))
        self._progress.console.print(f"{record.run.label}: {ending(record)}", markup=False)


class Silent:
    """Display that shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def step(self, run: Run, step: Step) -> None: ...

    def end(self, record: Record) -> None: ...


class NotebookDisplay:
    """Display for notebooks: one text below the cell, which is replaced, and a line for each run that failed."""

    def __init__(self, work: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._remaining = Remaining(work)
        self._total, self._ended = len(work), 0
        self._clock, self._shown_at = clock, -CELL_SECONDS
        self._under_way: dict[str, str] = {}

    def __enter__(self) -> Self:
        from IPython.display import display as show_in_cell

        self._handle = show_in_cell(self._line(), display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._update(now=True)

    def step(self, run: Run, step: Step) -> None:
        self._remaining.step(run, step)
        self._under_way[run.id] = f"{run.label}: step {step.step} of {step.steps}, loss {step.loss:.4f}"
        self._update()

    def end(self, record: Record) -> None:
        self._ended += 1
        self._remaining.end(record.run)
        self._under_way.pop(record.run.id, None)
        if record.status != "completed":
            say(f"{record.run.label}: {ending(record)}")
        self._update()

    def _update(self, *, now: bool = False) -> None:
        if now or self._clock() - self._shown_at >= CELL_SECONDS:
            self._shown_at = self._clock()
            self._handle.update(self._line())

    def _line(self) -> Any:
        from IPython.display import Pretty

        parts = [f"{self._ended} of {self._total} runs; {self._remaining}", *list(self._under_way.values())[:MOST_BARS]]
        return Pretty("\n".join(parts))


def display(work: Mapping[str, float]) -> Display:
    """Return the display of the audience: bars on a terminal, one replaced text in a notebook, lines elsewhere, and
    nothing with `progress=False`.
    """
    match audience():
        case "nobody":
            return Silent()
        case "notebook":
            return NotebookDisplay(work)
    return Bars(work) if sys.stdout.isatty() else Lines(work)
