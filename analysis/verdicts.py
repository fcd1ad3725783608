"""What the records say of each claim: supported, refuted or inconclusive."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.claims import Claim
from analysis.measures import MEASURES, Measure, measured
from analysis.statistics import CONFIDENCE, detectable, differ, holm, needed, t_interval, t_test
from analysis.tables import matches
from resnet_core.runs.frames import Frames

ALPHA = 1 - CONFIDENCE
LOST = ("crashed", "killed", "out_of_memory", "timed_out")
SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Contrasts:
    """A claim's contrast, seed by seed.

    Attributes:
        values: Of the seeds of which every run is known.
        completions: All seeds that were not simply not run, with the runs whose result was lost at the bounds of the
            measure: such that the contrast is lowest, and highest. None if there are such runs and no bounds.
        seeds: How many were planned.
        lost: Every planned run without a result, and those at the worst value since they diverged.
        cost: Parameters, and multiply-accumulates, of the arms above over those below; NaN without both.
    """

    values: Array
    completions: tuple[Array, Array] | None
    seeds: int
    lost: tuple[str, ...]
    cost: tuple[float, float]


def contrasts(claim: Claim, planned: pd.DataFrame, frames: Frames) -> Contrasts:
    """Return the contrast of a claim for each seed.

    A run that diverged counts with the worst value of the measure. One that was lost for a reason outside its spec
    is unknown: it may have had any value within the measure's bounds.

    Args:
        claim: The claim.
        planned: A row a planned run: `run`, `seed` and the factors.
        frames: The tables of the study's store.
    """
    measure = MEASURES[claim.measure]
    runs = measured(claim.measure, _arms(claim, planned), frames)
    named = runs[runs["value"].isna()]
    if measure.worst is not None:
        runs["value"] = runs["value"].mask(runs["failed"], measure.worst)
    unknown = runs["value"].isna() & runs["status"].ne("missing")
    lost = tuple(dict.fromkeys(f"{row.label} seed={row.seed}: {row.status}" for row in named.itertuples()))
    return Contrasts(
        _by_seed(runs),
        _completions(runs, unknown, measure),
        planned.loc[planned["run"].isin(runs["run"]), "seed"].nunique(),
        lost,
        (_over(runs, "parameters"), _over(runs, "macs")),
    )


def _arms(claim: Claim, planned: pd.DataFrame) -> pd.DataFrame:
    """Return the planned runs of each term: `run`, `seed`, `label`, `term` and the run's `share` of the contrast."""
    parts = []
    for i, term in enumerate(claim.terms):
        arms = planned[matches(planned, term.levels)]
        share = term.factor / arms.groupby("seed")["run"].transform("size")
        parts.append(arms[["run", "seed"]].assign(label=str(term), term=i, factor=term.factor, share=share))
    return pd.concat(parts, ignore_index=True)


def _by_seed(runs: pd.DataFrame) -> Array:
    """Return the contrast of each seed, without those of which a run's value is missing."""
    shares = (runs["share"] * runs["value"]).groupby(runs["seed"])
    known = ~runs["value"].isna().groupby(runs["seed"]).any()
    return shares.sum()[known].to_numpy(dtype=np.float64)


def _completions(runs: pd.DataFrame, unknown: "pd.Series[bool]", measure: Measure) -> tuple[Array, Array] | None:
    if not unknown.any():
        return _by_seed(runs), _by_seed(runs)
    if measure.worst is None or measure.best is None:
        return None
    bounds = sorted((measure.best, measure.worst))
    low = np.where(runs["share"] > 0, *bounds)
    high = np.where(runs["share"] > 0, *bounds[::-1])
    ends = (runs.assign(value=runs["value"].mask(unknown, pd.Series(end, runs.index))) for end in (low, high))
    lowest, highest = (_by_seed(end) for end in ends)
    return lowest, highest


def _over(runs: pd.DataFrame, column: str) -> float:
    """Return the mean of `column` over the arms above 0, as they count, over that of those below."""
    known = runs[runs[column].notna()]
    sides = (known[known["share"] > 0], known[known["share"] < 0])
    if any(side.empty for side in sides):
        return np.nan
    above, below = (np.average(side[column].astype(float), weights=side["share"].abs()) for side in sides)
    return float(above / below)


def judge(claim: Claim, values: Array) -> tuple[str, float]:
    """Return what values of a contrast lean to, `supported` or `refuted`, and the two-sided p-value of that.

    At a significance level of 5 %, the p-value is below exactly if the 95 % interval of Student's t lies wholly on
    that side of the bound, or of both bounds of a margin (two one-sided tests, Schuirmann 1987).
    """
    if len(values) < 2 or not differ(values):
        return INCONCLUSIVE, np.nan
    center, bound = values.mean(), claim.bound
    if claim.relation == "within":
        if abs(center) < bound:
            return SUPPORTED, max(t_test(values, bound), t_test(values, -bound))
        return REFUTED, t_test(values, float(np.copysign(bound, center)))
    holds = center > bound if claim.relation == ">" else center < bound
    return SUPPORTED if holds else REFUTED, t_test(values, bound)


def verdicts(claims: Sequence[Claim], planned: pd.DataFrame, frames: Frames) -> pd.DataFrame:
    """Judge claims by the records of a study.

    A verdict is that of the least favourable values that lost runs may have had; if these may turn it around, it is
    inconclusive. The p-values are corrected for the number of claims by Holm's method.

    Returns:
        A row a claim: `claim`; `verdict`; `effect`, the mean of the contrast over the seeds, and its 95 % interval
        of Student's t, `low` to `high`; `relation` and `bound`; `d`, the effect from the bound in standard
        deviations of the contrast over the seeds; `n` of `N` seeds; `p` and `p_corrected`; `parameters` and `macs`
        of the arms above over those below; `lost`, the runs without a result; `note`, what stands in the way.
    """
    rows, leanings = [], []
    for claim in claims:
        found = contrasts(claim, planned, frames)
        leaning, p, note = _lean(claim, found)
        leanings.append(leaning)
        values = found.values
        low, high = t_interval(values)
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
        effect = float(values.mean()) if len(values) else np.nan
        rows.append({
            "claim": claim.text or str(claim), "verdict": "", "measure": claim.measure,
            "effect": effect, "low": low, "high": high, "relation": claim.relation, "bound": claim.bound,
            "d": (effect - (0.0 if claim.relation == "within" else claim.bound)) / spread if spread else np.nan,
            "n": len(values), "N": found.seeds, "p": p, "p_corrected": np.nan,
            "parameters": found.cost[0], "macs": found.cost[1], "lost": "; ".join(found.lost), "note": note,
        })  # fmt: skip
    table = pd.DataFrame(rows)
    if len(table):
        table["p_corrected"] = holm(table["p"].to_numpy(float))
        certain = table["p_corrected"] < ALPHA
        table["verdict"] = pd.Series(leanings).where(certain, INCONCLUSIVE)
        unsure = ~certain & table["note"].eq("")
        table.loc[unsure, "note"] = "the interval contains the bound, or does once corrected"
    return table


def _lean(claim: Claim, found: Contrasts) -> tuple[str, float, str]:
    """Return what a contrast leans to, with what p-value, and why it can lean to nothing."""
    if found.completions is None:
        return INCONCLUSIVE, np.nan, "runs were lost whose measure has no bounds"
    leanings, ps = zip(*(judge(claim, values) for values in found.completions), strict=True)
    if len(found.completions[0]) < 2:
        return INCONCLUSIVE, np.nan, "fewer than two seeds are there"
    if INCONCLUSIVE in leanings:
        return INCONCLUSIVE, np.nan, "the seeds do not differ, so nothing says how sure it is"
    if len(set(leanings)) > 1:
        return INCONCLUSIVE, 1.0, "the runs that were lost may turn it around"
    return leanings[0], max(ps), ""


def power(claims: Sequence[Claim], planned: pd.DataFrame, frames: Frames, seeds: Sequence[int]) -> pd.DataFrame:
    """Say which differences from its bound each claim's contrast can show, from the spread of the seeds that are there.

    A difference is shown by a paired t-test with a probability of 80 %, at a significance level of 5 % over the number
    of claims. From few seeds the spread is known roughly itself: that of three may be off by a factor of two.

    Args:
        claims: The claims.
        planned: A row a planned run: `run`, `seed` and the factors.
        frames: The tables of the study's store.
        seeds: Numbers of seeds.

    Returns:
        A row a claim: `claim`, `n`, `effect` (from the bound), `spread` (standard deviation over the seeds), the
        least difference that a number of seeds shows, as `at_{seeds}`, and `needed`: how many seeds show the effect.
    """
    alpha = ALPHA / max(1, len(claims))
    rows = []
    for claim in claims:
        values = contrasts(claim, planned, frames).values
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
        effect = float(values.mean()) - (claim.bound if claim.relation != "within" else 0.0) if len(values) else np.nan
        row = {"claim": claim.text or str(claim), "n": len(values), "effect": effect, "spread": spread}
        row |= {f"at_{n}": detectable(n, alpha) * spread for n in seeds}
        rows.append({**row, "needed": needed(abs(effect) / spread if spread else np.nan, alpha)})
    return pd.DataFrame(rows)
