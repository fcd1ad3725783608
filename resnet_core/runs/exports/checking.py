"""Whether an export gives the outputs of the network that it was made of."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resnet_core.errors import one_line
from resnet_core.runs.data.stored import Array, Rows, chunks
from resnet_core.runs.exports.latency import Latency
from resnet_core.runs.exports.registry import Format, Predict

ROUNDING = 1e-3
"""Largest difference of an exact format's outputs, of the largest output of the network, or of 1."""
LONGEST = 300  # characters of a reason


@dataclass(frozen=True)
class Row:
    """What is known of an export.

    Attributes:
        format: Name of its format.
        file: Name of its file or folder; empty if the export failed.
        bytes: Size of all its files.
        max_difference: Largest difference of an output from that of the network.
        equal_predictions: Share of images to which both give the same class.
        accuracy: Accuracy on the images that it was checked on.
        latency: Median and 95th percentile in milliseconds, by number of threads.
        reason: Why it failed.
    """

    format: str
    file: str = ""
    bytes: int = 0
    max_difference: float | None = None
    equal_predictions: float | None = None
    accuracy: float | None = None
    latency: Mapping[int, Latency] = field(default_factory=dict)
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return it as values of one row of a table."""
        row = asdict(self)
        del row["latency"]
        for threads, (median, high) in self.latency.items():
            row |= {f"median_ms_{threads}_threads": median, f"p95_ms_{threads}_threads": high}
        return row


def outputs(predict: Predict, images: Rows) -> Array:
    """Return the outputs for all images."""
    return np.concatenate([predict(part.astype(np.float32)) for part in chunks(images)])


def checked(export_format: Format, path: Path, expected: Array, images: Rows, labels: Array, threads: int) -> Row:
    """Return what an export gives in its own runtime, beside the outputs of the network.

    Args:
        export_format: The format.
        path: What was written.
        expected: Outputs of the network.
        images: The images.
        labels: Their classes.
        threads: Number of threads.
    """
    actual = outputs(export_format.open(path, threads), images)
    if actual.shape != expected.shape or not np.isfinite(actual).all():
        return Row(export_format.name, reason=f"its outputs, of shape {actual.shape}, are not all finite numbers")
    classes = actual.argmax(axis=1)
    difference = float(np.abs(actual - expected).max())
    row = Row(
        export_format.name, export_format.file, size(path), difference,
        float((classes == expected.argmax(axis=1)).mean()), float((classes == labels).mean()),
    )  # fmt: skip
    most = ROUNDING * max(1.0, float(np.abs(expected).max()))
    if export_format.exact and difference > most:
        return Row(
            export_format.name, reason=f"its outputs differ from the network's by {difference:.3g}, at most {most:.3g}"
        )
    return row


def failure(export_format: Format, error: Exception) -> Row:
    """Return the row of an export that could not be written or opened."""
    return Row(export_format.name, reason=f"{type(error).__name__}: {one_line(error)}"[:LONGEST])


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
