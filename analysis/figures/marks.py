"""Meaning of the elements of a figure for the tooltips of a page: their arm, and the seed and value of each point."""

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
    """Meaning of an element of a figure.

    Attributes:
        arm: Label of the arm; empty if the element belongs to several arms or to none.
        tips: Tooltip of each point, in order.
        arms: Arm of each point, if the element belongs to several.
    """

    arm: str
    tips: tuple[str, ...] = ()
    arms: tuple[str, ...] = ()


def mark(drawn: Artist | Container, arm: object, tips: Sequence[str] = (), arms: Iterable[object] = ()) -> None:
    """Attach a mark to an artist. The points of a container are in its first element."""
    parts = [artist for part in drawn.get_children() for artist in (part if isinstance(part, tuple) else (part,))] if (
        isinstance(drawn, Container)
    ) else [drawn]  # fmt: skip
    levels = tuple(map(str, arms))
    for i, part in enumerate(parts):
        setattr(part, _MARK, Mark(str(arm), *((tuple(tips), levels) if i == 0 else ())))


def arm_of(drawn: Artist | Container) -> str:
    """Return the arm of an artist's mark; an empty text if it has none."""
    parts = drawn.get_children() if isinstance(drawn, Container) else [drawn]
    return next((getattr(part, _MARK).arm for part in parts if hasattr(part, _MARK)), "")


def of_measure(ax: Artist, name: str) -> None:
    """Store the measure that axes show."""
    setattr(ax, _MEASURE, name)


def measure_of(ax: Artist) -> str:
    """Return the measure that axes show; an empty text if none was stored."""
    return str(getattr(ax, _MEASURE, ""))


def named(figure: Figure) -> dict[str, Mark]:
    """Give each element with a mark a unique id, and return the marks by id."""
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
    """Return the tooltip of each run's point: its arm, seed, depth and value."""
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
    """Return the tooltip of each mean's point: its arm, coordinate, mean, interval and number of runs.

    Args:
        line: What `analysis.tables.means` returns.
        arm: Label of the arm. If it is empty, `at` is the column of the arms.
        at: Column of the coordinate.
        column: Name of the measure.
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
