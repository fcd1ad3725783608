"""The report of a study: its tables and its page. The sections of the page are in `study_sections`."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from analysis import blocks, classes, comparisons, tables, variance
from analysis.figures.layout import STYLES, Style
from analysis.judging import calibration
from analysis.judging.verdicts import verdicts
from analysis.measures import measured
from analysis.pages import dataset, summary
from analysis.pages.page import Page
from analysis.pages.report_files import sections_drawn, write_files
from analysis.pages.sections import Reported
from analysis.pages.study_sections import SECTIONS
from analysis.study import StudyRecords, read
from analysis.tuning import expected_table, rates_table
from resnet_core.runs.records.frames import TAKEN_FROM

__all__ = ["read", "tables_of", "write"]

PAGE = "report.html"
SEED = 0
MOST_MEASURES = 4
COMPARED = ("test_error", "train_error", "val_error", "test_loss", "gradient_decades_at_init")
"""Measures by which arms are compared, after the measures of the claims."""


def tables_of(study: StudyRecords) -> dict[str, pd.DataFrame]:
    """Return the tables of the report by name, with every digit. A table without data has no rows."""
    planned, frames, factors, runs = study.planned, study.frames, study.factors, study.runs
    values = tables.values(planned, frames, [claim.measure for claim in study.claims])
    compared = compared_by(study, values)
    summarised = tables.summaries(values, factors, SEED)
    results = [name for name in tables.RESULTS if name in runs]
    taken_from = [TAKEN_FROM] if TAKEN_FROM in runs else []
    listed = ["run", *factors, "seed", "status", "step", *results, "seconds", *taken_from, "message"]
    everywhere = measured("train_accuracy", planned, frames)
    tuning = study.plan.tuning
    tuned = {"tuning": rates_table(tuning), "tuning_by_trials": expected_table(tuning)} if tuning else {}
    card = blocks.block_card(study.probed, runs)
    tuned |= {"blocks": card} if len(card) else {}
    tuned |= classes.tables_of(study.probed, study.plan.data.class_names if study.plan.data else ())
    return tuned | {
        "verdicts": verdicts(study.claims, planned, frames, study.looks),
        "published": tables.published(planned, frames, study.plan.published),
        "accuracy": tables.accuracy(everywhere, factors, summarised),
        "effects": comparisons.together(partial(comparisons.effects, factors=factors, seed=SEED), compared),
        "variance": comparisons.together(partial(variance.main_effects, factors=factors), compared),
        "trends": comparisons.together(partial(comparisons.trends, by="label"), compared),
        "gradients": tables.gradients(summarised, factors),
        "summary": summarised,
        "outcomes": tables.outcomes(planned, runs, factors),
        "failures": tables.failures(runs, factors),
        "runs": runs[listed],
        "environment": tables.environments(runs),
        "settings": tables.in_common(runs, ("net", "train", "probe")),
        "calibration": calibration.quoted(),
        **dataset.tables_of(study.plan),
    }


def compared_by(study: StudyRecords, values: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the measures by which arms are compared: those of the claims, then the usual ones."""
    names = dict.fromkeys([*(claim.measure for claim in study.claims), *COMPARED])
    return {name: values[name] for name in [name for name in names if name in values][:MOST_MEASURES]}


def write(study: StudyRecords, out: Path, style: Style = STYLES["screen"]) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write a report into `out`: `report.html`, and all its figures and tables as files.

    Returns:
        Path of the page, and the tables by name.
    """
    by_name = tables_of(study)
    sections, images = sections_drawn(list(SECTIONS.values()), Reported(study, by_name, style), style)
    page = Page(study.plan.name, study.plan.question, progress(study), sections, summary.of_study(study, by_name))
    write_files(out, PAGE, page, images, by_name)
    return out / PAGE, by_name


def progress(study: StudyRecords) -> list[str]:
    """Return sentences on the numbers of completed and missing runs."""
    planned, status = len(study.planned), study.runs["status"]
    completed, missing = int((status == "completed").sum()), planned - len(study.runs)
    source = f"Source of the question: {study.plan.source}. " if study.plan.source else ""
    text = f"{source}{completed} of {planned} runs completed."
    counts = status[status != "completed"].value_counts().sort_index()
    text += "".join(f" {count} {str(name).replace('_', ' ')}." for name, count in counts.items())
    if missing:
        text += f" {missing} have no record yet, so this report is of a part of the study."
    damaged = [f"{file.path.name} is no whole record, and is left out: {file.reason}" for file in study.damaged]
    return [*dataset.lead(study.plan, study.runs), text, *damaged]
