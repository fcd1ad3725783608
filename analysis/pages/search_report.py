"""The report of a search: its page and its files. The sections are in `search_sections`."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.figures.drawing import words
from analysis.figures.layout import STYLES, Style
from analysis.formats import text
from analysis.pages import report, summary
from analysis.pages.page import Page
from analysis.pages.report import PAGE
from analysis.pages.report_files import sections_drawn, write_files
from analysis.pages.search_sections import SECTIONS, SearchReported
from analysis.search_tables import CONFIRM, StoredSearch, first_objective, search_of, tables_of
from analysis.trials import rivals
from resnet_core.runs.description import counted
from resnet_core.runs.records.outcomes import COMPLETED, FAILURES

__all__ = ["search_of", "tables_of", "write"]

MOST_NAMED = 6
"""Most hyperparameters of a trial that are named."""
UNCONFIRMED = (
    "the value of the best trial is that of one run, chosen as the best of many; --confirm repeats it with fresh seeds"
)


def write(search: StoredSearch, out: Path, style: Style = STYLES["screen"]) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write the report of a search into `out`: `report.html`, and all its figures and tables as files.

    Returns:
        Path of the page, and the tables by name.
    """
    by_name = tables_of(search)
    reported = SearchReported(search, by_name, style)
    sections, images = sections_drawn(list(SECTIONS.values()), reported, style)
    plan = search.study.plan
    page = Page(plan.name, plan.question, _about(search), sections, summary_of(search, by_name))
    write_files(out, PAGE, page, images, by_name)
    return out / PAGE, by_name


def _about(search: StoredSearch) -> list[str]:
    base = search.study.plan.base
    names = ("oracle", "space", "objective", "limits", "search_seed")
    how = "; ".join(f"{name.replace('_', ' ')}: {base[name]}" for name in names if base.get(name) not in (None, ""))
    return [*report.progress(search.study), f"Each trial is one run. {how[:1].upper()}{how[1:]}."]


def summary_of(search: StoredSearch, by_name: dict[str, pd.DataFrame]) -> list[str]:
    """Return the sentences on a search."""
    base, status = search.study.plan.base, search.trials["status"]
    limits = str(base.get("limits") or "")
    failed = int(status.isin(FAILURES).sum())
    trials = (
        f"{counted(len(search.trials), 'trial')} proposed by the oracle {base.get('oracle', '')}: "
        f"{int((status == COMPLETED).sum())} completed{f', and training failed in {failed}' if failed else ''}"
    )
    again = by_name.get(f"{CONFIRM}_found", pd.DataFrame())
    seeds = f"; {counted(len(again), 'trial')} repeated with {counted(int(again['N'].max()), 'fresh seed')}" if len(
        again) else ""  # fmt: skip
    claims = by_name.get(f"{CONFIRM}_verdicts", pd.DataFrame())
    return summary.box(
        f"{search.study.plan.question}{f' Limits: {limits}.' if limits not in ('', 'none') else ''}",
        f"{trials}{seeds}.",
        [_best_trial(search, by_name), *_confirmed(search, again), summary.counts(claims)],
        [summary.open_claims(claims) if len(again) else UNCONFIRMED if len(by_name["best"]) else ""],
    )


def _best_trial(search: StoredSearch, by_name: dict[str, pd.DataFrame]) -> str:
    best, objective = by_name["best"], first_objective(search)
    if best.empty:
        return ""
    row = best.sort_values(objective.name, ascending=not objective.rising, kind="stable").iloc[0]
    varied = [name for name in search.varied if name in best][:MOST_NAMED]
    levels = ", ".join(f"{name}={row[name]}" for name in varied)
    count = counted(len(rivals(search.trials, search.objectives)), "comparable trial")
    return (
        f"of {count}, trial {row['trial']} has the "
        f"{'highest' if objective.rising else 'lowest'} {words(objective.name)}, "
        f"{text(row[objective.name])}, with {row['parameters']:,} parameters{f' ({levels})' if levels else ''}"
    )


def _confirmed(search: StoredSearch, again: pd.DataFrame) -> list[str]:
    """Return a text with the mean of the best trial over fresh seeds; an empty list if it was not repeated."""
    if again.empty or search.confirm is None:
        return []
    name = words(first_objective(search).name)
    return [
        f"with fresh seeds trial {row['trial']} has a mean {name} of {text(row['confirmed'])}"
        f" [{text(row['confirmed_low'])}, {text(row['confirmed_high'])}], over {row['n']} of {row['N']} seeds"
        for row in again.head(1).to_dict("records")
        if not np.isnan(row["confirmed"])
    ]
