"""A page: sections of text, figures and tables in one self-contained HTML file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import pandas as pd

from analysis.figures.inline import Inline
from analysis.figures.layout import INK, PAPER_WHITE, Drawn
from analysis.formats import columns_of, heading, text_table
from analysis.pages.words import head as head_of

MOST_ROWS = 1000
"""Most rows of a table that the page shows."""
DARK_INK, DARK_PAPER = "#dfe3e8", "#15181c"


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        name: File name without its suffix.
        caption: Caption.
        frame: The part of the table that the page shows.
        note: Text on how to read the table.
        folded: Whether the table is closed until a reader opens it.
        suffixes: Suffixes of the table's files.
        arms: Label of each row's arm, if rows belong to arms.
    """

    name: str
    caption: str
    frame: pd.DataFrame
    note: str = ""
    folded: bool = False
    suffixes: tuple[str, ...] = ("csv", "tex", "md")
    arms: tuple[str, ...] = ()

    @property
    def cells(self) -> dict[str, Any]:
        """Input of the template: heads (heading, meaning, if numeric) and rows (cells (text, key), arm, measure)."""
        head = self.frame.head(MOST_ROWS)
        names, texts = columns_of(head), text_table(head)
        numeric = numeric_columns(self.frame)
        raw = {heading(name): head[name] for name in names}
        columns = {
            name: list(zip(texts[column], _keys(raw[column]) if number else texts[column], strict=True))
            for name, column, number in zip(names, map(str, texts), numeric, strict=True)
        }
        if {"n", "N"} <= set(names):
            done = zip(columns["n"], columns.pop("N"), strict=True)
            columns["n"] = [(f"{n} / {planned}", key) for (n, key), (planned, _) in done]
        measures = head["measure"].astype(str) if "measure" in head else [""] * len(head)
        arms = self.arms[: len(head)] or [""] * len(head)
        rows = list(zip(zip(*columns.values(), strict=True), arms, measures, strict=True))
        kinds = dict(zip(names, numeric, strict=True))
        heads = [(*head_of("n / N" if name == "n" and "N" in names else name), kinds[name]) for name in columns]
        return {"heads": heads, "verdict": list(columns).index("verdict") if "verdict" in columns else -1, "rows": rows}


def numeric_columns(frame: pd.DataFrame) -> list[bool]:
    """Return which columns of the table's text are numbers."""
    numbers = {heading(str(name)) for name in frame.select_dtypes("number")}
    return [name in numbers for name in text_table(frame.head(1))]


def _keys(column: "pd.Series[Any]") -> list[str]:
    return ["" if pd.isna(value) else repr(float(value)) for value in column]


@dataclass(frozen=True)
class Image:
    """A figure of a page: the figure with its texts, its SVG in parts, and the suffixes of its files."""

    drawn: Drawn
    inline: Inline
    suffixes: tuple[str, ...]


@dataclass(frozen=True)
class Section:
    """A section of a page. `lines` are shown verbatim, such as commands; `links` are pairs of address and text."""

    title: str
    images: Sequence[Image] = ()
    tables: Sequence[Table] = ()
    words: Sequence[str] = ()
    lines: Sequence[str] = ()
    links: Sequence[tuple[str, str]] = ()

    @property
    def id(self) -> str:
        """The anchor of the section."""
        return "-".join(self.title.lower().replace("/", " ").split())

    @property
    def there(self) -> bool:
        """Whether the section has content."""
        return bool(self.images or self.words or self.lines or any(len(table.frame) for table in self.tables))


@dataclass(frozen=True)
class Page:
    """A page: title, question, sentences on the study, sections, and a summary, which is shown in a box."""

    title: str
    question: str
    about: Sequence[str]
    sections: Sequence[Section]
    summary: Sequence[str] = ()

    def render(self) -> str:
        """Return the HTML. All text is escaped."""
        environment = jinja2.Environment(
            loader=jinja2.PackageLoader("analysis.pages", "."),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        sections = [section for section in self.sections if section.there]
        template = environment.get_template("page.html.jinja")
        exchanged = [
            (f"{part}: {light}", part, dark)
            for light, dark in ((INK, DARK_INK), (PAPER_WHITE, DARK_PAPER))
            for part in ("fill", "stroke")
        ]
        return template.render(page=self, sections=sections, most_rows=MOST_ROWS, exchanged=exchanged)
