"""The arms and seeds of a claim as arrays, which `decisions` judges."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.claims import Claim
from analysis.judging.decisions import SeedValues, Sentence
from analysis.judging.samples import Array
from analysis.measures import COST, FAILED, bounds, measure, measured
from analysis.statistics import rate_interval
from analysis.tables import matches
from resnet_core.runs.records.frames import Frames
from resnet_core.runs.records.versions import PACKAGES

NO_FACTORS = ("run", "seed", "label", "status", "value", "failed", *COST)


@dataclass(frozen=True)
class Contrasts:
    """A claim's contrast, seed by seed.

    Attributes:
        sentence: The inequality.
        seeds: The runs of one study.
        labels: For each arm, the label of its term.
        planned: Number of planned seeds.
        missing: Number of planned runs without a record.
        lost: Planned runs without a value, with how each ended.
        cost: Ratios of the parameters, and of the multiply-accumulates, of the arms with positive shares to those of
            the arms with negative shares. NaN if the contrast has only one sign.
        mixed: Libraries with several versions among the runs, with the versions; empty if there are none.
    """

    sentence: Sentence
    seeds: SeedValues
    labels: tuple[str, ...]
    planned: int
    missing: int
    lost: tuple[str, ...]
    cost: tuple[float, float]
    mixed: str = ""

    @property
    def values(self) -> Array:
        """The contrast for each seed for which every arm has a value."""
        by_seed = np.einsum("an,a->n", self.seeds.values[0], self.sentence.shares)
        return np.asarray(by_seed[np.isfinite(by_seed)])

    @property
    def failures(self) -> dict[str, tuple[int, int]]:
        """For each term, the number of failed runs, and the number of runs that ended by themselves."""
        counts: dict[str, tuple[int, int]] = {}
        for label, k, n in zip(self.labels, *self._failed_and_ended, strict=True):
            before = counts.get(label, (0, 0))
            counts[label] = before[0] + int(k), before[1] + int(n)
        return counts

    @property
    def failure_rates(self) -> list[float]:
        """For each arm, the share of failed runs among those that ended by themselves; NaN if there are none."""
        failed, ended = self._failed_and_ended
        return [k / n if n else np.nan for k, n in zip(failed.tolist(), ended.tolist(), strict=True)]

    @property
    def _failed_and_ended(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        ended = self.seeds.failed[0] | np.isfinite(self.seeds.values[0])
        return self.seeds.failed[0].sum(axis=1), ended.sum(axis=1)


def contrasts(claim: Claim, planned: pd.DataFrame, frames: Frames) -> Contrasts:
    """Return the contrast of a claim for each seed.

    A run whose training failed has no value of an end measure and counts as a failure. A lost run is unknown: it could
    have any value within the measure's bounds, or have failed.

    Args:
        claim: The claim.
        planned: One row for each planned run: `run`, `seed` and the factors.
        frames: The tables of the study's store.
    """
    runs = measured(claim.measure, _arms(claim, planned), frames)
    arms = runs.drop_duplicates("arm")
    numbers = list(dict.fromkeys(runs["seed"]))
    values = np.full((1, len(arms), len(numbers)), np.nan)
    failed, lost = (np.zeros(values.shape, dtype=bool) for _ in range(2))
    place = 0, runs["arm"].to_numpy(int), runs["seed"].map({seed: i for i, seed in enumerate(numbers)}).to_numpy(int)
    unknown = runs["value"].isna() & runs["status"].ne("missing") & ~runs["failed"]
    values[place] = runs["value"].to_numpy(float)
    failed[place], lost[place] = runs["failed"].to_numpy(bool), unknown.to_numpy(bool)
    named = runs[runs["value"].isna() | (runs["failed"] & (claim.measure == FAILED))]
    words = tuple(dict.fromkeys(f"{row.label} seed={row.seed}: {row.status}" for row in named.itertuples()))
    return Contrasts(
        _sentence(claim, arms["share"].to_numpy(float), frames),
        SeedValues(values, failed, lost),
        tuple(arms["label"]),
        len(numbers),
        int(runs["status"].eq("missing").sum()),
        words,
        (_over(runs, "parameters"), _over(runs, "macs")),
        mixed_versions(frames.runs, set(runs["run"])),
    )


def mixed_versions(recorded: pd.DataFrame, runs: set[str]) -> str:
    """Return the libraries with several versions among these runs, with the number of runs for each version."""
    words = []
    for package in PACKAGES:
        if f"environment.{package}" not in recorded:
            continue
        known = recorded.loc[recorded["run"].isin(runs), f"environment.{package}"].dropna().astype(str)
        counts = known.value_counts().sort_index()
        if len(counts) > 1:
            words.append(f"{package} {', '.join(f'{number} ({count})' for number, count in counts.items())}")
    return "; ".join(words)


def _sentence(claim: Claim, shares: Array, frames: Frames) -> Sentence:
    known = measure(claim.measure)
    low, high = bounds(claim.measure)
    column = f"{known.images}_images"
    images = np.inf
    if known.images in ("val", "test") and column in frames.runs and frames.runs[column].notna().any():
        images = float(frames.runs[column].min())
    worse = known.worse if known.when == "end" else 0
    return Sentence(shares, claim.relation, claim.bound, worse, low, high, images, claim.measure == FAILED)


def _arms(claim: Claim, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the planned runs of each term: `run`, `seed`, `label`, `arm` (from 0) and the arm's `share`."""
    parts, number = [], 0
    factors = [name for name in planned if name not in NO_FACTORS]
    for term in claim.terms:
        runs = planned[matches(planned, term.levels)]
        same = runs.groupby([*factors, "seed"], observed=True, dropna=False).cumcount()  # runs that differ in no factor
        keys = [*(runs[name] for name in factors), same]
        arm = runs.groupby(keys, observed=True, dropna=False, sort=False).ngroup() + number
        count = arm.nunique()
        number += count
        parts.append(
            runs[["run", "seed"]].assign(label=str(term), arm=arm, share=term.factor / count if count else np.nan)
        )
    return pd.concat(parts, ignore_index=True).sort_values("arm", kind="stable", ignore_index=True)


def _over(runs: pd.DataFrame, column: str) -> float:
    """Return the ratio of the weighted means of `column` over the arms with positive and with negative shares."""
    known = runs[runs[column].notna()]
    sides = (known[known["share"] > 0], known[known["share"] < 0])
    if any(side.empty for side in sides):
        return np.nan
    above, below = (np.average(side[column].astype(float), weights=side["share"].abs()) for side in sides)
    return float(above / below)


def first_seeds(planned: pd.DataFrame, seeds: int) -> pd.DataFrame:
    """Return the planned runs of the first `seeds` seeds."""
    kept: npt.NDArray[np.object_] = np.sort(planned["seed"].unique())[:seeds]
    return planned[planned["seed"].isin(kept)]


def failure_words(arms: Contrasts) -> str:
    """Return a text: the number of failures in each arm, with the exact 95 % interval of the rate."""
    words = []
    for label, (k, n) in arms.failures.items():
        low, high = rate_interval(k, n)
        words.append(f"{label} {k} of {n} ({100 * low:.0f} to {100 * high:.0f} %)" if n else f"{label} 0 of 0")
    return ", ".join(words)
