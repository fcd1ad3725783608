"""The model card of exports, made from records alone."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from resnet_core.runs.exports.checking import Row
from resnet_core.runs.exports.registry import FORMATS
from resnet_core.runs.exports.trained import Trained

CardSection = tuple[str, str]
"""Heading and text, in Markdown."""
NOTHING = "–"
PROBABILITIES = "probabilities; the softmax is inside the model"
LOGITS = "logits; a softmax of them gives probabilities"


def card(
    title: str, trained: Trained, about: Mapping[str, Any], rows: Sequence[Row], sections: Sequence[CardSection]
) -> str:
    """Return the model card as Markdown.

    Args:
        title: Title of the card.
        trained: The network.
        about: Content of `model.json`.
        rows: The exports.
        sections: Sections that follow those on input, output and data.
    """
    parts = [("Input and output", _ends(about)), ("Data", _data(trained)), *sections, ("Network", _network(trained))]
    parts += [("Training", _training(trained)), ("Exports", "\n\n".join(_exports(about, rows)))]
    return "\n\n".join([f"# {words(title)}", *(f"## {heading}\n\n{text}" for heading, text in parts)]) + "\n"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table as Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(words(str(cell)) for cell in line) + " |" for line in lines)


def words(text: str) -> str:
    """Return text in one line, with the special characters of Markdown escaped."""
    return re.sub(r"([\\|<>`*_\[\]])", r"\\\1", " ".join(text.split()))


def _ends(about: Mapping[str, Any]) -> str:
    given, output = about["input"], about["output"]
    shape = "×".join(map(str, given["shape"][1:]))
    low, high = given["range"]
    return "\n".join(
        [
            f"- Input: images of {shape} (rows, columns, channels{': ' * bool(given['channels'])}{given['channels']}), "
            f"float32, values from {low:g} to {high:g} as in the data ({words(given['values'])}). The preprocessing is "
            "inside the model.",
            f"- Output: {output['shape'][1]} {PROBABILITIES if output['softmax'] else LOGITS}.",
            f"- Classes, in the order of the output: {', '.join(words(name) for name in about['class_names'])}.",
            "- `model.json` says the same to a program.",
        ]
    )  # fmt: skip


def _data(trained: Trained) -> str:
    info = trained.info
    lines = [f"{words(trained.record.run.train.data)}: {words(info.line.removeprefix('data: '))}"]
    if info.class_counts:
        pairs = zip(info.class_names, info.class_counts, strict=True)
        lines.append(table(["class", "training images", "test images"], [(name, *counts) for name, counts in pairs]))
    return "\n\n".join(lines)


def _network(trained: Trained) -> str:
    known, run = trained.record.network, trained.record.run
    line = f"Parameters: {known['parameters']:,}. Multiply-accumulates of an image: {known['macs']:,}."
    return f"{line}\n\n{_fields(json.loads(run.net.canonical_json()))}"


def _training(trained: Trained) -> str:
    run = trained.record.run
    return f"Seed {run.seed}.\n\n{_fields(json.loads(run.train.canonical_json()))}"


def _fields(fields: Mapping[str, Any]) -> str:
    return "Fields that are not at their defaults:\n\n" + table(
        ["field", "value"], [(name, json.dumps(value)) for name, value in fields.items()]
    )


def _exports(about: Mapping[str, Any], rows: Sequence[Row]) -> Iterator[str]:
    yield (
        f"Each file was opened in its own runtime and compared with the network in Keras on {about['checked_on']}. "
        f"Formats of 8 bits were calibrated on {about['calibrated_on']}."
    )
    columns, cells = export_cells(rows)
    yield table(columns, cells)
    if any(row.latency for row in rows):
        yield (
            f"Latency is of one image, in {about['latency']['calls']} calls after a warm-up, on "
            f"{words(about['made_with']['processor'])}, each number of threads in a process of its own."
        )
    yield "\n".join(f"- `{row.file}`: {words(FORMATS[row.format].about)}" for row in rows if row.file)
    failures = [f"- {row.format} was not exported: {words(row.reason)}" for row in rows if row.reason]
    if failures:
        yield "\n".join(failures)


def export_cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and the cells of the table of exports, as text."""
    threads = sorted({count for row in rows for count in row.latency})
    latency = [f"{name} ms, {count} thread{'s' * (count > 1)}" for count in threads for name in ("median", "p95")]
    columns = ["format", "bytes", "largest difference", "equal predictions", "accuracy", *latency]
    cells = [
        [
            row.format,
            f"{row.bytes:,}" if row.file else NOTHING,
            *(_number(value, form) for value, form in (
                (row.max_difference, ".2g"), (row.equal_predictions, ".4f"), (row.accuracy, ".4f"),
            )),
            *(_number(value, ".3g") for count in threads for value in row.latency.get(count, (None, None))),
        ]
        for row in rows
    ]  # fmt: skip
    return columns, cells


def _number(value: float | None, form: str) -> str:
    return NOTHING if value is None else f"{value:{form}}"
