"""Texts of a page on itself, written from its verdicts and numbers: three sentences at the top, and how to read it."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from analysis.formats import text
from analysis.judging import calibration
from analysis.pages import captions, words
from analysis.pages.page import Table
from analysis.pages.sections import Part, Reported
from analysis.study import StudyRecords
from resnet_core.runs.description import counted
from resnet_core.runs.records.outcomes import FAILURES

RESULTS = ("test_error", "val_error", "train_error")
HOW = (
    "An arm is one kind of network or training; its runs differ in their seeds alone, and so in their initial weights "
    "and the order of the images. Two arms are compared seed by seed, so that what they have in common cancels.",
    "An interval says between which values a mean is likely to be: of a hundred such studies, some 95 have it within "
    "theirs, as far as the errors are normal. Few seeds have wide intervals, and one seed has none. An interval ends "
    "where the measure does: no error is below 0 or above 1.",
    "A verdict is on one sentence of the study's plan, its claim. Supported: the records show it, at 5 % for "
    "all claims together. Refuted: they show the contrary. Inconclusive: they show neither, which is no sign that "
    "there is no difference; what would change a verdict stands below its claim.",
    "A run whose training failed is never averaged with the others: it is counted apart, in a lane of its own in the "
    "figures, and verdicts count it against its arm. In figures, a click on an arm brings it out everywhere.",
)


def summary(study: StudyRecords, by_name: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return three sentences: on the question, on the runs, and on the results."""
    return [f"Asked: {study.plan.question}", f"Done: {done(study)}", f"Came out: {_came_out(study, by_name)}"]


def done(study: StudyRecords) -> str:
    """Return a sentence with the numbers of arms, seeds and completed runs, and the data."""
    planned, status = study.planned, study.runs["status"]
    arms = planned.groupby(study.factors, observed=True, dropna=False).ngroups if study.factors else 1
    levels = [
        f"{name}: {', '.join(map(str, planned[name].unique()))}"
        for name in study.factors
        if 1 < planned[name].nunique() <= 8
    ]
    data = " and ".join(map(str, study.runs["train.data"].unique())) if "train.data" in study.runs else "unknown data"
    seeds, completed = planned["seed"].nunique(), int((status == "completed").sum())
    failed = int(status.isin(FAILURES).sum())
    text = f" ({'; '.join(levels)})" if levels else ""
    return (
        f"{counted(arms, 'arm')}{text} trained on {data} with {counted(seeds, 'seed')} each; {completed} of "
        f"{len(planned)} runs completed{f', and training failed in {failed}' if failed else ''}."
    )


def _came_out(study: StudyRecords, by_name: Mapping[str, pd.DataFrame]) -> str:
    parts = []
    verdicts = by_name["verdicts"]
    if len(verdicts):
        counts = [f"{(verdicts['verdict'] == name).sum()} {name}" for name in ("supported", "refuted", "inconclusive")]
        parts.append(f"of {counted(len(verdicts), 'claim')}, {', '.join(counts)}")
    best = _least(study, by_name["summary"])
    return "; ".join([*parts, *([best] if best else [])]) + "." if parts or best else "nothing has a value yet."


def _least(study: StudyRecords, summarised: pd.DataFrame) -> str:
    """Return a text with the arm of the lowest mean error, and the interval of that mean."""
    varied = [name for name in study.factors if study.planned[name].nunique() > 1]
    for name in RESULTS:
        rows = [row for row in summarised.to_dict("records") if row["measure"] == name and not np.isnan(row["mean"])]
        if rows:
            row = min(rows, key=lambda row: float(row["mean"]))
            arm = " ".join(f"{factor}={row[factor]}" for factor in varied) or "the one arm"
            interval = "" if np.isnan(row["low"]) else f" [{text(row['low'])}, {text(row['high'])}]"
            return (
                f"the lowest mean {name.replace('_', ' ')} is {text(row['mean'])}{interval}, of {arm}, over "
                f"{row['n']} of {row['N']} seeds"
            )
    return ""


def reading(report: Reported) -> Iterator[Part]:
    """How to read the page: arms, intervals, verdicts and the words of its tables."""
    study = report.study
    tables = []
    arms = arms_table(study)
    if len(arms):
        tables.append(Table("arms", "What the levels are.", arms, suffixes=()))
    columns = [str(name) for table in report.by_name.values() for name in table]
    tables.append(Table("glossary", "The words of the tables.", words.glossary(columns), folded=True, suffixes=()))
    sure = [calibration.sentence(report.seeds)] if report.seeds else []
    verdicts = [captions.VERDICTS, calibration.of_verdicts(report.seeds)] if len(report.by_name["verdicts"]) else []
    yield Part("How to read this", words=[*HOW, *sure, *filter(None, verdicts)], tables=tables)


def arms_table(study: StudyRecords) -> pd.DataFrame:
    """Return the names and descriptions of a study's levels: `factor`, `level`, `name` and `what it is`."""
    rows = [
        (factor, level, *(part.strip() for part in (name, sentence)))
        for factor, levels in study.plan.words.items()
        for level, (name, _, sentence) in ((level, words.partition(":")) for level, words in levels.items())
    ]
    return pd.DataFrame(rows, columns=["factor", "level", "name", "what it is"])
