"""The early end of runs whose learning curve is below a threshold, which a launcher writes and the worker reads."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from resnet_core.folders import write_beside
from resnet_core.runs.records.record import Row
from resnet_core.runs.training.endings import Pruned
from resnet_core.runs.training.loop import Progress
from resnet_core.sealed import UNREADABLE, seal, unseal

FOLDER = "thresholds"
"""The subfolder of a search."""


@dataclass(frozen=True)
class Thresholds:
    """Values that a run must have reached.

    Attributes:
        measure: The column of the epochs' rows.
        rising: Whether larger values are better.
        values: Value that must have been reached after each epoch; `None` after epochs at which no run ends.
        what: What these values are, in words.
    """

    measure: str
    rising: bool
    values: tuple[float | None, ...]
    what: str = "the median of earlier trials"

    def missed(self, reached: Iterable[float], epoch: int) -> bool:
        """Return whether the best of the values that were reached is worse than the threshold after an epoch."""
        least = self.values[epoch - 1] if epoch <= len(self.values) else None
        if least is None:
            return False
        return max(reached) < least if self.rising else min(reached) > least


def write(root: Path, run_id: str, thresholds: Thresholds) -> None:
    """Write the thresholds of a run, unless it has some: a run that begins again keeps those of its first beginning."""
    path = _path(root, run_id)
    if not path.exists():
        write_beside(path, seal(asdict(thresholds)).encode())


def read(root: Path, run_id: str) -> Thresholds | None:
    """Return the thresholds of a run; `None` if it has none, or their file is damaged."""
    try:
        values = unseal(_path(root, run_id).read_bytes())
        return Thresholds(**{**values, "values": tuple(values["values"])})
    except UNREADABLE:
        return None


def pruning(
    thresholds: Thresholds, rows: Iterable[Row], on_progress: Callable[[Progress], None]
) -> Callable[[Progress], None]:
    """Return a function that passes progress on, and raises `Pruned` after an epoch whose threshold is missed.

    Args:
        thresholds: The thresholds.
        rows: The rows of the epochs before the run is continued.
        on_progress: Called first.
    """
    reached = {row["epoch"]: row[thresholds.measure] for row in rows}

    def check(progress: Progress) -> None:
        on_progress(progress)
        if progress.row is None:
            return
        reached[progress.epoch] = progress.row[thresholds.measure]
        if thresholds.missed(reached.values(), progress.epoch):
            best = (max if thresholds.rising else min)(reached.values())
            raise Pruned(
                f"after epoch {progress.epoch}, the best {thresholds.measure} was {best:.4f}, but "
                f"{thresholds.what} {thresholds.values[progress.epoch - 1]:.4f}"
            )

    return check


def _path(root: Path, run_id: str) -> Path:
    return root / FOLDER / f"{run_id}.json"
