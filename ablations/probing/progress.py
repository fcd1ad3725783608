"""The progress and the summary of measurements on the terminal."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ablations.probing.networks import NetworkTarget
from ablations.probing.targets import Target
from resnet_core.errors import UserError
from resnet_core.folders import write_file
from resnet_core.probes.requests import Item
from resnet_core.runs.records import measurements
from resnet_core.telling import console, say, text_column

if TYPE_CHECKING:
    from ablations.probing.sharing import Made

QUIET_SECONDS = 30.0
"""Time after which a line says how far a measurement is, where there is no terminal."""


def line(target: Target, result: "Made") -> str:
    """Return the result of a measurement in one line."""
    item, measured = result.measured.item, result.measured
    outcome = (
        f"{result.rows} rows, {measured.seconds:.1f} s"
        if measured.status == "measured"
        else f"{measured.status}: {measured.reason}"
    )
    return f"{_name(target, item)}: {outcome}" + ("" if result.here else " (measured before)")


def _name(target: Target, item: Item) -> str:
    return f"{target.label(item.network_id)}: {item.asked.name} {item.asked.text}".rstrip()


class Shown:
    """The progress of measurements: bars on a terminal, lines elsewhere.

    Args:
        target: The target.
        total: Number of measurements.
        clock: Returns the time in seconds.
    """

    def __init__(self, target: Target, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.progress import BarColumn, Progress, TimeElapsedColumn

        self._target, self._total, self._clock, self._last = target, total, clock, clock()
        self._bars = sys.stdout.isatty()
        self._progress = Progress(
            text_column("{task.description}"), BarColumn(bar_width=30), text_column("{task.fields[state]}"),
            TimeElapsedColumn(), console=console(), disable=not self._bars,
        )  # fmt: skip
        self._all = self._progress.add_task("measurements", total=total, state=f"0/{total}")
        self._present = self._progress.add_task("", total=1.0, state="", visible=False)

    def __enter__(self) -> "Shown":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, line: str, ended: int) -> None:
        """Show that a measurement has ended."""
        self._last = self._clock()
        if self._bars:
            self._progress.update(self._all, completed=ended, state=f"{ended}/{self._total}")
            self._progress.reset(self._present, visible=False)
            self._progress.console.print(line, markup=False)
        else:
            say(f"[{ended}/{self._total}] {line}")

    def under_way(self, item: Item, share: float) -> None:
        """Show how far a measurement is: the share of its passes that have been made."""
        name, state = _name(self._target, item), f"{share:.0%}"
        if self._bars:
            self._progress.update(self._present, description=name, completed=share, state=state, visible=True)
        elif self._clock() - self._last >= QUIET_SECONDS:
            self._last = self._clock()
            say(f"{name}: {state} of its passes")


def summarise(target: Target, results: "Sequence[Made]") -> None:
    """Print a summary of measurements, and their folder.

    Raises:
        UserError: No measurement could be made.
    """
    counts = Counter("measured now" if result.here and result.measured.status == "measured" else
                     "measured before" if result.measured.status == "measured" else result.measured.status
                     for result in results)  # fmt: skip
    text = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(f"{len(results)} measurements: {text}; in {target.root / measurements.FOLDER}")
    reasons = Counter(
        (result.measured.status, result.measured.item.asked.name, result.measured.reason)
        for result in results
        if result.measured.status != "measured"
    )
    for (status, name, reason), count in reasons.items():
        say(f"{status}: {name}, of {count} network{'s' if count > 1 else ''}: {reason}")
    if results and not any(result.measured.status == "measured" for result in results):
        result = results[0].measured
        raise UserError(f"none of the probes could be measured; {result.item.asked.name}: {result.reason}")
    if isinstance(target, NetworkTarget):
        from analysis.formats import whole_csv

        path = target.root / "probed.csv"
        write_file(path, whole_csv(measurements.table(target.root)[0]))
        say(f"rows: {path}")
    else:
        say(f"report: resnet-report {target.root}")
