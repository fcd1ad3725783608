"""The report of a search: its page and its files. The sections are in `search_sections`."""

from pathlib import Path

import pandas as pd

from analysis.figures.layout import STYLES, Style
from analysis.pages import report
from analysis.pages.page import Page
from analysis.pages.report import PAGE
from analysis.pages.report_files import sections_drawn, write_files
from analysis.pages.search_sections import SECTIONS, SearchReported
from analysis.search_tables import StoredSearch, search_of, tables_of

__all__ = ["search_of", "tables_of", "write"]


def write(search: StoredSearch, out: Path, style: Style = STYLES["screen"]) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write the report of a search into `out`: `report.html`, and all its figures and tables as files.

    Returns:
        Path of the page, and the tables by name.
    """
    by_name = tables_of(search)
    reported = SearchReported(search, by_name, style)
    sections, images = sections_drawn(list(SECTIONS.values()), reported, style)
    plan = search.study.plan
    page = Page(plan.name, plan.question, _about(search), sections)
    write_files(out, PAGE, page, images, by_name)
    return out / PAGE, by_name


def _about(search: StoredSearch) -> list[str]:
    base = search.study.plan.base
    names = ("oracle", "space", "objective", "limits", "search_seed")
    text = "; ".join(f"{name.replace('_', ' ')}: {base[name]}" for name in names if base.get(name) not in (None, ""))
    return [*report.progress(search.study), f"A run is a trial. {text[:1].upper()}{text[1:]}."]
