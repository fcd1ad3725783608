"""What the terminal shows of measurements."""

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ablations.probing.networks import NetworkTarget
from ablations.probing.targets import Target
from resnet_core.errors import UserError
from resnet_core.folders import write_file
from resnet_core.runs.records import measurements
from resnet_core.telling import console, say

if TYPE_CHECKING:
    from ablations.probing.sharing import Made


def line(target: Target, result: "Made") -> str:
    """Return what came of a measurement, in a line."""
    item, measured = result.measured.item, result.measured
    what = (
        f"{result.rows} rows, {measured.seconds:.1f} s"
        if measured.status == "measured"
        else f"{measured.status}: {measured.reason}"
    )
    name = f"{item.asked.name} {item.asked.text}".strip()
    return f"{target.label(item.network_id)}: {name}: {what}" + ("" if result.here else " (measured before)")


class Shown:
    """A bar on a terminal, lines elsewhere."""

    def __init__(self, total: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._total = total
        self._bars = sys.stdout.isatty()
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=30), MofNCompleteColumn(), TimeElapsedColumn(),
            console=console(), disable=not self._bars,
        )  # fmt: skip
        self._task = self._progress.add_task("measurements", total=total)

    def __enter__(self) -> "Shown":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, line: str, ended: int) -> None:
        if self._bars:
            self._progress.update(self._task, completed=ended)
            self._progress.console.print(line, markup=False)
        else:
            say(f"[{ended}/{self._total}] {line}")


def summarise(target: Target, results: "Sequence[Made]") -> None:
    """Say what came of measurements, and where they are.

    Raises:
        UserError: None could be made.
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
