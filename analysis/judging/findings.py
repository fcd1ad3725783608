"""Verdicts on the claims of studies as Markdown, written from the records."""

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis import formats
from analysis.claims import Claim
from analysis.judging.contrasts import contrasts
from analysis.judging.power import MOST_SEEDS
from analysis.judging.verdicts import INCONCLUSIVE, REFUTED, SUPPORTED, TOO_FEW_TRAINED, verdicts
from analysis.pages.page import numeric_columns
from analysis.study import StudyRecords, read
from resnet_core.errors import UserError
from resnet_core.runs.description import counted
from resnet_core.runs.records.frames import TAKEN_FROM
from resnet_core.runs.records.plan import Figure

SURROUNDINGS = ["accelerators", "processor", "tensorflow", "keras"]
VERDICTS = (SUPPORTED, REFUTED, INCONCLUSIVE)
OURS = "ours"
"""How the source of a study starts whose claims are not published ones."""
ABOUT = """The effect is the mean of the claimed difference over the seeds with which every arm trained. Its interval
decides the verdict: it is corrected for the number of claims of the study and for the looks at it. A claim holds in a
seed if the difference is on the claimed side of the bound, and is opposite if it is on the other side. Needed is what
would decide the claim: the number of seeds that would show an effect of this size with a probability of 80 %, or
another training if fewer than two seeds have trained."""


def folders_of(root: Path) -> list[Path]:
    """Return the folders of all studies in a folder or below it, without the trials of learning rates.

    Raises:
        UserError: The folder contains no study.
    """
    folders = [file.parent for file in sorted(root.rglob("study.json")) if "learning_rates" not in file.parts]
    if not folders:
        raise UserError(
            f"findings need a folder with studies, but {root} has no study.json in it; resnet-ablate run makes one"
        )
    return folders


def findings(root: Path, published: Mapping[str, Sequence[Figure]] | None = None, seen_from: Path | None = None) -> str:
    """Return the verdicts on the claims of all studies in a folder, and the number of verdicts of each kind.

    Args:
        root: Folder of a study, or a folder that contains studies.
        published: Published figures by the name of the study that reproduces them.
        seen_from: Folder that links to reports are relative to. `None` means the current folder.

    Raises:
        UserError: The folder contains no study, or one cannot be read.
    """
    studies = {folder: read(folder) for folder in folders_of(root)}
    tables = {folder: table(study) for folder, study in studies.items() if study.claims}
    if not tables:
        return f"# Findings\n\nStudies: {len(studies)}. Claims: 0.\n"
    every = [row for rows in tables.values() for row in rows.to_dict("records")]
    numbers = Counter(str(row["verdict"]) for row in every)
    counts = ", ".join(f"{numbers[verdict]} {verdict}" for verdict in VERDICTS)
    opposite = sum(row["verdict"] == INCONCLUSIVE and 2 * row["opposite"] > row["n"] for row in every)
    summary = (
        f"Studies: {len(tables)}. Claims: {len(every)}, {counts}; "
        f"of the inconclusive ones, {opposite} are opposite in most seeds."
    )
    judged = {folder: studies[folder] for folder in tables}
    contents = [
        *overview(judged, tables, seen_from or Path()),
        *refuted(judged, tables),
        *new_claims(judged, tables),
    ]
    figures = published or {}
    sections = (
        section(folder, studies[folder], rows, figures.get(studies[folder].plan.name, ()))
        for folder, rows in tables.items()
    )
    lines = ["# Findings", "", summary, "", *contents, "", ABOUT, *(line for lines in sections for line in lines)]
    return "\n".join(lines) + "\n"


def overview(studies: Mapping[Path, StudyRecords], tables: Mapping[Path, pd.DataFrame], seen_from: Path) -> list[str]:
    """Return the lines of a table with one row for each study: verdicts, wall time of the runs that it trained, and the
    report.
    """
    rows = []
    for folder, study in studies.items():
        counts = Counter(tables[folder]["verdict"])
        report = Path(os.path.relpath(folder / "report", seen_from))
        page = report / ("report.html" if (folder / "report" / "report.html").exists() else "tables")
        rows.append({
            "study": f"[{heading(folder, study)}](#{anchor(heading(folder, study))})",
            "source": study.plan.source,
            **{verdict: counts[verdict] for verdict in VERDICTS},
            "runs": len(study.planned),
            "hours": f"{trained_seconds(study.runs) / 3600:.2f}",
            "report": f"[{page.name}]({page.as_posix()})",
        })  # fmt: skip
    shown = pd.DataFrame(rows)
    return formats.markdown(shown.astype(str), numeric_columns(shown)).rstrip("\n").split("\n")


def trained_seconds(runs: pd.DataFrame) -> float:
    """Return the wall time of the runs that a study trained itself, so that no time is counted in two studies."""
    return float(runs.loc[runs[TAKEN_FROM].isna() if TAKEN_FROM in runs else slice(None), "seconds"].sum())


def refuted(studies: Mapping[Path, StudyRecords], tables: Mapping[Path, pd.DataFrame]) -> list[str]:
    """Return the lines of a table of the refuted claims, with one row for each; no lines if no claim is refuted."""
    rows = of_all(studies, tables)
    return claims_table("Refuted:", rows[rows["verdict"] == REFUTED], ["study", "source of the claim"])


def new_claims(studies: Mapping[Path, StudyRecords], tables: Mapping[Path, pd.DataFrame]) -> list[str]:
    """Return the lines of a table of the decided claims whose source is this project; no lines if there are none."""
    rows = of_all(studies, tables)
    kept = rows["source of the claim"].str.startswith(OURS) & (rows["verdict"] != INCONCLUSIVE)
    return claims_table("Decided claims of our own:", rows[kept], ["study", "verdict"])


def of_all(studies: Mapping[Path, StudyRecords], tables: Mapping[Path, pd.DataFrame]) -> pd.DataFrame:
    """Return the verdicts on all claims, each with the heading of its study and the source of the claim."""
    return pd.concat([
        tables[folder].assign(**{"study": heading(folder, study), "source of the claim": study.plan.source})
        for folder, study in studies.items()
    ])  # fmt: skip


def claims_table(title: str, rows: pd.DataFrame, columns: list[str]) -> list[str]:
    """Return the lines of a table below a title: columns, claim and effect; no lines if there is no row."""
    if rows.empty:
        return []
    shown = rows[[*columns, "claim", "effect", "low", "high"]].reset_index(drop=True)
    links = [f"[{name}](#{anchor(name)})" for name in shown["study"]]
    text = formats.text_table(shown).assign(study=links)
    return ["", title, "", *formats.markdown(text, numeric_columns(shown)).rstrip("\n").split("\n")]


def heading(folder: Path, study: StudyRecords) -> str:
    """Return the heading of the section of a study."""
    return f"{folder.name}, {study.plan.base.get('scale', '')}".removesuffix(", ")


def anchor(words: str) -> str:
    """Return the anchor of a heading, as GitHub generates it."""
    return re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")


def section(folder: Path, study: StudyRecords, rows: pd.DataFrame, published: Sequence[Figure] = ()) -> Iterator[str]:
    """Yield the lines of one study."""
    data = ", ".join(sorted(map(str, study.runs["train.data"].unique())))
    trained = int(study.runs["status"].eq("completed").sum())
    yield from ("", f"## {heading(folder, study)}", "")
    source = f"Source: {study.plan.source}. " if study.plan.source else ""
    yield (
        f"{study.plan.question} {source}On {data}{budget(study)}; {trained} of {len(study.planned)} runs trained"
        f"{machine(study.runs)}."
    )
    yield ""
    shown = rows[["verdict", "claim", "effect", "low", "high"]].assign(
        seeds=[
            f"holds in {row['holds']}, opposite in {row['opposite']} of {row['n']}" for row in rows.to_dict("records")
        ],
        needed=[needed(row) for row in rows.to_dict("records")],
    )
    yield formats.markdown(formats.text_table(shown), numeric_columns(shown)).rstrip("\n")
    if published:
        yield from ("", "Published, at the scale of the paper:", "", *map(figure_words, published))


def needed(row: Mapping[Any, Any]) -> str:
    """Return what would decide a claim; an empty text if it is decided."""
    if row["verdict"] != INCONCLUSIVE:
        return ""
    if TOO_FEW_TRAINED in row["note"]:
        return "another training"
    if row["n"] < 2:
        return "2 seeds or more"
    return f"over {MOST_SEEDS:,} seeds" if pd.isna(row["needed"]) else f"{row['needed']:.0f} seeds"


def budget(study: StudyRecords) -> str:
    """Return `, for 400 steps` if all runs of a study train equally long, else an empty text."""
    for unit in ("epoch", "step"):
        count = study.plan.base.get(f"train.{unit}s")
        if isinstance(count, int) and count > 0:
            return f", for {counted(count, unit)}"
    return ""


def machine(runs: pd.DataFrame) -> str:
    """Return `, on DEVICE, with VERSIONS` of the runs of a study: the accelerator, or else the processor."""
    known = runs.reindex(columns=[f"environment.{name}" for name in SURROUNDINGS]).set_axis(SURROUNDINGS, axis=1)
    known = known.astype(object).fillna("")
    devices = known["accelerators"].where(known["accelerators"].ne(""), known["processor"]).value_counts()
    devices = devices[devices.index != ""]
    names = list(devices.index)
    if len(devices) > 1:
        names = [f"{name} ({counted(number, 'run')})" for name, number in devices.items()]
    libraries = {"TensorFlow": known["tensorflow"], "Keras": known["keras"]}
    versions = [
        f"{library} {', '.join(sorted(filter(None, set(values))))}"
        for library, values in libraries.items()
        if any(values)
    ]
    return (f", on {' and '.join(names)}" if names else "") + (f", with {' and '.join(versions)}" if versions else "")


def figure_words(figure: Figure) -> str:
    """Return a list item with a published figure of an arm."""
    arm = ", ".join(f"{name}={level}" for name, level in figure["arm"].items())
    value = "failed to train" if figure.get("failed") else formats.text(figure["value"])
    count = f" of {figure['runs']} runs" if figure.get("runs") else ""
    statistic = f", {figure['statistic']}{count}" if figure.get("statistic") else ""
    return "- " + formats.marked(f"{figure['measure']} of {arm}: {value} ({figure['source']}{statistic})")


def table(study: StudyRecords) -> pd.DataFrame:
    """Return the verdicts of a study, with the number of seeds in which each claim `holds`, and is `opposite`."""
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
