"""Sections of a report: types, and functions that the builders of sections share."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from analysis import formats
from analysis.figures.layout import Drawn, Style
from analysis.pages.page import MOST_ROWS, Table
from analysis.study import StudyRecords
from analysis.tables import varied

LONG = 24
"""Number of rows above which a table of details is folded."""
Source = TypeVar("Source")
Builder = Callable[[Source], Iterable["Part"]]
"""Function from the input of a report to sections. It yields no section if it has no content."""


@dataclass(frozen=True, eq=False)
class Part:
    """A section of a report whose figures are not yet rendered.

    Attributes:
        title: Heading.
        figures: Figures.
        tables: Tables, below the figures.
        words: Paragraphs of text, above the figures.
        lines: Lines that are shown verbatim, such as commands.
    """

    title: str
    figures: Sequence[Drawn] = ()
    tables: Sequence[Table] = ()
    words: Sequence[str] = ()
    lines: Sequence[str] = ()


@dataclass(frozen=True)
class Reported:
    """The input of the sections of a study's report.

    Attributes:
        study: The records and the plan.
        by_name: The tables of the report, see `analysis.pages.report.tables_of`.
        style: Layout of the figures.
    """

    study: StudyRecords
    by_name: Mapping[str, pd.DataFrame]
    style: Style

    def table(
        self, name: str, caption: str, note: str = "", *, folded: bool = False, frame: pd.DataFrame | None = None
    ) -> Table:
        """Return a table of the page. By default it is `by_name[name]` without factors of one level."""
        whole = self.by_name[name]
        return table_of(
            name,
            whole,
            caption,
            note,
            formats.shown(whole, self.study.factors) if frame is None else frame,
            folded=folded,
            arms=self._arms(whole),
        )

    def _arms(self, table: pd.DataFrame) -> tuple[str, ...]:
        """Return the label of each row's arm, if the table has the factors that vary."""
        factors, planned = self.study.factors, self.study.planned
        names = [name for name in varied(planned, factors) if name != "depth"]
        if not names or not set(names) <= set(table):
            return ()
        arms = planned.drop_duplicates(names)
        labels = dict(zip(map(tuple, arms[names].astype(str).to_numpy()), arms["label"].astype(str), strict=True))
        return tuple(labels.get(tuple(levels), "") for levels in table[names].astype(str).to_numpy())

    @property
    def seeds(self) -> int:
        """The least number of completed runs of an arm, among arms with two or more; 0 if there is no such arm."""
        runs = self.study.runs
        completed = runs[runs["status"] == "completed"].groupby(self.study.factors, observed=True).size()
        return int(completed[completed > 1].min()) if (completed > 1).any() else 0


def table_of(
    name: str,
    whole: pd.DataFrame,
    caption: str,
    note: str,
    frame: pd.DataFrame,
    *,
    folded: bool = False,
    arms: tuple[str, ...] = (),
) -> Table:
    """Return a table of a page. Long tables get no LaTeX and Markdown files."""
    kinds = ("csv", "tex", "md") if len(whole) <= MOST_ROWS else ("csv",)
    return Table(name, caption, frame, note, folded, kinds, arms)
