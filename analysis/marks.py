"""What the elements of a figure stand for, so that a page can say it: the arm, and of a point its seed and value."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.container import Container
from matplotlib.figure import Figure

_MARK, _MEASURE = "_resnet_mark", "_resnet_measure"


@dataclass(frozen=True)
class Mark:
    """What an element of a figure stands for.

    Attributes:
        arm: Label of the arm; empty if its points are of several, or of none.
        tips: What is said of each of its points, in their order.
        arms: The arm of each point, where they are of several.
    """

    arm: str
    tips: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


def mark(drawn: Artist | Container, arm: object, tips: Sequence[str] = (), arms: Iterable[object] = ()) -> None:
    """Say what is drawn: of a container, the first element has the points."""
    parts = [artist for part in drawn.get_children() for artist in (part if isinstance(part, tuple) else (part,))] if (
        isinstance(drawn, Container)
    ) else [drawn]  # fmt: skip
    levels = tuple(map(str, arms))
    for i, part in enumerate(parts):
        setattr(part, _MARK, Mark(str(arm), *((tuple(tips), levels) if i == 0 else ())))


def arm_of(drawn: Artist | Container) -> str:
    """Return the arm that was said of what is drawn; empty if none was."""
    parts = drawn.get_children() if isinstance(drawn, Container) else [drawn]
    return next((getattr(part, _MARK).arm for part in parts if hasattr(part, _MARK)), "")


def of_measure(ax: Artist, name: str) -> None:
    """Say which measure axes are of."""
    setattr(ax, _MEASURE, name)


def measure_of(ax: Artist) -> str:
    """Return the measure that axes are of; empty if that was not said."""
    return str(getattr(ax, _MEASURE, ""))


def named(figure: Figure) -> dict[str, Mark]:
    """Give each element with a mark an id of its own, and return the marks by these."""
    named_marks = {}
    for i, artist in enumerate(_marked(figure)):
        mark: Mark = getattr(artist, _MARK)
        name = f"{type(artist).__name__.lower()}-{re.sub('[^a-z0-9]+', '-', mark.arm.lower()).strip('-')}-{i}"
        artist.set_gid(name)
        named_marks[name] = mark
    return named_marks


def _marked(figure: Figure) -> Iterator[Artist]:
    yield from (artist for artist in figure.findobj(lambda artist: hasattr(artist, _MARK)))


def tips_of(rows: pd.DataFrame, values: "pd.Series[Any]", arm: str) -> list[str]:
    """Return what is said of the point of each run: its arm, seed, depth and value."""
    names = rows["label"].astype(str) if "label" in rows else pd.Series(arm, index=rows.index)
    words = names.to_numpy(dtype=object)
    for column, before, after in (("seed", ", seed ", ""), ("layers", ", ", " layers"), ("status", ", ", "")):
        if column in rows:
            shown = rows[column].map(lambda value: "" if pd.isna(value) or value == "completed" else f"{value:.0f}"
                                    if isinstance(value, float) else str(value).replace("_", " "))  # fmt: skip
            words = words + [f"{before}{text}{after}" if text else "" for text in shown]
    name = str(values.name or "").replace("_", " ")
    ends = ["" if pd.isna(value) else f": {name} {value:.4g}" for value in values]
    return list(words + ends)


def means_said(line: pd.DataFrame, arm: str, at: str, column: str) -> list[str]:
    """Return what is said of the point of each mean: its arm, where it is, the mean, its interval, and how many runs.

    Args:
        line: As `analysis.tables.means` returns it.
        arm: Label of the arm; if it is empty, `at` is the column of the arms.
        at: Column of where it is.
        column: The measure.
    """
    lines = []
    for row in line.to_dict("records"):
        if pd.isna(row["mean"]) or pd.isna(row[at]):
            continue
        where = f"{row[at]:g} {at}" if isinstance(row[at], Number) else str(row[at])
        place = f"{arm}, {where}" if arm and where != arm else where
        interval = "" if pd.isna(row["low"]) else f" [{row['low']:.4g}, {row['high']:.4g}]"
        lines.append(
            f"{place}: mean {column.replace('_', ' ')} {row['mean']:.4g}{interval}, {row['n']} of {row['N']} runs"
        )
    return lines
