"""Verdicts on claims from the records: supported, refuted or inconclusive.

`analysis.judging.decisions` judges a single claim. This module corrects for the number of claims and of looks, and
writes the notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.claims import Claim
from analysis.judging.contrasts import Contrasts, contrasts, failure_words, first_seeds
from analysis.judging.decisions import Decision, decide
from analysis.judging.looks import WHOLE, Look
from analysis.judging.power import needed, needed_of_rates, needed_of_signs
from analysis.judging.samples import Array
from analysis.statistics import CONFIDENCE, holm, rate_interval
from resnet_core.runs.records.frames import Frames

ALPHA = 1 - CONFIDENCE
SUPPORTED, REFUTED, INCONCLUSIVE = "supported", "refuted", "inconclusive"
OPPOSITE = "opposite"
CONTAINS = "the interval contains the bound"
TOO_FEW_RUNS = "these few runs do not show it"
TOO_FEW_TRAINED = "fewer than two seeds have trained"


@dataclass(frozen=True)
class Judged:
    """A claim with the decision from its seeds."""

    claim: Claim
    data: Contrasts
    decision: Decision

    @property
    def provisional(self) -> bool:
        """Whether planned runs have no record yet. The verdict is then provisional, and no look is used."""
        return self.data.missing > 0

    @property
    def values(self) -> Array:
        """The contrast for the seeds with which every arm trained."""
        values = self.decision.samples.values[0]
        return np.asarray(values[np.isfinite(values)])

    @property
    def n(self) -> int:
        return int(self.decision.samples.n[0])

    @property
    def leaning(self) -> str:
        return SUPPORTED if self.decision.supports[0] <= self.decision.refutes[0] else REFUTED

    def level_of_values(self, level: float) -> float:
        """Return the part of a significance level at which the measure is judged."""
        return level * float(self.decision.part[0])

    @property
    def p(self) -> float:
        """The smaller of the p-values for and against the claim; NaN if there is none."""
        if self.claim.measure != "failed" and self.n < 2 and not self.data.seeds.failed.any():
            return np.nan
        return float(min(self.decision.supports[0], self.decision.refutes[0]))


def verdicts(
    claims: Sequence[Claim], planned: pd.DataFrame, frames: Frames, looks: Sequence[Look] = WHOLE
) -> pd.DataFrame:
    """Judge claims by the records of a study.

    A claim on a mean has two parts: how often training fails in its arms, and the measure among the seeds of which
    every arm trained. `analysis.judging.decisions` combines the parts, and `analysis.judging.samples` has the tests.
    The p-values are corrected for the number of claims by Holm's method, and for the looks
    (`analysis.judging.looks`): a claim is judged at each look until it is decided, and then stays decided. While
    planned runs are missing, its verdict is provisional and inconclusive. The probability of a false verdict on any
    claim, at any look, is at most 5 % if the assumptions of the tests hold; `benchmarks/verdicts.md` shows simulated
    rates.

    Args:
        claims: The claims.
        planned: One row for each planned run: `run`, `seed` and the factors.
        frames: The tables of the study's store: of the runs `run`, `status`, `step`, the results, and for the rule of
            `resnet_core.runs.records.outcomes` `net.classes`, `train.train_size` and `train.validation_fraction`.
        looks: Numbers of seeds at which verdicts are given, with their shares of the significance level. By default,
            one look at all seeds.

    Returns:
        One row for each claim: `claim`; `verdict`: supported, refuted or inconclusive; `direction`: `opposite` where a
        claimed difference is decided to be on the other side of 0, else empty; `measure`; `effect`, the mean of the
        contrast over the seeds of which every arm trained, with the interval, `low` to `high`, that the verdict
        is made of: at the `level` that the corrections leave to this claim; `relation` and `bound`; `d`, the distance
        of the effect from the bound, or from the nearer end of a margin, in standard deviations over the seeds; `n` of
        `N` seeds; `p` and `p_corrected`; `failures`, in how many runs of each arm training failed, with the exact 95 %
        interval of the rate; `needed`, how many seeds would show an effect of this size with a probability of 80 %, of
        a claim that is inconclusive; `parameters` and `macs` of the arms above over those below; `lost`, the runs
        without a value; and `note`, remarks in words.
    """
    rows: dict[int, dict[str, object]] = {}
    last = max(looks, key=lambda look: look.seeds)
    beyond = planned["seed"].nunique() > last.seeds
    for look in (*looks, *([Look(planned["seed"].nunique(), 0.0)] if beyond else [])):
        still = [i for i in range(len(claims)) if i not in rows or rows[i]["verdict"] == INCONCLUSIVE]
        if not still:
            break
        part = first_seeds(planned, look.seeds)
        judged = [_judged(claims[i], part, frames) for i in still]
        for i, row in zip(still, _rows(judged, look), strict=True):
            rows[i] = row
    return pd.DataFrame([rows[i] for i in range(len(claims))])


def _judged(claim: Claim, planned: pd.DataFrame, frames: Frames) -> Judged:
    data = contrasts(claim, planned, frames)
    return Judged(claim, data, decide(data.sentence, data.seeds, ALPHA))


def _rows(judged: Sequence[Judged], look: Look) -> list[dict[str, object]]:
    """Return the rows of claims that are judged together, at one look."""
    p = np.array([each.p for each in judged], dtype=np.float64)
    corrected = holm(p) / look.share if look.share else np.where(np.isnan(p), np.nan, np.inf)
    corrected = np.minimum(corrected, 1.0)
    decided = (corrected < ALPHA) & np.array([not each.provisional for each in judged])
    levels = _levels(p, corrected < ALPHA) * (look.share or 1.0)
    return [
        _row(each, float(q), bool(sure), float(level), look)
        for each, q, sure, level in zip(judged, corrected, decided, levels, strict=True)
    ]


def _levels(p: Array, decided: "np.typing.NDArray[np.bool_]") -> Array:
    """Return the significance level at which Holm's method judges each claim."""
    ranks = np.argsort(np.argsort(p))
    tested = max(1, int((~np.isnan(p)).sum()))
    steps = np.where(decided, ranks, int(decided.sum()))
    return np.asarray(ALPHA / np.maximum(1, tested - steps))


def _row(judged: Judged, corrected: float, decided: bool, level: float, look: Look) -> dict[str, object]:
    claim, data = judged.claim, judged.data
    values = judged.values
    low, high = _interval(judged, level)
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    effect = float(values.mean()) if len(values) else np.nan
    verdict = judged.leaning if decided else INCONCLUSIVE
    d = distance(claim, effect) / spread if spread else np.nan
    opposite = decided and _sign(claim, data) * (1 if low > 0 else -1 if high < 0 else 0) < 0
    seeds = np.nan if decided else _needed(judged, abs(d), effect, level)
    return {
        "claim": claim.text or str(claim), "verdict": verdict, "direction": OPPOSITE if opposite else "",
        "measure": claim.measure, "effect": effect, "low": low, "high": high, "level": 1 - level,
        "relation": claim.relation, "bound": claim.bound, "d": d, "n": judged.n, "N": data.planned, "p": judged.p,
        "p_corrected": corrected, "failures": failure_words(data), "needed": seeds,
        "parameters": data.cost[0], "macs": data.cost[1], "lost": "; ".join(data.lost),
        "note": "; ".join(_notes(judged, decided, seeds, level, look)),
    }  # fmt: skip


def _needed(judged: Judged, d: float, effect: float, level: float) -> float:
    """Return the number of seeds that would decide the claim at the observed effect; more than the present seeds."""
    data, samples = judged.data, judged.decision.samples
    if data.sentence.rate:
        seeds = needed_of_rates(data.failure_rates, [*data.sentence.shares], judged.claim.bound, level)
        return max(seeds, float(data.seeds.failed.shape[2] + 1))
    seeds = needed(d, judged.level_of_values(level), both=in_the_middle(judged.claim, effect))
    if effect != judged.claim.bound and (samples.alike[0] or samples.flipped[0]):
        seeds = max(float(np.nan_to_num(seeds)), needed_of_signs(judged.level_of_values(level)))
    return max(seeds, judged.n + 1.0)


def _interval(judged: Judged, level: float) -> tuple[float, float]:
    """Return the interval of the contrast that decides a verdict at this level, within the bounds of the measure."""
    sentence, decision = judged.data.sentence, judged.decision
    least, most = sentence.ends()
    if sentence.rate:
        low, high = _interval_of_rates(judged, level)
    else:
        part = np.array([judged.level_of_values(level)])
        low, high = float(decision.samples.low(part)[0]), float(decision.samples.high(part)[0])
    return float(np.clip(low, least, most)), float(np.clip(high, least, most))


def _interval_of_rates(judged: Judged, level: float) -> tuple[float, float]:
    """Return the interval of a contrast of rates, from exact intervals of the rates, combined by Bonferroni.

    It contains the values that are not rejected: the claim's bound by the claim's own test, other values by the exact
    intervals.
    """
    seeds, shares, claim = judged.data.seeds, judged.data.sentence.shares, judged.claim
    failed = seeds.failed[0].sum(axis=1)
    ended = (seeds.failed[0] | np.isfinite(seeds.values[0])).sum(axis=1)
    rates = [rate_interval(int(k), int(n), level / len(shares)) for k, n in zip(failed, ended, strict=True)]
    ends = np.array([sorted((share * low, share * high)) for share, (low, high) in zip(shares, rates, strict=True)])
    low, high = float(ends[:, 0].sum()), float(ends[:, 1].sum())
    if claim.relation != "within":
        above, below = judged.decision.failing
        low = max(low, claim.bound) if above[0] < level else low
        high = min(high, claim.bound) if below[0] < level else high
    return low, high


def _sign(claim: Claim, data: Contrasts) -> int:
    """Return the sign of the claimed difference; 0 if the claim is about none."""
    if not data.sentence.difference or claim.relation == "within":
        return 0
    claimed = 1 if claim.relation == ">" else -1
    return claimed if claim.bound * claimed >= 0 else 0


def distance(claim: Claim, effect: float) -> float:
    """Return the distance of an effect from its bound, or from the nearer end of a margin, positive inside it."""
    return claim.bound - abs(effect) if claim.relation == "within" else effect - claim.bound


def in_the_middle(claim: Claim, effect: float) -> bool:
    """Return whether a claim has a margin and the effect is near 0, so that both ends of the margin are far away."""
    return claim.relation == "within" and abs(effect) < claim.bound / 10


def _notes(judged: Judged, decided: bool, seeds: float, level: float, look: Look) -> list[str]:
    """Return the remarks on a verdict."""
    notes, data, values = [], judged.data, judged.values
    if judged.provisional:
        notes.append(f"provisional: planned runs without a record: {data.missing}")
    if data.mixed:
        notes.append(f"runs of several versions: {data.mixed}")
    claimed = _sign(judged.claim, data)
    against = int((np.sign(values) == -claimed).sum()) if claimed else 0
    if len(values) and claimed and values.mean() * claimed < 0:
        notes.append(f"opposite sign, {against} of {len(values)} seeds")
    if data.seeds.failed.any():
        notes.append(f"training failed: {failure_words(data)}")
    for label, runs in zip(data.labels, judged.decision.collapsed[0], strict=True):
        if runs.any():
            notes.append(
                f"{runs.sum()} of {len(runs)} seeds of {label} collapsed: they are far from the others and count as "
                "failures"
            )
    if not decided and not judged.provisional:
        why = _why_not(judged, level, look)
        notes.append(why)
        if why in (CONTAINS, TOO_FEW_RUNS) and not np.isnan(seeds):
            notes.append(f"about {seeds:.0f} seeds would show an effect of this size")
    return notes


def _why_not(judged: Judged, level: float, look: Look) -> str:
    """Return the reason why a claim is not decided."""
    data, samples = judged.data, judged.decision.samples
    least = needed_of_signs(judged.level_of_values(level))
    bounded = np.isfinite(data.sentence.high - data.sentence.low)
    if not look.share:
        return "these seeds are beyond the last look, or earlier looks have used all of the 5 %"
    if data.seeds.lost.any() and not bounded:
        return "runs were lost, and the measure has no bounds"
    if judged.n < 2 and not data.sentence.rate:
        return "there are fewer than two seeds" if not data.seeds.failed.any() else TOO_FEW_TRAINED
    if data.seeds.lost.any():
        return "the lost runs could change the verdict, or there are too few seeds"
    if samples.alike[0] and not data.sentence.rate and judged.n < least:
        return f"the seeds do not differ, so at least {least} seeds that agree are needed"
    if samples.flipped[0] and judged.n < least:
        return f"some seeds are far from the others, so at least {least} seeds are needed"
    if data.sentence.rate:
        return TOO_FEW_RUNS
    return CONTAINS
