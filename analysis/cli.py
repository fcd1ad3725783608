"""`resnet-report`: the report of a study."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from resnet_core.command_line import Parser, console, run_program
from resnet_core.folders import check_writable

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table


def parser() -> Parser:
    """Return the parser."""
    top = Parser(prog="resnet-report", description="Write the report of a study: one HTML page, figures and tables.")
    top.add_argument("study", type=Path, help="folder of the study, as results/local/depth")
    top.add_argument("--out", type=Path, help="folder of the report (default: report/ in the study's folder)")
    return top


def _table(frame: "pd.DataFrame") -> "Table":
    from rich.table import Table

    table = Table(*frame.columns, box=None, header_style="bold")
    for row in frame.to_numpy():
        table.add_row(*row)
    return table


def _main(arguments: Sequence[str] | None) -> None:
    options = parser().parse(arguments)
    out = options.out or options.study / "report"
    from analysis import report  # loads pandas and seaborn

    study = report.read(options.study)
    for one in study.damaged:
        print(f"{one.path} is no whole record, and is left out: {one.reason}", file=sys.stderr)
    check_writable(out)
    page, accuracy = report.write(study, out)
    console().print(_table(report.text_table(report.shown(accuracy, study.factors))))
    print(f"report: {page}")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the program."""
    run_program(_main, arguments)
