"""The report of a comparison of studies: whether runs with the same id agree, and how much arms differ."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import comparisons, formats, plots, same
from analysis.figures import layout
from analysis.figures.layout import STYLES, Drawn, Style
from analysis.measures import measured
from analysis.pages import summary
from analysis.pages.page import Page, Table
from analysis.pages.report_files import sections_drawn, write_files
from analysis.pages.sections import Part
from analysis.study import StudyRecords
from resnet_core.errors import UserError
from resnet_core.runs.description import counted

PAGE = "compare.html"
COLUMNS = ("other", "measure", "n_first", "n_second", "difference", "low", "high", "interval")
"""Columns of the table of differences, in addition to the factors."""
MOST_NAMED = 6
"""Most settings that the summary names."""
MEASURES = ("test_error", "train_error", "test_loss", "gradient_decades_at_init")


def tables_of(names: Sequence[str], studies: Sequence[StudyRecords]) -> dict[str, pd.DataFrame]:
    """Return the tables of a comparison of the first study with each of the others.

    Args:
        names: Names of the studies, such as those of their folders.
        studies: Two or more studies.

    Returns:
        `arms`: One row for each arm of each other study: the number of recorded runs in the `first` and in the `other`
        study; how many of them have the `same_id`; how many of those are `identical` up to rounding; and the finding
        in words, `found`, with the settings that differ.
        `differences`: For each measure, what `analysis.comparisons.across` returns, the first study minus the other.
        `settings` and `environment`: The settings and versions that differ between the studies.

    Raises:
        UserError: A study has no factor in common with the first.
    """
    first = studies[0]
    arms, differences = [], []
    for name, other in zip(names[1:], studies[1:], strict=True):
        by = [factor for factor in first.factors if factor in other.factors]
        if not by:
            raise UserError(
                f"studies to compare must have a factor in common, but {names[0]} varies {', '.join(first.factors)} "
                f"and {name} {', '.join(other.factors)}; compare studies of one design"
            )
        difference = comparisons.together(partial(_across, second=other, by=by), {
            measure: _plain(measured(measure, first.planned, first.frames), by).assign(of=measure)
            for measure in MEASURES
        })  # fmt: skip
        differences.append(difference.assign(other=name))
        arms.append(_arms(first, other, by, difference).assign(other=name))
    about = list(zip(names, studies, strict=True))
    return {
        "arms": _with_other(pd.concat(arms, ignore_index=True)),
        "differences": _with_other(pd.concat(differences, ignore_index=True)),
        "settings": same.apart({name: same.fields(study.runs, "net", "train", "probe") for name, study in about}),
        "environment": same.apart({name: same.fields(study.runs, "environment") for name, study in about}),
    }


def _across(data: pd.DataFrame, second: StudyRecords, by: Sequence[str]) -> pd.DataFrame:
    other = _plain(measured(data["of"].iloc[0], second.planned, second.frames), by)
    table = comparisons.across(data, other, by)
    return table[table[["n_first", "n_second"]].sum(axis=1) > 0]


def _plain(data: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the rows with levels as text, so that levels of two studies can be compared."""
    return data.assign(**{factor: data[factor].astype(object).map(str) for factor in by})


def _with_other(table: pd.DataFrame) -> pd.DataFrame:
    return table[["other", *(name for name in table if name != "other")]]


def _arms(first: StudyRecords, other: StudyRecords, by: Sequence[str], differences: pd.DataFrame) -> pd.DataFrame:
    agreeing = same.agreeing(first, other)
    causes = same.causes(first, other, agreeing)
    tables = [_plain(study.runs, by)[["run", *by]] for study in (first, other)]
    counts = [runs.groupby(list(by)).size() for runs in tables]
    joined = tables[0][tables[0]["run"].isin(tables[1]["run"])]
    equal = joined[joined["run"].isin(agreeing)].groupby(list(by)).size()
    table = pd.DataFrame({
        "first": counts[0], "other_runs": counts[1], "same_id": joined.groupby(list(by)).size(), "identical": equal,
    })  # fmt: skip
    order = pd.concat([_plain(study.planned, by)[list(by)] for study in (first, other)]).drop_duplicates()
    table = order.merge(table.fillna(0).astype(int).rename_axis(list(by)).reset_index(), on=list(by))
    apart = differences[(differences["low"] > 0) | (differences["high"] < 0)] if len(differences) else differences
    measures = apart.groupby(list(by))["measure"].agg(", ".join).to_dict() if len(apart) else {}
    keys = [tuple(row) if len(by) > 1 else row[0] for row in table[list(by)].itertuples(index=False)]
    ids = {key: set(rows["run"]) for key, rows in joined.groupby(list(by))}
    table["found"] = [
        _judged_arm(row, measures.get(key, ""), same.words_of(causes, ids.get((key,) if len(by) == 1 else key, set())))
        for row, key in zip(table.to_dict("records"), keys, strict=True)
    ]
    return table.rename(columns={"other_runs": "second"})


def _judged_arm(row: dict[Any, Any], apart: str, causes: str) -> str:
    """Return the finding on an arm in words; `causes` are the settings in which runs with other results differ."""
    if not row["first"] or not row["other_runs"]:
        return "only in the first" if row["first"] else "only in the other"
    if row["identical"] == row["first"] == row["other_runs"]:
        return "identical"
    if row["identical"] < row["same_id"]:
        return f"{row['same_id'] - row['identical']} runs of the same id have other results: {causes}"
    if row["identical"] == min(row["first"], row["other_runs"]):
        return "identical where both have a run"
    return f"intervals without 0: {apart}" if apart else "no interval of a difference is without 0"


def _drawn(differences: pd.DataFrame, style: Style) -> Drawn | None:
    """Draw the differences of the first measure, one line for each arm."""
    rows = differences[differences["difference"].notna()]
    if rows.empty:
        return None
    measure = rows["measure"].iloc[0]
    rows = rows[rows["measure"] == measure].head(layout.MOST_ROWS)
    factors = [name for name in rows if name not in COLUMNS]
    names = [" ".join(f"{factor}={row[factor]}" for factor in factors) for row in rows.to_dict("records")]
    figure, axes = layout.panels(1, 1, style, height=0.9 + 0.26 * len(rows))
    plots.forest(rows.assign(label=names), x="difference", hue="other", legend=False, ax=axes[0][0])
    axes[0][0].set_xlabel(f"difference of {plots.words(measure)}, first study minus the other")
    layout.legend_below(figure, axes[0][0])
    text = "; ".join(
        f"{name}: {formats.text(row['difference'])}" for name, row in zip(names, rows.to_dict("records"), strict=True)
    )
    return Drawn(
        "differences", "Differences", figure,
        f"A forest plot of the difference of the {plots.words(measure)} between the studies, a line for each arm. "
        f"{text}.",
        "The point is the difference of the means, and the bar is its 95 % interval: by Student's t, paired by seed, "
        "if both studies have the same seeds, else by Welch's.",
    )  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """The input of the sections of a comparison: the studies, their names, the tables, and the layout of figures."""

    names: Sequence[str]
    studies: Sequence[StudyRecords]
    by_name: Mapping[str, pd.DataFrame]
    style: Style


def arms(report: Compared) -> Iterator[Part]:
    """Arms with the same results, and differences between the means of the others."""
    by_name = report.by_name
    drawn = _drawn(by_name["differences"], report.style)
    yield Part("Arms", [drawn] if drawn else [], [
        Table("arms", "Agreement of each arm.", by_name["arms"],
              "First, second: number of recorded runs in the first study and in the other. Same id: number of runs "
              "that both have. Identical: number of these that agree in all results, epochs and probes. Numbers agree "
              f"if their relative difference is below {same.ROUNDING:g}, which is rounding."),
        Table("differences", "Differences of the means, first study minus the other.", by_name["differences"],
              "The 95 % intervals are by Student's t, paired by seed, if both studies have the same seeds, else by "
              "Welch's. They are not corrected for their number.", folded=True),
    ])  # fmt: skip


def provenance(report: Compared) -> Iterator[Part]:
    """Commands, settings and versions, where they differ."""
    lines = [
        f"{name}: {command}"
        for name, study in zip(report.names, report.studies, strict=True)
        for command in study.plan.commands
    ]
    yield Part("How they were made", lines=lines, tables=[
        Table("settings", "Settings that differ.", report.by_name["settings"]),
        Table("environment", "Versions and hardware that differ.", report.by_name["environment"]),
    ])  # fmt: skip


def summary_of(names: Sequence[str], by_name: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the sentences on a comparison of studies; `names` are those of the studies, the first one first."""
    arms, differences, settings = by_name["arms"], by_name["differences"], by_name["settings"]
    both = arms[(arms["first"] > 0) & (arms["second"] > 0)]
    same_id, identical = int(arms["same_id"].sum()), int(arms["identical"].sum())
    known = differences[differences["low"].notna()] if len(differences) else differences
    apart = int(((known["low"] > 0) | (known["high"] < 0)).sum()) if len(known) else 0
    fields = ", ".join(map(str, settings["setting"].head(MOST_NAMED))) if len(settings) else ""
    more = f" and {len(settings) - MOST_NAMED} more" if len(settings) > MOST_NAMED else ""
    return summary.box(
        "Where do the studies differ?",
        f"{', '.join(names[1:])} compared with {names[0]}; {counted(len(both), 'arm')} with runs in both.",
        [
            f"of {counted(same_id, 'run')} with the same id, {identical} have the same results" if same_id
            else "no run has the same id in both",
            f"of {counted(len(known), 'difference')} between means, {apart} have an interval without 0" if len(known)
            else "no difference has an interval, which takes two seeds in both studies",
            f"settings that differ: {fields}{more}" if fields else "no setting differs",
        ],
    )  # fmt: skip


def write(
    names: Sequence[str], studies: Sequence[StudyRecords], out: Path, style: Style = STYLES["screen"]
) -> tuple[Path, dict[str, pd.DataFrame]]:
    """Write a comparison into `out`: `compare.html`, and its figure and tables as files.

    Returns:
        Path of the page, and the tables by name.
    """
    by_name = tables_of(names, studies)
    compared = Compared(names, studies, by_name, style)
    sections, images = sections_drawn([arms, provenance], compared, style)
    about = [f"First: {names[0]}. Compared with it: {', '.join(names[1:])}."]
    page = Page(
        " and ".join(dict.fromkeys(study.plan.name for study in studies)),
        "Where do the studies differ?",
        about,
        sections,
        summary_of(names, by_name),
    )
    write_files(out, PAGE, page, images, by_name)
    return out / PAGE, by_name
