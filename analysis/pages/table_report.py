"""The report of any table of runs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.claims import Claim
from analysis.figures import study_figures
from analysis.figures.layout import STYLES, Style
from analysis.judging import calibration
from analysis.judging.power import SEEDS
from analysis.judging.run_table import RunTable
from analysis.labels import arm_labels, named_effects
from analysis.measures import measured
from analysis.pages import captions, summary
from analysis.pages.page import Page
from analysis.pages.report_files import sections_drawn, write_files
from analysis.pages.sections import LONG, Part, table_of
from analysis.pages.study_sections import HOLM, PAIRED
from analysis.tables import outcomes
from resnet_core.runs.description import counted

PAGE = "report.html"


@dataclass(frozen=True)
class JudgedTable:
    """A table of runs, with claims and measures.

    Attributes:
        name: Name of the table.
        runs: The table.
        claims: Claims by their sentences.
        measures: Measures by which arms are compared.
        style: Layout of the figures.
    """

    name: str
    runs: RunTable
    claims: Mapping[str, Claim]
    measures: tuple[str, ...]
    style: Style

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the tables of the report by name."""
        runs = self.runs
        claimed = {
            "verdicts": runs.verdicts(self.claims),
            "power": runs.power(self.claims, SEEDS),
        } if self.claims else {}  # fmt: skip
        table = runs.planned.merge(runs.frames.runs.drop(columns=["seed", "step"]), on="run")
        return claimed | {
            "effects": runs.effects(self.measures),
            "summary": runs.summary(self.measures),
            "outcomes": outcomes(runs.planned, runs.frames.runs, runs.factors),
            "runs": table,
        }


@dataclass(frozen=True)
class ReportedTable:
    """The input of the sections: the table of runs, and the tables of the report by name."""

    judged: JudgedTable
    by_name: Mapping[str, pd.DataFrame]

    @property
    def seeds(self) -> int:
        """The least number of runs of an arm."""
        return int(self.judged.runs.planned.groupby([*self.judged.runs.factors], observed=True).size().min())


def write(judged: JudgedTable, out: Path) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write the report into `out`. Return the path of the page, and the tables by name."""
    by_name = judged.tables()
    sections, images = sections_drawn(SECTIONS, ReportedTable(judged, by_name), judged.style)
    runs = judged.runs
    about = [
        f"{len(runs.planned)} runs of {runs.planned.groupby([*runs.factors], observed=True).ngroups} arms, from "
        f"{judged.name}. Factors: {', '.join(runs.factors)}.",
        *(f"Not compared: {note}." for note in runs.notes),
    ]
    page = Page(Path(judged.name).stem, "Which claims do the runs support?", about, sections, summary_of(runs, by_name))
    write_files(out, PAGE, page, images, by_name)
    return out / PAGE, by_name


def summary_of(runs: RunTable, by_name: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the sentences on a table of runs of another tool."""
    verdicts = by_name.get("verdicts", pd.DataFrame())
    measures = list(dict.fromkeys(by_name["summary"]["measure"])) if len(by_name["summary"]) else []
    lowest = summary.best_arm(by_name["summary"], measures, runs.factors, {})
    arms = runs.planned.groupby([*runs.factors], observed=True).ngroups
    return summary.box(
        "Which claims do the runs support?" if len(verdicts) else "How much do the arms differ?",
        f"{counted(len(runs.planned), 'run')} of {counted(arms, 'arm')} were read; none was made here.",
        [summary.counts(verdicts), lowest],
        [summary.open_claims(verdicts)],
    )


def _verdicts(report: ReportedTable) -> Iterator[Part]:
    by_name = report.by_name
    if "verdicts" not in by_name:
        return
    verdicts, shown = by_name["verdicts"], captions.claims(by_name["verdicts"])
    costless = shown.drop(columns=[name for name in ("parameters", "MACs") if shown[name].isna().all()])
    yield Part("Verdicts", tables=[
        table_of("verdicts", verdicts, "The verdict on each claim.",
                 f"{captions.VERDICTS} {calibration.of_verdicts(report.seeds)}", costless),
        table_of("power", by_name["power"], "Smallest difference that a number of seeds can detect.",
                 "Effect: distance from the bound. At n: the smallest difference that n seeds detect with a "
                 "probability of 80 %, given the spread of these seeds. Seeds needed: the number that would show the "
                 "effect.",
                 by_name["power"]),
    ])  # fmt: skip


def _effects(report: ReportedTable) -> Iterator[Part]:
    table = report.by_name["effects"]
    if table.empty:
        return
    named = named_effects(table, {})
    shown = named.drop(columns=["bootstrap_low", "bootstrap_high", "bootstrap"], errors="ignore")
    yield Part("Effects", [study_figures.effects(named, report.judged.style)], [
        table_of("effects", table, "Differences between arms, seed by seed.",
                 f"{PAIRED} p: by Student's t-test, and by sign flips; {HOLM}.", shown, folded=len(table) > LONG),
    ])  # fmt: skip


def _arms(report: ReportedTable) -> Iterator[Part]:
    judged = report.judged
    planned = judged.runs.planned.assign(label=arm_labels(judged.runs.planned, judged.runs.factors))
    rows = {name: measured(name, planned, judged.runs.frames) for name in judged.measures}
    rows = {name: table for name, table in rows.items() if table["value"].notna().any()}
    yield Part("Arms", [study_figures.distributions(rows, judged.style)] if rows else [], [
        table_of("summary", report.by_name["summary"], "Every measure of every arm.",
                 "Mean with its 95 % interval by Student's t. Middle half: mean without the lowest and the highest "
                 "quarter. Bootstrap: BCa interval.",
                 report.by_name["summary"]),
        table_of("outcomes", report.by_name["outcomes"], "Outcomes of the runs of each arm.",
                 "Failed rate: share of the runs that diverged among these and the completed runs, with its exact 95 % "
                 "interval.",
                 report.by_name["outcomes"]),
        table_of("runs", report.by_name["runs"], "All runs.", "", report.by_name["runs"], folded=True),
    ])  # fmt: skip


SECTIONS = (_verdicts, _effects, _arms)


def report_of(
    source: str, runs: RunTable, claims: Mapping[str, Claim], measures: tuple[str, ...], out: Path, style: str
) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write the report of a table that was read from `source`; `style` is a name in `layout.STYLES`."""
    return write(JudgedTable(source, runs, claims, measures, STYLES[style]), out)
