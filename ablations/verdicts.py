"""`resnet-ablate verdicts`, `findings` and `power`: verdicts on claims, and differences that more seeds can show."""

import argparse
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ablations.folder_command import add_folder_command, study_folder
from ablations.suites import suites
from analysis.terminal import number, print_verdicts
from resnet_core.errors import UserError
from resnet_core.folders import write_file
from resnet_core.telling import console, say

if TYPE_CHECKING:
    from resnet_core.runs.records.plan import Figure


def add_verdict_commands(commands: Any) -> None:
    """Add the commands to the subparsers of `resnet-ablate`."""
    add_folder_command(commands, "verdicts", "print which claims the records of a study support", say_verdicts)
    findings = commands.add_parser(
        "findings",
        help="print the verdicts on the claims of studies",
        description="Print the verdict on every claim of the studies in a folder, and their counts, as Markdown.",
    )
    findings.add_argument(
        "folder", metavar="FOLDER", type=Path, help="folder of a study, or a folder that contains studies"
    )
    findings.add_argument(
        "--out", metavar="FILE", type=Path, help="file to write; its links are relative to its folder (default: print)"
    )
    findings.set_defaults(command=say_findings)
    add_folder_command(commands, "power", "print which differences a number of seeds can show", say_power)


def say_verdicts(options: argparse.Namespace) -> None:
    """Print the verdicts."""
    root = _with_claims(options)
    print_verdicts(root)


def say_findings(options: argparse.Namespace) -> None:
    """Print or write the findings of the studies in a folder."""
    from analysis.judging.findings import findings

    file: Path | None = options.out
    text = findings(options.folder, published(), file.parent if file else None)
    if file is None:
        say(text.removesuffix("\n"))
    else:
        write_file(file, text)


def published() -> "dict[str, list[Figure]]":
    """Return the published figures of the suites at scale `paper`, by the name of the suite."""
    return {
        name: [cast("Figure", asdict(figure)) for figure in study.scales["paper"].published]
        for name, study in suites().items()
    }


def say_power(options: argparse.Namespace) -> None:
    """Print for each claim which differences numbers of seeds can show."""
    from rich.table import Table

    from analysis.judging.power import SEEDS
    from analysis.judging.power_table import power
    from analysis.study import read

    study = read(_with_claims(options))
    rows = power(study.claims, study.planned, study.frames, SEEDS)
    table = Table(box=None, header_style="bold")
    for column in ("claim", "n", "effect", "spread", *(f"{n} seeds show" for n in SEEDS), "seeds for the effect"):
        table.add_column(column, justify="left" if column == "claim" else "right")
    for row in rows.to_dict("records"):
        shown = (number(row[name]) for name in ("effect", "spread", *(f"at_{n}" for n in SEEDS)))
        seeds = "–" if math.isnan(row["needed"]) else f"{row['needed']:.0f}"
        table.add_row(row["claim"], str(row["n"]), *shown, seeds)
    console().print(table)


def _with_claims(options: argparse.Namespace) -> Path:
    """Return the folder of a study that has claims.

    Raises:
        UserError: The study has no claims.
    """
    from resnet_core.runs.records.store import Store

    root = study_folder(options.study)
    plan = Store(root).plan()
    if not plan or not plan.claims:
        raise UserError(f"a verdict needs a claim, but the study in {root} has none on its arms")
    return root
