"""The box at the top of each page: what was asked, what was done, what was found and what is open, from its numbers."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.figures.drawing import words as words_of
from analysis.formats import text
from analysis.judging.verdicts import TOO_FEW_TRAINED
from analysis.labels import level_name
from analysis.measures import find
from analysis.study import INACTIVE, StudyRecords
from resnet_core.runs.description import counted
from resnet_core.runs.records.outcomes import COMPLETED, FAILURES

Tables = Mapping[str, pd.DataFrame]
RESULTS = ("test_error", "val_error", "train_error")
MOST_LEVELS = 8


def of_study(study: StudyRecords, by_name: Tables) -> list[str]:
    """Return the sentences on a study."""
    varied = [name for name in study.factors if study.planned[name].nunique() > 1]
    lowest = best_arm(by_name["summary"], RESULTS, varied, study.plan.words)
    missing = len(study.planned) - len(study.runs)
    return box(study.plan.question, done(study), [counts(by_name["verdicts"]), lowest], [
        f"the same command runs the {counted(missing, 'run')} without a record" if missing else "",
        open_claims(by_name["verdicts"]),
    ])  # fmt: skip


def done(study: StudyRecords) -> str:
    """Return a sentence with the numbers of arms, seeds and completed runs, and the data."""
    planned, status = study.planned, study.runs["status"]
    arms = planned.groupby(study.factors, observed=True, dropna=False).ngroups if study.factors else 1
    levels = [
        f"{name}: {', '.join(_names(planned[name].unique(), study.plan.words.get(name, {})))}"
        for name in study.factors
        if 1 < planned[name].nunique() <= MOST_LEVELS
    ]
    data = " and ".join(map(str, study.runs["train.data"].unique())) if "train.data" in study.runs else "unknown data"
    seeds, completed = planned["seed"].nunique(), int((status == COMPLETED).sum())
    failed = int(status.isin(FAILURES).sum())
    varied = f" ({'; '.join(levels)})" if levels else ""
    return (
        f"{counted(arms, 'arm')}{varied} trained on {data} with {counted(seeds, 'seed')} each; {completed} of "
        f"{len(planned)} runs completed{f', and training failed in {failed}' if failed else ''}."
    )


def counts(verdicts: pd.DataFrame) -> str:
    """Return a text with the number of claims by verdict; an empty text without claims."""
    if verdicts.empty:
        return ""
    numbers = [f"{(verdicts['verdict'] == name).sum()} {name}" for name in ("supported", "refuted", "inconclusive")]
    return f"of {counted(len(verdicts), 'claim')}, {', '.join(numbers)}"


def open_claims(verdicts: pd.DataFrame) -> str:
    """Return a text on the seeds that inconclusive claims need, and on claims whose arms did not train."""
    if verdicts.empty:
        return ""
    texts, needed = [], verdicts["needed"].dropna()
    if len(needed):
        seeds = f"{needed.min():.0f}" if needed.min() == needed.max() else f"{needed.min():.0f} to {needed.max():.0f}"
        effect = "an effect" if len(needed) == 1 else "effects"
        texts.append(f"about {seeds} seeds would show {effect} of the size seen in "
                     f"{counted(len(needed), 'inconclusive claim')}")  # fmt: skip
    failed = int(verdicts["note"].str.contains(TOO_FEW_TRAINED, regex=False).sum())
    if failed:
        claims = counted(failed, "claim")
        texts.append(f"training failed too often to judge {claims}, so train longer or at other learning rates")
    return "; ".join(texts)


def box(asked: str, action: str, results: Iterable[str], steps: Iterable[str] = ()) -> list[str]:
    """Return the sentences of the box; empty texts are left out.

    Args:
        asked: The question, a sentence.
        action: The runs that were made or read, a sentence.
        results: The results, without a full stop.
        steps: The next steps, without a full stop.
    """
    result, following = "; ".join(filter(None, results)), "; ".join(filter(None, steps))
    sentences = [f"Asked: {asked}", f"Done: {action}", f"Found: {result or 'nothing has a value yet'}."]
    return [*sentences, *([f"Next: {following}."] if following else [])]


def _names(levels: Iterable[object], words: Mapping[str, str]) -> list[str]:
    return [words.get(str(level), str(level)).partition(":")[0].strip() for level in levels]


def best_arm(
    summarised: pd.DataFrame, measures: Iterable[str], factors: Sequence[str], words: Mapping[str, Mapping[str, str]]
) -> str:  # fmt: skip
    """Return a text with the best arm by the first of the measures that has a value and a better side.

    Args:
        summarised: What `analysis.tables.summaries` returns.
        measures: Names of measures.
        factors: Factors that name an arm.
        words: Names of levels, see `Plan.words`.
    """
    for name in measures:
        known = find(name)
        rows = [row for row in summarised.to_dict("records") if row["measure"] == name and not np.isnan(row["mean"])]
        if rows and known and known.worse:
            row = min(rows, key=lambda row: known.worse * float(row["mean"]))
            levels = ((factor, row[factor]) for factor in factors if str(row[factor]) != INACTIVE)
            arm = ", ".join(level_name(factor, level, words) for factor, level in levels) or "the only arm"
            interval = "" if np.isnan(row["low"]) else f" [{text(row['low'])}, {text(row['high'])}]"
            side = "lowest" if known.worse > 0 else "highest"
            return (
                f"{arm} has the {side} mean {words_of(name)}, {text(row['mean'])}{interval}, over "
                f"{row['n']} of {row['N']} seeds"
            )
    return ""
