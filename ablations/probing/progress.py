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


def line(target: Target, one: "Made") -> str:
    """Return what came of a measurement, in a line."""
    item, found = one.measured.item, one.measured
    what = (
        f"{one.rows} rows, {found.seconds:.1f} s" if found.status == "measured" else f"{found.status}: {found.reason}"
    )
    name = f"{item.asked.name} {item.asked.text}".strip()
    return f"{target.label(item.of)}: {name}: {what}" + ("" if one.here else " (measured before)")


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


def summarise(target: Target, made: "Sequence[Made]") -> None:
    """Say what came of measurements, and where they are.

    Raises:
        UserError: None could be made.
    """
    counts = Counter("measured now" if one.here and one.measured.status == "measured" else
                     "measured before" if one.measured.status == "measured" else one.measured.status
                     for one in made)  # fmt: skip
    said = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    say(f"{len(made)} measurements: {said}; in {target.root / measurements.FOLDER}")
    reasons = Counter(
        (one.measured.status, one.measured.item.asked.name, one.measured.reason)
        for one in made
        if one.measured.status != "measured"
    )
    for (status, name, reason), count in reasons.items():
        say(f"{status}: {name}, of {count} network{'s' if count > 1 else ''}: {reason}")
    if made and not any(one.measured.status == "measured" for one in made):
        one = made[0].measured
        raise UserError(f"none of the probes could be measured; {one.item.asked.name}: {one.reason}")
    if isinstance(target, NetworkTarget):
        from analysis.formats import whole_csv

        path = target.root / "probed.csv"
        write_file(path, whole_csv(measurements.table(target.root)[0]))
        say(f"rows: {path}")
    else:
        say(f"report: resnet-report {target.root}")
