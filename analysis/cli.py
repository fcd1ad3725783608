"""The program `resnet-report`: reports of studies, and comparisons of studies."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from analysis.table_cli import add_options, is_of_table, report_table
from resnet_core.command_line import Parser, folder, run_program
from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.surroundings import check_matplotlibrc
from resnet_core.telling import console, say, warn
from resnet_core.users_code import load

if TYPE_CHECKING:
    import pandas as pd

    from analysis.study import StudyRecords

COMPARE, LIST = "compare", "list"
ABOUT = """Write the report of a study: one HTML page, and its figures and tables as files.

  resnet-report STUDY...             write a report into the folder of each study or search, also while it is running
  resnet-report FOLDER               write one page for all studies in a folder: verdicts, and links to the reports
  resnet-report compare STUDY STUDY...   show where the other studies differ from the first, arm by arm
  resnet-report list                 list the sections of a study's report
  resnet-report TABLE --factors ...  judge claims by any table with one row for each run"""


def parser() -> Parser:
    """Return the argument parser."""
    usage = "resnet-report [compare] STUDY... [options]"
    top = Parser(prog="resnet-report", usage=usage, description=ABOUT, version=True)
    top.add_argument("studies", type=folder, nargs="+", metavar="STUDY", help="folder of a study: results/local/depth")
    top.add_argument("--out", type=folder, help="folder of the report (default: report/ in the study's folder)")
    top.add_argument(
        "--style", choices=("screen", "paper", "paper-wide"), default="screen",
        help="paper, paper-wide: figures for one column or two, also as PDF with embedded fonts, and a folder `paper` "
        "with a table, methods, checklist, BibTeX and main.tex (default: %(default)s)",
    )  # fmt: skip
    paper = top.add_argument_group("the table of --style paper")
    paper.add_argument("--columns", nargs="*", metavar="COLUMN", help="parameters, macs, n, failed (default: n)")
    paper.add_argument("--measures", nargs="+", metavar="MEASURE", help="measures (default: test_error)")
    paper.add_argument("--arms", nargs="+", metavar="LABEL", help="labels of arms, such as skip=none (default: all)")
    top.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE",
        help="Python file that registers sections of the report, or measures for claims; may be repeated",
    )  # fmt: skip
    add_options(top)
    return top


def is_index(folder: Path) -> bool:
    """Return whether a folder is not a study but contains several."""
    return folder.is_dir() and not (folder / "study.json").exists() and len(list(folder.glob("*/study.json"))) > 1


def _print_table(frame: "pd.DataFrame") -> None:
    from rich.table import Table

    from analysis.formats import text_table

    texts = text_table(frame)
    table = Table(*texts.columns, box=None, header_style="bold")
    for row in texts.to_numpy():
        table.add_row(*map(str, row))
    console().print(table)


def _list_sections() -> None:
    from rich.table import Table

    from analysis.pages.study_sections import SECTIONS  # loads matplotlib

    table = Table("section", "what is in it", box=None, header_style="bold")
    for name, build in SECTIONS.items():
        table.add_row(name, (build.__doc__ or "").partition("\n")[0])
    console().print(table)


def _main(arguments: Sequence[str] | None) -> None:
    options = parser().parse(arguments)
    for file in options.plugin:
        load(file, "plugin")
    if options.studies == [Path(LIST)]:
        _list_sections()
        return
    if is_of_table(options):
        check_matplotlibrc()
        _say(*report_table(options))
        return
    comparing, folders = options.studies[0] == Path(COMPARE), options.studies
    if comparing:
        folders = folders[1:]
        if len(folders) < 2:
            raise UserError(f"compare needs two studies or more, but got {len(folders)}; name their folders")
    elif options.out and len(folders) > 1:
        raise UserError(
            f"an output folder must be of one report, but got {len(folders)} studies; leave --out away, or compare them"
        )
    check_matplotlibrc()
    _check_paper(options)
    if not comparing and len(folders) == 1 and is_index(folders[0]):
        _index(folders[0], options.out)
        return
    from analysis.study import read  # loads pandas

    studies = [read(folder) for folder in folders]
    for damaged in (damaged for study in studies for damaged in study.damaged):
        warn(f"{damaged.path} is damaged, and is left out: {damaged.reason}")
    outs = [options.out or folder / (COMPARE if comparing else "report") for folder in folders]
    for out in outs[:1] if comparing else outs:
        check_writable(out)
    if comparing:
        _compare(folders, studies, outs[0], options.style)
    else:
        for folder, study, out in zip(folders, studies, outs, strict=True):
            if "oracle" in study.plan.base:
                _report_search(study, folder, out, options.style)
            else:
                _report(study, out, options)


def _check_paper(options: argparse.Namespace) -> None:
    """Check that options of a paper's table are given with a style that writes a paper.

    Raises:
        UserError: The style writes no paper.
    """
    for name in ("columns", "measures", "arms"):
        if getattr(options, name) is not None and not options.style.startswith("paper"):
            raise UserError(f"--{name} is of the table of a paper, but got --style {options.style}; give --style paper")


def _index(root: Path, out: Path | None) -> None:
    from analysis.pages import index_report
    from analysis.terminal import counted

    out = out or root / "index"
    check_writable(out)
    page, every = index_report.write(root, out)
    if len(every):
        say(counted(every))
    say(f"report: {page}")


def _report(study: "StudyRecords", out: Path, options: argparse.Namespace) -> None:
    from analysis.figures.layout import STYLES
    from analysis.formats import shown
    from analysis.pages import report  # loads matplotlib

    page, tables = report.write(study, out, STYLES[options.style])
    if options.style.startswith("paper"):
        from analysis.pages import paper

        chosen = ((name, getattr(options, name)) for name in ("columns", "measures", "arms"))
        given = {name: tuple(values) for name, values in chosen if values is not None}
        say(f"paper: {paper.write(study, tables, out, paper.Choice(**given))}")
    if len(tables["verdicts"]):
        _print_verdicts(tables["verdicts"])
    _print_table(shown(tables["accuracy"], study.factors))
    say(f"report: {page}")


def _say(page: Path, tables: "dict[str, pd.DataFrame]") -> None:
    if "verdicts" in tables:
        _print_verdicts(tables["verdicts"])
    _print_table(tables["summary"].loc[:, :"high"])
    say(f"report: {page}")


def _print_verdicts(verdicts: "pd.DataFrame") -> None:
    _print_table(verdicts[["verdict", "claim", "effect", "low", "high", "n", "N", "p_corrected"]])


def _report_search(study: "StudyRecords", folder: Path, out: Path, style: str) -> None:
    from analysis.figures.layout import STYLES
    from analysis.pages import search_report

    page, tables = search_report.write(search_report.search_of(study, folder), out, STYLES[style])
    _print_table(tables["best"].drop(columns=study.factors))  # these are many, and in the report
    say(f"report: {page}")


def _compare(folders: Sequence[Path], studies: "Sequence[StudyRecords]", out: Path, style: str) -> None:
    from analysis.figures.layout import STYLES
    from analysis.pages import comparison_report

    page, tables = comparison_report.write(list(map(str, folders)), studies, out, STYLES[style])
    _print_table(tables["arms"])
    say(f"report: {page}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
