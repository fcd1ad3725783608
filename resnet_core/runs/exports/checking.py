"""Comparison of an export with the network in Keras."""

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
"""Tolerance of the outputs of an exact format, relative to the largest output of the network or, if larger, to 1."""
LONGEST = 300  # maximum number of characters of a reason


@dataclass(frozen=True)
class Row:
    """The row of an export in the table of exports.

    Attributes:
        format: Name of the format.
        file: Name of the file or folder; empty if the export failed.
        bytes: Size of all files in bytes.
        max_difference: Largest absolute difference of an output from that of the network.
        equal_predictions: Fraction of images for which both predict the same class.
        accuracy: Accuracy on the checked images.
        latency: Median and 95th percentile in milliseconds, by number of threads.
        reason: Why the export failed.
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
        """Return the row as values by column."""
        row = asdict(self)
        del row["latency"]
        for threads, (median, high) in self.latency.items():
            row |= {f"median_ms_{threads}_threads": median, f"p95_ms_{threads}_threads": high}
        return row


def outputs(predict: Predict, images: Rows) -> Array:
    """Return the outputs for all images, computed in parts."""
    return np.concatenate([predict(part.astype(np.float32)) for part in chunks(images)])


def checked(export_format: Format, path: Path, expected: Array, images: Rows, labels: Array, threads: int) -> Row:
    """Return the row of an export, whose outputs in its own runtime are compared with those of the network.

    Args:
        export_format: The format.
        path: File or folder of the export.
        expected: Outputs of the network.
        images: The images.
        labels: Classes of the images.
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
    """Return the size in bytes of a file, or of all files in a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
