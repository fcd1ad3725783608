"""Verdicts as text for a terminal."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_core.telling import say, show

if TYPE_CHECKING:
    import pandas as pd


def judged(root: Path) -> "pd.DataFrame | None":
    """Return the verdicts of a study; an empty table if it has no claims."""
    from analysis.judging.verdicts import verdicts
    from analysis.study import read

    study = read(root)
    return verdicts(study.claims, study.planned, study.frames, study.looks) if study.claims else None


def print_verdicts(root: Path) -> None:
    """Print one row for each claim, with the notes on its verdict below it."""
    from rich.table import Table

    verdicts = judged(root)
    if verdicts is None:
        return
    table = Table(box=None, header_style="bold")
    for column in ("verdict", "claim", "effect", "interval, corrected", "n", "p, corrected", "parameters", "MACs"):
        table.add_column(column, justify="left" if column in ("verdict", "claim") else "right")
    for row in verdicts.to_dict("records"):
        notes = [row["note"]] if row["note"] else []
        notes += [f"without a result: {row['lost']}"] if row["lost"] else []
        table.add_row(
            ", ".join(filter(None, [row["verdict"], row["direction"]])),
            "\n".join([row["claim"], *notes]),
            number(row["effect"]),
            f"{number(row['low'])} to {number(row['high'])}",
            f"{row['n']} of {row['N']}",
            "–" if math.isnan(row["p_corrected"]) else f"{row['p_corrected']:.2g}",
            *("–" if math.isnan(row[name]) else f"×{row[name]:.3g}" for name in ("parameters", "macs")),
        )
    show(table)
    say(counted(verdicts))


def counted(verdicts: "pd.DataFrame") -> str:
    """Return a text with the numbers of supported, refuted, opposite and inconclusive claims."""
    counts = verdicts["verdict"].value_counts()
    words = [f"{counts.get(name, 0)} {name}" for name in ("supported", "refuted", "inconclusive")]
    words[1] += f" (opposite: {verdicts['direction'].eq('opposite').sum()})"
    return f"{len(verdicts)} claims: {', '.join(words)}"


def number(value: float) -> str:
    """Return a number with three digits; a dash for a missing number."""
    return "–" if math.isnan(value) else f"{value:.3g}"
