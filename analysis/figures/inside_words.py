"""Captions and tooltips of the rows of probes, and the choice of the arms that are drawn."""

from collections.abc import Iterable

import pandas as pd

from analysis.figures.drawing import levels_of
from analysis.figures.layout import MOST_PANELS, MOST_WORDS
from resnet_core.probes.registry import probe

EVAL = "in inference mode"
PREFIX = "inside_"
"""Prefix of the names of the figures."""


def arms_of(rows: pd.DataFrame, most: int = MOST_PANELS) -> tuple[list[str], str]:
    """Return the first `most` labels, and a note if there are more."""
    labels = [str(level) for level in levels_of(rows["label"])]
    left = len(labels) - most
    note = f" The first {most} of {len(labels)} arms are drawn; the tables have all." if left > 0 else ""
    return labels[:most], note


def rows_of(rows: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the rows of an arm."""
    return rows[rows["label"].astype(str) == label]


def tips(
    label: str, seeds: Iterable[object], places: Iterable[object], what: str, values: Iterable[float]
) -> list[str]:
    """Return the tooltip of each point: its arm, seed, place and value. Without a seed, the value is a mean."""
    return [
        f"{label}, {place}: mean {what} {value:.4g}" if seed is None
        else f"{label}, seed {seed}, {place}: {what} {value:.4g}"
        for seed, place, value in zip(seeds, places, values, strict=True)
    ]  # fmt: skip


def sample(rows: pd.DataFrame) -> str:
    """Return a text on the measurement: networks, images and options."""
    runs, images = rows["run"].nunique(), " or ".join(f"{n:g}" for n in sorted(rows["images"].unique()))
    part = {"val": "validation", "train": "training"}.get(str(rows["part"].iloc[0]), str(rows["part"].iloc[0]))
    options = rows["options"].iloc[0]
    steps = rows["step"].dropna().unique() if "step" in rows else ()
    more = [str(options)] if options else []
    return "; ".join(
        [f"n = {runs} networks", f"{images} {part} images", *(f"after {step:g} steps" for step in steps), *more]
    )


def option(rows: pd.DataFrame, name: str) -> str:
    """Return the value of an option of the rows' probe as text; its default if it was not given."""
    given = dict(word.partition("=")[::2] for word in str(rows["options"].iloc[0]).split())
    return str(given.get(name, probe(str(rows["probe"].iloc[0])).options[name]))


def range_text(values: "pd.Series[float]") -> str:
    """Return a text with the means of the blocks."""
    parts = [f"{name} {value:.3g}" for name, value in values.head(MOST_WORDS).items()]
    return ", ".join(parts) + (", …" if len(values) > MOST_WORDS else "")
