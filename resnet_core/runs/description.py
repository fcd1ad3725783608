"""`DataInfo`: the description of a data set, for networks, records and users."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from resnet_core.runs.spec import TrainSpec

MOST_CLASSES = 20  # named in a line
MOST_FILES = 5  # named in a line, for each reason
MOST_KEPT = 1000  # files named in a record, for each reason


@dataclass(frozen=True)
class Skipped:
    """Files that were not read, and why.

    Attributes:
        reason: The reason, in words.
        count: Number of files.
        files: Paths of the first `MOST_KEPT` files, relative to the data set; for a damaged file, with the error.
    """

    reason: str
    count: int
    files: tuple[str, ...]

    @classmethod
    def from_files(cls, reason: str, files: Iterable[str]) -> "Skipped":
        listed = [printable(file) for file in files]
        return cls(reason, len(listed), tuple(listed[:MOST_KEPT]))

    @property
    def text(self) -> str:
        """The reason, the number and the first files, in words."""
        named = self.files[:MOST_FILES]
        more = f", and {self.count - len(named)} more" if self.count > len(named) else ""
        return f"{self.reason}: {self.count} ({', '.join(named)}{more})"


@dataclass(frozen=True)
class DataInfo:
    """Description of a data set, or of the part of it that a run uses; see `split`.

    Attributes:
        input_shape: Height, width and channels of an image.
        classes: Number of classes.
        train_images: Number of training images, without the validation images.
        validation_images: Number of training images that are kept aside for validation; 0 in the whole data set.
        test_images: Number of test images.
        values: Type of the values of the images in the source: `uint8`, `uint16`, `float64`, ...
        class_names: Name of each class, in the order of the network's outputs.
        class_counts: Numbers of training images (validation images included) and test images of each class, in the
            whole data set.
        notes: Changes made to the images when they were read, in words.
        skipped: Files and arrays that were not read.
    """

    input_shape: tuple[int, int, int]
    classes: int
    train_images: int
    validation_images: int = 0
    test_images: int = 0
    values: str = "uint8"
    class_names: tuple[str, ...] = ()
    class_counts: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def split(self, train: "TrainSpec") -> "DataInfo":
        """Return the description of the images that a run with the training `train` uses."""
        taken = train.train_size or self.train_images
        kept = round(train.validation_fraction * taken)
        return replace(self, train_images=taken - kept, validation_images=kept)

    @property
    def training_counts(self) -> tuple[int, ...]:
        """Number of training images of each class, with validation images, in the whole data set; empty if unknown."""
        return tuple(train for train, _ in self.class_counts)

    @property
    def line(self) -> str:
        """The whole description in one line."""
        return "; ".join(self._parts())

    def _parts(self) -> Iterator[str]:
        named = [
            f"{name}: {train}+{test}" for name, (train, test) in zip(self.class_names, self.class_counts, strict=True)
        ]
        more = f", and {len(named) - MOST_CLASSES} more" if len(named) > MOST_CLASSES else ""
        counts = f" (training+test): {', '.join(named[:MOST_CLASSES])}{more}" if named else ""
        yield (
            f"data: {self.train_images} training, {self.validation_images} validation, {self.test_images} test images, "
            f"{self.classes} classes{counts}"
        )
        yield f"shape {'x'.join(map(str, self.input_shape))}, values {self.values}"
        yield from self.notes
        yield f"skipped: {'; '.join(skip.text for skip in self.skipped) or 'nothing'}"

    def to_dict(self) -> dict[str, Any]:
        """Return the description as JSON-serialisable values."""
        return asdict(self)


def counted(count: int, thing: str) -> str:
    """Return a number with its noun: `1 image`, `2 images`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def printable(text: str) -> str:
    r"""Return a text in which characters that are not printable are written as escapes, such as `\x1b` or `\udcff`."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "backslashreplace").decode() for char in text
    )
