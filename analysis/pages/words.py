"""Headings and meanings of the columns of a page's tables."""

from collections.abc import Mapping

import pandas as pd

from analysis.formats import heading

HEADS: Mapping[str, tuple[str, str]] = {
    "n": ("seeds done", "Seeds with a value: every arm of the row trained with these."),
    "N": ("planned", "Seeds that were planned."),
    "n / N": ("seeds done / planned", "Seeds with a value, of how many that were planned."),
    "failed": ("failed", "Runs whose training failed: it diverged, or nothing was learnt. They are in no mean."),
    "diverged": ("diverged", "Runs whose loss became infinite or no number; they count as failed."),
    "lost": ("no result", "Runs that crashed, were killed, ran out of memory or time, or have not run yet."),
    "d": ("effect size", "Distance of the effect from its bound, in standard deviations over the seeds (Cohen's d)."),
    "above": ("P(higher)", "Probability that a run of the level has the higher value; 0.5 is no difference."),
    "p": ("p", "Of Student's t-test: how often a difference as large is seen where there is none."),
    "p_corrected": ("p, corrected", "The p-value after Holm's correction for the number of rows."),
    "p corrected": ("p, corrected", "The p-value after the corrections for the number of claims and of looks."),
    "p_flip": ("p, sign flips", "Of a test that assumes no distribution: the signs of the differences are flipped."),
    "p_flip_corrected": ("p, sign flips, corrected", "The same after Holm's correction for the number of rows."),
    "effect": ("effect [interval]", "Mean difference over the seeds, and between which values it is likely to be."),
    "bound": ("claimed", "The side of which bound is claimed, or within which margin around 0."),
    "failures": ("training failed in", "Runs of each arm whose training failed, with an exact 95 % interval."),
    "parameters": ("parameters", "Trainable numbers of the network; beside a claim, of its first arm over its second."),
    "macs": ("MACs", "Multiply-accumulates: multiplications of one forward pass of one image."),
    "MACs": ("MACs", "Multiply-accumulates of the first arm of the claim over those of its second."),
    "iqm": ("middle half", "Mean without the lowest and the highest quarter of the seeds."),
    "bootstrap": ("bootstrap [interval]", "Interval from resampling the seeds, which assumes no distribution."),
    "slope": ("per doubling", "Change of the measure as the number of layers doubles."),
    "needed": ("seeds needed", "Seeds that would show an effect of this size in 80 % of repetitions."),
    "ratio": ("near input / near output", "Above 1 the gradient is larger near the input than near the output."),
    "verdict": ("verdict", "Supported, refuted or inconclusive, at 5 % for all claims and looks together."),
    "level": ("level", "What is compared with the reference."),
    "reference": ("reference", "What it is compared with: the level that most arms have, or the first."),
    "at": ("at", "Levels of the other factors, which are the same on both sides."),
    "share": ("share", "Of the sums of squares of the analysis of variance."),
}  # fmt: skip
"""Of a column, its heading on a page, and what it means."""


def head(column: str) -> tuple[str, str]:
    """Return the heading of a column and what it means; nothing where that is plain."""
    return HEADS.get(column, (heading(column), ""))


def glossary(columns: list[str]) -> pd.DataFrame:
    """Return what the columns mean that are there: `word` and `meaning`."""
    rows = [HEADS[name] for name in dict.fromkeys(columns) if name in HEADS]
    return pd.DataFrame(rows, columns=["word", "meaning"])
