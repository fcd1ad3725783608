"""Texts that a page shows below its tables of verdicts and outcomes."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.blocks import about
from analysis.formats import text
from analysis.judging.power import detectable
from resnet_core.runs.records.outcomes import FAILURES, RULE

VERDICTS = (
    "A claim is judged in two parts: how often training fails in its arms, by exact tests, and the measure over the n "
    "of N seeds with which all of its arms trained. Effect: mean of the claimed difference over these seeds. Its "
    "interval is the one that decides the verdict, corrected for the number of claims by Holm's method and for the "
    "looks at the study. Effect size: distance of the effect from the bound, or from the nearer end of a margin, in "
    "standard deviations over the seeds. Supported: the interval is entirely on the claimed side and failures do not "
    "contradict it, or training fails so often on the other side that no two seeds can be compared. Refuted: the "
    "interval or the failures are on the other side. Opposite: the sign of the difference is the opposite of the "
    "claimed one. A verdict does not account for outcomes that no seed has shown, such as a collapse that did not "
    "happen."
)
SHORT = (
    "Supported: the interval is entirely on the claimed side of the bound. Refuted: it is entirely on the other side. "
    "Inconclusive: neither. The interval is the one that decides the verdict; the section How to read this explains "
    "how it is computed."
)
CALIBRATION = (
    "Simulated with the contrast at its bound. False: how often a claim was decided. Coverage: how often the nominal "
    "95 % interval contained the true value. Power: how often an effect was found that Student's t finds in 80 % of "
    "studies with normal errors. The columns false t, coverage t and power t are those of the t-test alone. Lognormal: "
    "sigma 1. Fails, collapses: with this probability, in A alone or in all arms. The file benchmarks/verdicts.md has "
    "all results."
)
NEEDED = r"(; )?about \d+ seeds would show an effect of this size"
"""Pattern of the part of a note that the page also shows below the verdict."""
MOST_LOST = 6
"""Most lost runs that are named below a claim."""
OUTCOMES = (
    f"{RULE} Failed rate: share of the runs that diverged or failed to train among these and the completed runs, with "
    "its exact 95 % interval (Clopper and Pearson)."
)


def claims(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the verdicts as a page shows them, with remarks below each claim."""
    if rows.empty:
        return rows
    texts = ["\n".join(filter(None, _lines(row))) for row in rows.to_dict("records")]
    verdicts = rows["verdict"].where(rows["direction"].eq(""), rows["verdict"] + ", " + rows["direction"])
    return pd.DataFrame({
        "verdict": verdicts, "claim": texts, "effect": rows["effect"], "low": rows["low"], "high": rows["high"],
        "bound": [f"{relation} {bound:g}" for relation, bound in zip(rows["relation"], rows["bound"], strict=True)],
        "d": rows["d"], "n": rows["n"], "N": rows["N"], "failures": rows["failures"].map(failures_shown),
        "p corrected": rows["p_corrected"], "parameters": rows["parameters"], "MACs": rows["macs"],
    })  # fmt: skip


def _lines(row: Mapping[Any, Any]) -> list[str]:
    """Return the lines of a claim: its text, its note, the lost runs, and what would change the verdict."""
    note = re.sub(NEEDED, "", row["note"])
    return [
        row["claim"],
        *(f"{text[:1].upper()}{text[1:]}." for text in (note, _lost(row["lost"])) if text),
        change(row),
    ]


def _lost(runs: str) -> str:
    """Return a text with the runs that have no result; the runs whose training failed are in the note."""
    lost = [run for run in runs.split("; ") if run and not run.endswith(FAILURES)]
    more = f" and {len(lost) - MOST_LOST} more" if len(lost) > MOST_LOST else ""
    return f"runs without a result: {'; '.join(lost[:MOST_LOST])}{more}" if lost else ""


def change(row: Mapping[Any, Any]) -> str:
    """Return what would change a verdict: the number of seeds, or the smallest effect that these seeds can show."""
    n, level, d = int(row["n"]), 1 - float(row["level"]), abs(float(row["d"]))
    if not np.isnan(row["needed"]):
        return (
            f"What would change this: about {row['needed']:.0f} seeds instead of {n} would show an effect of this size."
        )
    if row["verdict"] == "inconclusive" or n < 2 or not d > 0 or not 0 < level < 1:
        return ""
    effect, bound = float(row["effect"]), float(row["bound"])
    distance = abs(bound - abs(effect)) if row["relation"] == "within" else abs(effect - bound)
    least = detectable(n, level) * distance / d
    return (
        f"What would change this: {n} seeds can detect an effect that is {text(least)} or more from the bound; this "
        f"effect is {text(distance)} from it."
    )


def failures_shown(words: str) -> str:
    """Return a text: in how many runs of each arm training failed."""
    counts = [(int(failed), int(ended)) for failed, ended in re.findall(r"(\d+) of (\d+)(?: \(|,|$)", words)]
    return f"none of {sum(ended for _, ended in counts)}" if counts and not any(k for k, _ in counts) else words


def blocks(card: pd.DataFrame) -> str:
    """Return the caption of the block card."""
    return (
        f"{about(card)}. Mean over n seeds with its 95 % interval by Student's t. Parameters and MACs are those of the "
        "block. The caption of each figure says on which images its probe was measured."
    )
