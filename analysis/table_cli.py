"""`resnet-report TABLE`: verdicts on claims about any table of runs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.users_code import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from analysis.claims import Claim

CLAIMS = "claims"
"""Name of the variable with the claims in a file of claims."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for tables of runs."""
    group = parser.add_argument_group(
        "a table with one row for each run: .csv, .tsv, .parquet, mlflow:DIR or optuna:FILE, in place of STUDY"
    )
    group.add_argument("--factors", nargs="+", metavar="COLUMN", help="columns that identify a run's arm")
    group.add_argument("--seed", default="seed", metavar="COLUMN", help="column that pairs the runs (default: seed)")
    group.add_argument("--status", metavar="COLUMN", help="column with the status of a run")
    group.add_argument(
        "--measure", action="append", default=[], metavar="COLUMN", help="column by which arms are compared"
    )
    group.add_argument(
        "--claims", type=Path, metavar="FILE",
        help="your Python file with `claims`, a dictionary of sentences and inequalities between means",
    )  # fmt: skip


def is_of_table(options: argparse.Namespace) -> bool:
    """Return whether the options are those for a table of runs.

    Raises:
        UserError: Only some of the required options are given.
    """
    given = bool(options.factors or options.claims or options.measure or options.status)
    if given and not options.factors:
        raise UserError("a table of runs needs --factors, the columns that say which arm a run is of")
    if given and not (options.claims or options.measure):
        raise UserError("a table of runs needs --claims FILE or --measure COLUMN, what is asked of it")
    if given and len(options.studies) != 1:
        raise UserError(f"a report must be of one table of runs, but got {len(options.studies)}")
    return given


def report_table(options: argparse.Namespace) -> "tuple[Path, dict[str, pd.DataFrame]]":
    """Read a table, judge the claims, and write the report; return its page and its tables by name.

    Raises:
        UserError: The table or the file of claims cannot be used.
    """
    from analysis.judging.run_table import RunTable, column, measures_of
    from analysis.run_tables import read_runs

    source = str(options.studies[0])
    claims = _claims(options.claims) if options.claims else {}
    measures = tuple(dict.fromkeys([*measures_of(claims), *map(column, options.measure)]))
    factors = [name for names in options.factors for name in names.split(",")]
    try:
        runs = RunTable.from_table(
            read_runs(source), factors=factors, seed=options.seed, status=options.status, measures=measures
        )
    except UserError as error:
        raise UserError(str(error) if source in str(error) else f"{source}: {error}") from None
    out = options.out or _beside(source)
    check_writable(out)
    from analysis.pages.table_report import report_of  # loads matplotlib

    return report_of(source, runs, claims, measures, out, options.style)


def _claims(file: Path) -> "Mapping[str, Claim]":
    from analysis.claims import Claim

    claims = getattr(load(file, "file of claims"), CLAIMS, None)
    if not isinstance(claims, dict) or not all(isinstance(claim, Claim) for claim in claims.values()) or not claims:
        raise UserError(f"{file}: a file of claims must have `{CLAIMS}`, a dictionary of sentences and inequalities")
    return claims


def _beside(source: str) -> Path:
    path = Path(source.partition("#")[0].partition(":")[2] or source)
    return path.with_name(f"{path.stem}-report")
