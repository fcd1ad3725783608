"""`export`: writes the exports of a network into a folder, with `model.json`, a table and a model card."""

import csv
import io
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.errors import Named, UserError, as_argument, nearest
from resnet_core.fingerprint import is_ours
from resnet_core.folders import check_writable, naming, path_aside, sweep
from resnet_core.runs.exports import FORMATS, Format
from resnet_core.runs.exports.about import add_about
from resnet_core.runs.exports.card import CardSection, card
from resnet_core.runs.exports.checking import Row, checked, failure, outputs
from resnet_core.runs.exports.keras_files import compiled
from resnet_core.runs.exports.latency import latencies
from resnet_core.runs.exports.registry import CALLS
from resnet_core.runs.exports.trained import CALIBRATION, Trained
from resnet_core.runs.runtime import available_cores, environment
from resnet_core.telling import say, warn

if TYPE_CHECKING:
    import keras

ABOUT, TABLE, CARD = "model.json", "exports.csv", "README.md"


@dataclass(frozen=True)
class Exports:
    """The result of an export.

    Attributes:
        folder: Folder of the files.
        rows: A row for each format.
    """

    folder: Path
    rows: tuple[Row, ...]

    @property
    def failed(self) -> list[Row]:
        """Rows of the formats that could not be written."""
        return [row for row in self.rows if row.reason]


@dataclass(frozen=True)
class ExportSettings:
    """Settings of an export.

    Attributes:
        out: Output folder, which is new or that of an earlier export.
        formats: Names of formats. `None` means all formats whose packages are installed.
        softmax: Whether the outputs are probabilities. Otherwise they are logits.
        images: Maximum number of images on which the exports are checked. `None` means all.
        calls: Number of calls in which the latency is measured; 0 for no latency.
        named: Formats the name of an argument in error messages.
    """

    out: Path
    formats: Sequence[str] | None = None
    softmax: bool = False
    images: int | None = None
    calls: int = CALLS
    named: Named = as_argument

    def chosen(self) -> list[Format]:
        """Return the chosen formats.

        Raises:
            UserError: There is no such format, or a package of a format is not installed.
        """
        if self.formats is None:
            return [each for each in FORMATS.values() if not each.missing]
        for name in self.formats:
            if name not in FORMATS:
                raise UserError(f"{self.named('format', name[:40])} is not a known format{nearest(name, FORMATS)}")
            if FORMATS[name].missing:
                raise UserError(f"{self.named('format', name)} {_needs(FORMATS[name])}")
        return [FORMATS[name] for name in dict.fromkeys(self.formats)]

    def check(self) -> list[Format]:
        """Check the settings before anything is read, and return the formats.

        Raises:
            UserError: A format is unknown or not installed, or the folder is not writable or has other files.
        """
        formats = self.chosen()
        if not formats:
            raise UserError("an export needs a format, but got none")
        check_writable(self.out)
        if self.out.exists() and any(self.out.iterdir()) and not _holds_exports(self.out):
            raise UserError(
                f"the output folder must be new, or that of an earlier export, but {self.out} has other files; choose "
                f"another {self.named('out')}"
            )
        return formats


def export(trained: Trained, wishes: ExportSettings, title: str, sections: Sequence[CardSection] = ()) -> Exports:
    """Export a network.

    Every export is opened in its own runtime and compared with the network. An export that cannot be written, or has
    other outputs, is left out, and its row has the reason.

    Args:
        trained: The network.
        wishes: Settings of the export.
        title: Title of the model card.
        sections: Further sections of the model card.

    Raises:
        UserError: See `ExportSettings.check`; or no export could be written. Nothing is written then.
    """
    formats = wishes.check()
    for each in FORMATS.values() if wishes.formats is None else ():
        if each.missing:
            say(f"without {each.name}: {_needs(each)}")
    kind, _, labels = trained.images(wishes.images)
    model = trained.output(wishes.softmax)
    with _aside(wishes.out) as folder:
        rows = _written(trained, model, formats, wishes, folder)
        good = [row.format for row in rows if not row.reason]
        if not good:
            raise UserError(f"no export could be written: {rows[0].format}: {rows[0].reason}")
        rows = _timed(rows, folder, model.input_shape[1:], wishes.calls)
        about = _about(trained, model, wishes, rows, f"{len(labels)} {kind} images")
        (folder / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        (folder / TABLE).write_text(_csv(rows), encoding="utf-8")
        (folder / CARD).write_text(card(title, trained, about, rows, sections), encoding="utf-8")
    for row in rows:
        if row.reason:
            warn(f"{row.format} was not exported: {row.reason}")
        elif row.equal_predictions is not None and row.equal_predictions < 0.95:
            warn(f"{row.format} gives the class of the network for {row.equal_predictions:.1%} of the {kind} images")
    return Exports(wishes.out, tuple(rows))


def _written(
    trained: Trained, model: "keras.Model", formats: Sequence[Format], wishes: ExportSettings, folder: Path
) -> list[Row]:
    """Write and check each format, and return a row for each."""
    from resnet_core.nets.keras_net import recursion_room

    kind, images, labels = trained.images(wishes.images)
    calibration, rows, threads = trained.calibration(), [], available_cores()
    with recursion_room(trained.record.network.get("layers", 0)):
        expected = outputs(compiled(model), images)
        for each in formats:
            say(f"{each.name}: written, and checked on {len(labels)} {kind} images")
            path = folder / each.file
            try:
                each.write(model, path, calibration)
                if each.name == "keras":
                    add_about(path, trained.info, trained.record.run.train.background)
                row = checked(each, path, expected, images, labels, threads)
            except OSError:
                raise
            except Exception as error:  # whatever a converter or a runtime may raise
                row = failure(each, error)
            if row.reason:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
            rows.append(row)
    return rows


def _timed(rows: Sequence[Row], folder: Path, shape: Sequence[int], calls: int) -> list[Row]:
    """Return the rows with the latency of each export at one thread and at one thread for each core.

    Latency is measured in new processes without plugins. Therefore formats of plugins are not measured.
    """
    good = [row.format for row in rows if not row.reason and is_ours(FORMATS[row.format].write)]
    by_threads = {}
    for threads in sorted({1, available_cores()}) if calls else ():
        say(f"latency: {calls} calls of each with one image, threads: {threads}")
        by_threads[threads] = latencies(folder, good, shape, threads, calls)
    return [
        replace(row, latency={threads: all_[row.format] for threads, all_ in by_threads.items() if row.format in all_})
        for row in rows
    ]


def _about(
    trained: Trained, model: "keras.Model", wishes: ExportSettings, rows: Sequence[Row], checked_on: str
) -> dict[str, Any]:
    """Return the content of `model.json`: what a program needs to use an export, and how the exports were made."""
    info, run, low_high = trained.info, trained.record.run, trained.range
    versions = environment()
    kept = ("python", "platform", "processor", "resnet-ablation", "tensorflow", "keras", "numpy")
    return {
        "class_names": list(info.class_names),
        "input": {
            "name": "images", "shape": [None, *info.input_shape], "dtype": "float32",
            "order": "image, row, column, channel",
            "channels": {1: "grey", 3: "red, green, blue"}.get(info.input_shape[2], ""), "values": info.values,
            "range": list(low_high), "background": run.train.background,
            "preprocessing": "inside the model: pass pixels as they are, converted to float32",
        },
        "output": {"name": model.output_names[0], "shape": [None, info.classes], "softmax": wishes.softmax},
        "run": run.id,
        "checked_on": checked_on,
        "calibrated_on": f"{min(CALIBRATION, len(trained.data.y_train))} training images, chosen by a seed",
        "latency": {"calls": wishes.calls, "images": 1, "device": "processor"},
        "exports": [row.to_dict() for row in rows],
        "made_with": {name: versions[name] for name in kept},
    }  # fmt: skip


def _csv(rows: Sequence[Row]) -> str:
    """Return the rows as CSV."""
    dictionaries = [row.to_dict() for row in rows]
    text = io.StringIO()
    names = dict.fromkeys(name for row in dictionaries for name in row)
    writer = csv.DictWriter(text, [*(name for name in names if name != "reason"), "reason"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(dictionaries)
    return text.getvalue()


def _needs(each: Format) -> str:
    """Return a text on the missing packages of a format."""
    lacking = " and ".join(each.missing)
    return f"needs the package {lacking}, but it is not installed; pip install 'resnet-ablation[export]'"


def _holds_exports(folder: Path) -> bool:
    """Return whether a folder is that of an earlier export."""
    try:
        return "exports" in json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """Context manager that yields a new folder. At the end it replaces `out`; after an error it is removed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    sweep(out.parent)
    aside, before = path_aside(out.parent), path_aside(out.parent)
    try:
        with naming(out):
            aside.mkdir()
            yield aside
            if out.exists():
                out.rename(before)
            aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(before, ignore_errors=True)
