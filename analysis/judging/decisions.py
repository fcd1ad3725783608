"""The decision on an inequality from its seeds, vectorised over studies.

An inequality between means is judged in two parts:

1. How often training fails in the arms: exact tests (`analysis.judging.exact`). A run that failed is worse than every
   run that trained, so failures count for the side on which values are worse. A run that has collapsed, far from the
   others of its arm, is one of them.
2. The measure among the seeds of which every arm trained: the tests of `analysis.judging.samples`.

It is supported if part 2 supports it and part 1 does not contradict it, or if part 1 supports it and fewer than two
seeds have trained in every arm. It is refuted if either part refutes it. Without failed runs, part 2 has the whole
significance level; otherwise part 2 has three fifths and part 1 two fifths.

All p-values are two-sided for one direction (see `analysis.judging.exact`): `for` and `against` the sentence.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from analysis.judging import exact
from analysis.judging.samples import Array, Rows, Samples, collapsed, lopsided

OF_FAILURES, OF_VALUES = 0.4, 0.6
"""Shares of the significance level of the two parts if a run has failed."""
SPAN_OF_LOSS = np.log(10)  # nats, from nothing to chance among ten classes
HALF = 0.5
"""Bound of the failure rate of a single arm: more often than not."""


@dataclass(frozen=True)
class Sentence:
    """An inequality between a contrast of arms and a bound, without the arms' names.

    Attributes:
        shares: Share of each arm in the contrast.
        relation: `>`, `<` or `within`.
        bound: Bound of the contrast.
        worse: Direction of worse values: 1 upwards, -1 downwards, 0 if failures say nothing about the measure.
        low, high: Bounds of the measure.
        images: Number of images, if a value is a share of them; else NaN or infinite.
        rate: Whether the inequality is about failure rates, which are judged by part 1 only.
    """

    shares: Array
    relation: str
    bound: float
    worse: int = 0
    low: float = -np.inf
    high: float = np.inf
    images: float = np.inf
    rate: bool = False

    @cached_property
    def difference(self) -> bool:
        """Whether the shares of the arms cancel."""
        return bool(abs(self.shares.sum()) < 1e-9 * np.abs(self.shares).sum())

    def ends(self) -> tuple[float, float]:
        """Return the smallest and the largest possible value of the contrast."""
        first = [share * (self.low if share > 0 else self.high) for share in self.shares if share]
        last = [share * (self.high if share > 0 else self.low) for share in self.shares if share]
        return float(sum(first)), float(sum(last))


@dataclass(frozen=True)
class SeedValues:
    """The runs of many studies: arrays of shape (studies, arms, seeds).

    Attributes:
        values: Values of the measure; NaN without one.
        failed: Whether training failed.
        lost: Whether the run was lost, so that its result is unknown.
    """

    values: Array
    failed: Rows
    lost: Rows


@dataclass(frozen=True)
class Decision:
    """Decisions on an inequality; arrays over studies.

    Attributes:
        supports, refutes: P-values for and against it, from both parts.
        failing: P-values that failures raise the contrast, and p-values that failures lower it.
        part: Share of the significance level that the measure has.
        samples: The contrasts of the measure by seed.
        collapsed: Which runs have collapsed, see `samples.collapsed`.
    """

    supports: Array
    refutes: Array
    failing: tuple[Array, Array]
    part: Array
    samples: Samples
    collapsed: Rows


def decide(sentence: Sentence, seeds: SeedValues, level: float = 0.05) -> Decision:
    """Return the decisions of studies on an inequality.

    Args:
        sentence: The inequality.
        seeds: The runs of the studies.
        level: Significance level at which failures that contradict the inequality prevent support.
    """
    if sentence.rate:
        above, below = _of_failures(sentence, seeds)
        supports, refutes = _sides(sentence, above, below)
        rates = _contrast(np.where(seeds.lost, np.nan, seeds.values), sentence.shares)
        none = np.zeros(len(rates), dtype=bool)
        samples = Samples(rates, rates, none, none, np.zeros(len(rates)))
        return Decision(supports, refutes, (above, below), np.ones(len(above)), samples, np.zeros_like(seeds.failed))
    beyond = np.zeros_like(seeds.failed)
    if sentence.worse:
        span = sentence.high - sentence.low
        beyond = collapsed(seeds.values, sentence.worse, span if np.isfinite(span) else SPAN_OF_LOSS)
    samples = _samples(sentence, seeds, beyond)
    supports, refutes = _of_values(sentence, seeds, samples, beyond)
    if sentence.worse == 0:
        none = np.ones(len(supports))
        return Decision(supports, refutes, (none, none), none, samples, beyond)
    failed = seeds.failed | beyond
    above, below = _of_failures(sentence, replace(seeds, failed=failed))
    any_failed = failed.any(axis=(1, 2))
    enough = samples.n > 1
    fails_for, fails_against = (above, below) if sentence.relation == ">" else (below, above)
    if sentence.relation == "within":
        fails_for, fails_against = np.ones(len(above)), np.minimum(above, below)
    both = any_failed & enough
    part = np.where(both, OF_VALUES, 1.0)
    against = np.where(any_failed, fails_against / np.where(both, OF_FAILURES, 1.0), 1.0)
    supports, refutes = supports / part, np.minimum(refutes / part, against)
    supports = np.where(enough, supports, np.where(any_failed, fails_for, 1.0))
    supports = np.where(against < level, 1.0, supports)
    return Decision(np.minimum(1, supports), np.minimum(1, refutes), (above, below), part, samples, beyond)


def _sides(sentence: Sentence, above: Array, below: Array) -> tuple[Array, Array]:
    """Return the p-values for and against a sentence, given those that the contrast is above and below its bound."""
    return (above, below) if sentence.relation == ">" else (below, above)


def _contrast(values: Array, shares: Array) -> Array:
    """Return the contrast of each study and seed; NaN where an arm has no value."""
    return np.asarray(np.einsum("san,a->sn", np.nan_to_num(values), shares) + 0.0 * values.sum(axis=1))


def _samples(sentence: Sentence, seeds: SeedValues, beyond: Rows) -> Samples:
    shares = sentence.shares
    whole = _contrast(seeds.values, shares)
    values = np.where(beyond, np.nan, seeds.values)
    contrast = _contrast(values, shares)
    n = np.isfinite(contrast).sum(axis=1)
    variance = np.zeros(len(contrast))
    if np.isfinite(sentence.images):
        mean = np.where(n > 0, np.nansum(contrast, axis=1) / np.maximum(n, 1), 0.0)
        share = np.clip(np.maximum(np.abs(mean), abs(sentence.bound)), 0, 1 if sentence.difference else HALF)
        variance = share * (1 - share) / sentence.images
    skewed = lopsided(values, shares) if sentence.worse else np.zeros(len(contrast), dtype=bool)
    return Samples(contrast, whole, np.asarray(beyond.any(axis=(1, 2))), skewed, variance)


def _of_values(sentence: Sentence, seeds: SeedValues, samples: Samples, beyond: Rows) -> tuple[Array, Array]:
    """Return the p-values of the measure for and against the sentence, at the least favourable values of lost runs."""
    lowest = highest = samples
    if seeds.lost.any():
        lowest, highest = (_completed(sentence, seeds, samples, beyond, sign) for sign in (-1, 1))
    bounded = np.isfinite(sentence.high - sentence.low)
    unknown = seeds.lost.any(axis=(1, 2)) & (not bounded)

    def above(bound: float) -> Array:
        return np.where(unknown, 1.0, np.maximum(lowest.above(bound), highest.above(bound)))

    def below(bound: float) -> Array:
        return np.where(unknown, 1.0, np.maximum(lowest.below(bound), highest.below(bound)))

    bound = sentence.bound
    if sentence.relation == "within":
        return np.maximum(below(bound), above(-bound)), np.minimum(above(bound), below(-bound))
    return _sides(sentence, above(bound), below(bound))


def _completed(sentence: Sentence, seeds: SeedValues, samples: Samples, beyond: Rows, sign: int) -> Samples:
    """Return the samples with lost runs set to the bounds of the measure that make the contrast lowest, or highest."""
    ends = np.where(sentence.shares * sign > 0, sentence.high, sentence.low)
    values = np.where(seeds.lost, np.where(np.isfinite(ends), ends, np.nan)[None, :, None], seeds.values)
    rest = _contrast(np.where(beyond, np.nan, values), sentence.shares)
    whole = _contrast(values, sentence.shares)
    return Samples(rest, whole, samples.flipped, samples.skewed, samples.variance)


def _of_failures(sentence: Sentence, seeds: SeedValues) -> tuple[Array, Array]:
    """Return the p-values that failures raise the contrast of the measure, and that they lower it.

    For a sentence on rates: that the contrast of the rates is above the bound, and that it is below. For `within`: for
    the sentence, and against it. A lost run counts as the outcome that makes the p-value larger.
    """
    worse = 1 if sentence.rate else sentence.worse or 1
    shares = sentence.shares * worse
    ended = seeds.failed | np.isfinite(seeds.values) | seeds.lost
    n = ended.sum(axis=2).astype(float)
    for_above = seeds.failed | (seeds.lost & (shares < 0)[None, :, None])
    for_below = seeds.failed | (seeds.lost & (shares > 0)[None, :, None])
    bound = sentence.bound if sentence.rate else 0.0
    above, below = _rates_above(shares, for_above, ended, n, bound), _rates_below(shares, for_below, ended, n, bound)
    if sentence.rate and sentence.relation == "within":
        inside = np.maximum(
            _rates_below(shares, for_below, ended, n, bound), _rates_above(shares, for_above, ended, n, -bound)
        )
        return np.minimum(above, _rates_below(shares, for_below, ended, n, -bound)), inside
    if len(shares) == 1 and not sentence.rate:  # rare failures say nothing about a bound of the measure
        often = exact.above_a_rate(seeds.failed.sum(axis=2)[:, 0].astype(float), n[:, 0], HALF)
        return (often, np.ones_like(often)) if shares[0] > 0 else (np.ones_like(often), often)
    return above, below


def _rates_above(shares: Array, failed: Rows, ended: Rows, n: Array, bound: float) -> Array:
    """Return the p-values that a contrast of failure rates is above a bound."""
    k = failed.sum(axis=2).astype(float)
    if len(shares) == 1 and shares[0] > 0:
        return exact.above_a_rate(k[:, 0], n[:, 0], bound / shares[0])
    if len(shares) == 2 and abs(shares.sum()) < 1e-12 and bound == 0:
        first, second = (0, 1) if shares[0] > 0 else (1, 0)
        return exact.more_often(k[:, first], n[:, first], k[:, second], n[:, second])
    whole = ended.all(axis=1)
    by_seed = np.where(whole, np.einsum("san,a->sn", failed.astype(float), shares), 0.0)
    seeds = whole.sum(axis=1)
    means = by_seed.sum(axis=1) / np.maximum(seeds, 1)
    return exact.above_a_mean(means, seeds, bound, shares.clip(max=0).sum(), shares.clip(min=0).sum())


def _rates_below(shares: Array, failed: Rows, ended: Rows, n: Array, bound: float) -> Array:
    """Return the p-values that a contrast of failure rates is below a bound."""
    if len(shares) == 1 and shares[0] > 0:
        return exact.below_a_rate(failed.sum(axis=2)[:, 0].astype(float), n[:, 0], bound / shares[0])
    return _rates_above(-shares, failed, ended, n, -bound)
