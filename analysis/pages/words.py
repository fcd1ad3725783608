"""Headings and meanings of the columns of a page's tables."""

from collections.abc import Mapping

import pandas as pd

from analysis.formats import heading

HEADS: Mapping[str, tuple[str, str]] = {
    "n": ("seeds done", "Number of seeds with which every arm of the row trained."),
    "N": ("planned", "Number of planned seeds."),
    "n / N": ("seeds done / planned", "Number of seeds with a value, and number of planned seeds."),
    "failed": (
        "failed",
        "Number of runs whose training failed: the loss diverged, or nothing was learnt. No mean includes them.",
    ),
    "diverged": ("diverged", "Number of runs whose loss became infinite or NaN. They count as failed."),
    "lost": ("no result", "Number of runs that crashed, were killed, ran out of memory or time, or have not run yet."),
    "d": ("effect size", "Distance of the effect from its bound, in standard deviations over the seeds (Cohen's d)."),
    "above": ("P(higher)", "Probability that a run of the level has the higher value; 0.5 is no difference."),
    "p": ("p", "p-value of Student's t-test: how often a difference at least as large occurs if there is none."),
    "p_corrected": ("p, corrected", "p-value after Holm's correction for the number of rows."),
    "p corrected": ("p, corrected", "p-value after the corrections for the number of claims and of looks."),
    "p_flip": (
        "p, sign flips",
        "p-value of a test that flips the signs of the differences and assumes no distribution.",
    ),
    "p_flip_corrected": (
        "p, sign flips, corrected",
        "p-value by sign flips after Holm's correction for the number of rows.",
    ),
    "effect": ("effect [interval]", "Mean difference over the seeds, with its interval."),
    "bound": ("claimed", "The claimed side of a bound, or the claimed margin around 0."),
    "failures": (
        "training failed in",
        "Number of runs of each arm whose training failed, with an exact 95 % interval of the rate.",
    ),
    "parameters": (
        "parameters",
        "Number of trainable parameters. In a verdict: the ratio of the claim's first arm to its second.",
    ),
    "macs": ("MACs", "Multiply-accumulate operations of one forward pass of one image."),
    "MACs": ("MACs", "Ratio of the multiply-accumulate operations of the claim's first arm to those of its second."),
    "iqm": ("middle half", "Mean without the lowest and the highest quarter of the seeds."),
    "bootstrap": ("bootstrap [interval]", "Interval from resampling the seeds; it assumes no distribution."),
    "slope": ("per doubling", "Change of the measure as the number of layers doubles."),
    "needed": ("seeds needed", "Number of seeds that would show an effect of this size in 80 % of repetitions."),
    "ratio": ("near input / near output", "Above 1, the gradient is larger near the input than near the output."),
    "verdict": ("verdict", "Supported, refuted or inconclusive, at 5 % for all claims and looks together."),
    "level": ("level", "The level that is compared with the reference."),
    "reference": ("reference", "The level to compare with: the one that most arms have, or the first."),
    "at": ("at", "Levels of the other factors, which are equal on both sides."),
    "measure": ("measure", "The number that is compared. An error is the share of images that are classified wrongly."),
    "label": ("arm", "One kind of network or training."),
    "rate": ("failed rate", "Share of the runs whose training failed among these and the completed runs."),
    "seconds": ("seconds", "Wall time of a run."),
    "taken_from": ("taken from", "The study that trained the run, if this study took its record from another."),
    "share": ("share", "Share of the sums of squares of the analysis of variance."),
}  # fmt: skip
"""Heading and meaning of each column."""


def head(column: str) -> tuple[str, str]:
    """Return the heading of a column and its meaning; an empty meaning if the heading explains itself."""
    return HEADS.get(column, (heading(column), ""))


def glossary(columns: list[str]) -> pd.DataFrame:
    """Return the headings of these columns and their meanings: `word` and `meaning`."""
    rows = [HEADS[name] for name in dict.fromkeys(columns) if name in HEADS]
    return pd.DataFrame(rows, columns=["word", "meaning"])
