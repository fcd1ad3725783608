"""What the records of studies say of their claims, as Markdown, so that nothing of it has to be typed."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis import formats
from analysis.claims import Claim
from analysis.contrasts import contrasts
from analysis.page import numeric_columns
from analysis.study import Study, read
from analysis.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED, verdicts
from resnet_core.errors import UserError

VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE)
ABOUT = """The effect is the mean of the claimed difference over the seeds of which every arm trained, with the interval
that the verdict is made of: corrected for the number of claims of its study, and for the looks at it. A claim holds in
a seed if the difference is on the claimed side of its bound there, and is opposite if it is on the other side."""


def folders_of(root: Path) -> list[Path]:
    """Return the folders of the studies in a folder, or below it; trials of learning rates are no study.

    Raises:
        UserError: There is none.
    """
    folders = [file.parent for file in sorted(root.rglob("study.json")) if "learning_rates" not in file.parts]
    if not folders:
        raise UserError(
            f"findings need a folder with studies, but {root} has no study.json in it; resnet-ablate run makes one"
        )
    return folders


def findings(root: Path) -> str:
    """Return what the records of all studies of a folder say of their claims, and how many verdicts there are of each.

    Raises:
        UserError: There is no study, or one cannot be read.
    """
    studies = {folder: read(folder) for folder in folders_of(root)}
    tables = {folder: table(study) for folder, study in studies.items() if study.claims}
    every = [row for judged in tables.values() for row in judged.to_dict("records")]
    counted = Counter(str(row["verdict"]) for row in every)
    counts = ", ".join(f"{counted[verdict]} {verdict}" for verdict in VERDICTS)
    opposite = sum(row["verdict"] == INCONCLUSIVE and 2 * row["opposite"] > row["n"] for row in every)
    summary = (
        f"Studies: {len(tables)}. Claims: {len(every)}, {counts}; "
        f"of the inconclusive ones, {opposite} are opposite in most seeds."
    )
    sections = (section(folder, studies[folder], rows) for folder, rows in tables.items())
    return "\n".join(["# Findings", "", summary, "", ABOUT, *(line for lines in sections for line in lines)]) + "\n"


def section(folder: Path, study: Study, rows: pd.DataFrame) -> Iterator[str]:
    """Yield the lines of one study."""
    data = ", ".join(sorted(map(str, study.runs["train.data"].unique())))
    trained = int(study.runs["status"].eq("completed").sum())
    scale = study.plan.base.get("scale", "")
    yield from ("", f"## {folder.name}, {scale}".removesuffix(", "), "")
    source = f"{study.plan.source}. " if study.plan.source else ""
    yield f"{study.plan.question} {source}On {data}; {trained} of {len(study.planned)} runs trained."
    yield ""
    shown = rows[["verdict", "claim", "effect", "low", "high"]].assign(
        seeds=[
            f"holds in {row['holds']}, opposite in {row['opposite']} of {row['n']}" for row in rows.to_dict("records")
        ]
    )
    yield formats.markdown(formats.text_table(shown), numeric_columns(shown)).rstrip("\n")


def table(study: Study) -> pd.DataFrame:
    """Return the verdicts of a study, and in how many of the n seeds each claim `holds`, and is `opposite`."""
    values = (contrasts(claim, study.planned, study.frames).values for claim in study.claims)
    signs = [sides(claim, value) for claim, value in zip(study.claims, values, strict=True)]
    return verdicts(study.claims, study.planned, study.frames, study.looks).assign(
        holds=[int((sign > 0).sum()) for sign in signs], opposite=[int((sign < 0).sum()) for sign in signs]
    )


def sides(claim: Claim, values: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Return on which side of a claim's bound each value is: 1 on the claimed side, -1 on the other, 0 on the bound."""
    if claim.relation == "within":
        return np.sign(claim.bound - np.abs(values))
    return np.sign(values - claim.bound) * (1 if claim.relation == ">" else -1)
