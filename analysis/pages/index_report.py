"""One page of many studies: their verdicts, and links to their reports."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from analysis.judging.findings import folders_of
from analysis.judging.verdicts import verdicts
from analysis.pages import captions
from analysis.pages.page import Page, Section, Table
from analysis.pages.report import PAGE
from analysis.pages.report_files import write_files
from analysis.pages.summary import done
from analysis.study import StudyRecords, read
from analysis.terminal import counted

INDEX = "index.html"
REPORT = Path("report") / PAGE


def write(root: Path, out: Path) -> tuple[Path, pd.DataFrame]:
    """Write the index of the studies in a folder into `out`. Return the page and all verdicts with their `study`."""
    studies = {str(folder.relative_to(root)): read(folder) for folder in folders_of(root)}
    verdicts = {name: _verdicts(study) for name, study in studies.items()}
    every = pd.concat([table.assign(study=name) for name, table in verdicts.items()], ignore_index=True)
    every.insert(0, "study", every.pop("study"))
    sections = [
        _overview(every),
        *(_section(name, study, verdicts[name], root, out) for name, study in studies.items()),
    ]
    about = [
        f"{len(studies)} studies. {counted(every)}." if len(every) else f"{len(studies)} studies, without a claim."
    ]
    page = Page(root.name, "Which claims do the records of the studies support?", about, sections)
    write_files(out, INDEX, page, {}, {"index": every})
    return out / INDEX, every


def _verdicts(study: StudyRecords) -> pd.DataFrame:
    return verdicts(study.claims, study.planned, study.frames, study.looks)


def _overview(every: pd.DataFrame) -> Section:
    shown = every[["study", "verdict", "claim", "effect", "low", "high", "n", "N"]] if len(every) else every
    return Section("Verdicts", tables=[Table("index", "The claims of all studies.", shown, suffixes=("csv",))])


def _section(name: str, study: StudyRecords, verdicts: pd.DataFrame, root: Path, out: Path) -> Section:
    place = root / name / REPORT
    links: Sequence[tuple[str, str]] = ()
    if place.exists():
        links = [(_from(out, place), f"Report of {name}")]
    table = Table(
        f"verdicts_{name.replace('/', '_')}",
        f"The claims of {name}.",
        captions.claims(verdicts),
        folded=True,
        suffixes=(),
    )
    return Section(name, tables=[table], words=[study.plan.question, done(study)], links=links)


def _from(out: Path, place: Path) -> str:
    """Return the path of a file relative to a page in `out`."""
    return Path(os.path.relpath(place.absolute(), out.absolute())).as_posix()
