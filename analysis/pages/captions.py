"""Texts that a page shows below its tables of verdicts and outcomes."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from analysis.blocks import about
from analysis.formats import text
from analysis.judging.power import detectable
from resnet_core.runs.records.outcomes import RULE

VERDICTS = (
    "A claim has two parts: how often training fails in its arms, by exact tests, and the measure over the n of N"
    " seeds of which every arm trained. Effect: mean of the claimed difference over these, with the interval that"
    " the verdict is made of, corrected for the number of claims by Holm's method and for the looks at the study;"
    " d: its distance from the bound, or inside the nearer end of a margin, in standard deviations over the "
    "seeds. Supported: the interval is wholly on the claim's side, and failures do not contradict it, or training"
    " fails so often on the other side that no two seeds can be compared. Refuted: the interval is on the other "
    "side, or failures are. Opposite: so is the sign of a claimed difference. A state that no seed has shown, as "
    "a collapse that did not happen, is in no verdict."
)
SHORT = (
    "Supported: the interval is wholly on the claimed side of the bound. Refuted: wholly on the other side. "
    "Inconclusive: neither. The interval is the one that the verdict is made of; how it is made is said under How to "
    "read this."
)
CALIBRATION = (
    "Simulated, with the contrast at its bound: how often a claim was decided (false), how often its nominal 95 %"
    " interval held the truth (coverage), and how often an effect was found that Student's t finds in 80 % of "
    "studies with normal errors (power); of t alone in false t, coverage t and power t. Lognormal: sigma 1. "
    "Fails, collapses: with this probability, in A alone or in all arms. All of it is in benchmarks/verdicts.md."
)
NEEDED = r"(; )?some \d+ seeds would show an effect of this size"
"""Pattern of the part of a note that the page also shows below the verdict."""
OUTCOMES = (
    f"{RULE} Failed rate: how many diverged or failed to train, of these and the completed, with its exact 95 % "
    "interval (Clopper and Pearson)."
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
    lost = f"without a result: {row['lost']}" if row["lost"] else ""
    return [row["claim"], re.sub(NEEDED, "", row["note"]), lost, change(row)]


def change(row: Mapping[Any, Any]) -> str:
    """Return what would change a verdict: the number of seeds, or the smallest effect that these seeds can show."""
    n, level, d = int(row["n"]), 1 - float(row["level"]), abs(float(row["d"]))
    if not np.isnan(row["needed"]):
        return (
            f"What would change it: some {row['needed']:.0f} seeds in place of {n} would show an effect of this size."
        )
    if row["verdict"] == "inconclusive" or n < 2 or not d > 0 or not 0 < level < 1:
        return ""
    effect, bound = float(row["effect"]), float(row["bound"])
    distance = abs(bound - abs(effect)) if row["relation"] == "within" else abs(effect - bound)
    least = detectable(n, level) * distance / d
    return (
        f"What would change it: the smallest effect that {n} seeds can detect is {text(least)} from the bound; this "
        f"one is {text(distance)} from it."
    )


def failures_shown(words: str) -> str:
    """Return a text: in how many runs of each arm training failed."""
    counts = [(int(failed), int(ended)) for failed, ended in re.findall(r"(\d+) of (\d+)(?: \(|,|$)", words)]
    return f"none of {sum(ended for _, ended in counts)}" if counts and not any(k for k, _ in counts) else words


def blocks(card: pd.DataFrame) -> str:
    """Return the caption of the block card."""
    return (
        f"{about(card)}. Mean over n seeds, with its 95 % interval of Student's t; parameters and MACs are those of "
        "the block. What a probe was measured on is said below its figure, and in the study's folder."
    )
