"""One-sided tests of the mean of a few seeds, vectorised over studies.

A sample is a row, a seed is a column, and NaN marks a seed without a value. The sample determines which tests decide:

- Student's t-test always decides. If the values are shares of `images` images, the squared standard error has a term
  for the images. For a difference d between arms it is d (1 - d) / images, the variance if the arms classify no more
  images differently than necessary (McNemar 1947); for the error e of one arm it is e (1 - e) / images. So a statement
  is about new images, and not about those of this test set (Dietterich 1998; Bouthillier et al. 2021). The t-test
  without this term must agree.
- If at least three quarters of the values are equal, the sign test must agree. The spread of such values says nothing
  about the next seed. The test needs six seeds with the same sign.
- If a gap divides an arm's seeds into two groups, those on the worse side have `collapsed`. They count as failures and
  are left out here. Sign flips of all seeds, which assume no normality (Fisher 1935), must agree. They also need six
  seeds.
- If one side of the contrast makes up most of the spread (`lopsided`), the skewness of the errors of a loss or a share
  does not cancel. Hall's transformation of t (1992), which corrects for the skewness of the sample, must then agree. It
  is weighted such that the power with normal errors is at least four fifths of that of Student's t. For 3 to 7 seeds
  this does not suffice for lognormal errors with sigma 1, see `benchmarks/verdicts.md`.

The least favourable of these tests decides a claim. A p-value is two-sided for one direction, see
`analysis.judging.exact`.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import stats

Array = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]
ROUNDING = 1e-12  # largest difference of equal values, relative to the greatest magnitude
ALIKE = 0.75  # share of equal values from which the sign test must agree
LEAST_ALIKE = 3
LOPSIDED = 0.7  # share of a contrast's variance, less that of the other sign, from which one side dominates
HALL = ((2, 3, 4, 5, 7, 10, 20), (0.0, 0.2, 0.35, 0.6, 1.0, 1.5, 1.3))
"""Seeds, and the weight of the sample's skewness: about the most that leaves four fifths of Student's power of 80 %."""
GAPS = ((3, 4, 5, 7, 10, 20), (285.0, 33.0, 18.0, 10.5, 8.0, 5.5))
"""Seeds, and how large a gap in an arm's values must be, over the rest of their range: it is so large in 1 % of samples
of lognormal errors with sigma 1, in .4 % of t with 3 degrees of freedom, and in fewer of normal ones."""
LEAST_GAP = 0.1  # smallest gap, relative to the range of the measure
FARTHEST = 1e100
"""Largest absolute t whose cube is computed."""
MOST_FREEDOM = 1e9  # degrees of freedom from which t is taken as normal
MOST_FLIPPED = 13  # most values for which all combinations of signs are tried
FLIPS = 8192  # random combinations of signs for more values
STEPS = 80  # steps of bisection, more than a float has bits


def collapsed(values: Array, worse: int, span: float) -> Rows:
    """Return which values of each row are on the worse side of a gap; none if there is no gap.

    The other side must have two values or more, since a single value does not show the usual result of training.

    Args:
        values: One row for each arm; seeds are on the last axis. NaN are left out.
        worse: Direction of worse values: 1 upwards, -1 downwards.
        span: Range of the measure, from perfect to chance.
    """
    if values.shape[-1] < GAPS[0][0]:
        return np.zeros(values.shape, dtype=bool)
    ordered = np.sort(values, axis=-1)
    n = np.isfinite(ordered).sum(axis=-1)
    gaps = np.nan_to_num(np.diff(ordered, axis=-1), nan=-1.0)
    place, gap = gaps.argmax(axis=-1), gaps.max(axis=-1)
    total = np.nansum(gaps.clip(min=0), axis=-1)
    trained = place + 1 if worse > 0 else n - place - 1
    far = (gap > LEAST_GAP * span) & (trained > 1) & (gap > np.interp(n, *GAPS) * (total - gap)) & (n >= GAPS[0][0])
    edge = np.take_along_axis(ordered, place[..., None], axis=-1)  # the last value below the gap
    beyond = values > edge if worse > 0 else values <= edge
    return np.asarray(beyond & far[..., None])


def lopsided(values: Array, shares: Array) -> Rows:
    """Return the studies in which one side of the contrast makes up most of the spread.

    Args:
        values: (studies, arms, seeds).
        shares: Share of each arm in the contrast.
    """
    n = np.isfinite(values).sum(axis=-1)
    center = np.where(n > 0, np.nansum(values, axis=-1) / np.maximum(n, 1), np.nan)
    parts = np.nansum((values - center[..., None]) ** 2, axis=-1) / np.maximum(n - 1, 1) * shares**2
    total = parts.sum(axis=-1)
    return np.asarray((total > 0) & (np.abs((parts * np.sign(shares)).sum(axis=-1)) > LOPSIDED * total))


@dataclass(frozen=True)
class Samples:
    """Contrasts of many studies, by seed.

    Attributes:
        values: One row for each study.
        whole: The values including collapsed seeds.
        flipped: Studies in which sign flips of `whole` must agree.
        skewed: Studies in which Hall's transformation must agree.
        variance: Term of the images in the variance of the mean.
    """

    values: Array
    whole: Array
    flipped: Rows
    skewed: Rows
    variance: Array

    def mirrored(self) -> "Samples":
        """Return the samples with the opposite signs."""
        return Samples(-self.values, -self.whole, self.flipped, self.skewed, self.variance)

    @cached_property
    def n(self) -> npt.NDArray[np.intp]:
        return np.asarray(np.isfinite(self.values).sum(axis=1))

    @cached_property
    def means(self) -> Array:
        return np.where(self.n > 0, np.nansum(self.values, axis=1) / np.maximum(self.n, 1), np.nan)

    @cached_property
    def same(self) -> Array:
        """The largest difference of values that count as equal."""
        return np.asarray(ROUNDING * np.nan_to_num(np.abs(self.values)).max(axis=1, initial=0.0))

    @cached_property
    def sd(self) -> Array:
        """The standard deviation: NaN for fewer than two values, 0 for equal values."""
        squares = np.nansum((self.values - self.means[:, None]) ** 2, axis=1)
        sd = np.sqrt(squares / np.maximum(self.n - 1, 1))
        return np.where(self.n < 2, np.nan, np.where(sd > self.same, sd, 0.0))

    @cached_property
    def alike(self) -> Rows:
        """Which samples have at least three quarters of equal values."""
        ordered = np.sort(self.values, axis=1)
        steps = np.diff(ordered, axis=1) <= self.same[:, None]
        longest, run = np.ones(len(ordered), int), np.ones(len(ordered), int)
        for column in steps.T:
            run = np.where(column, run + 1, 1)
            longest = np.maximum(longest, run)
        most = (longest >= ALIKE * self.n) & (longest >= LEAST_ALIKE)
        return np.asarray((longest == self.n) | most)

    @cached_property
    def _errors(self) -> list[tuple[Array, Array]]:
        """Two standard errors of the mean with their degrees of freedom: of the seeds alone, and with the images' term.

        The degrees of freedom of the second are Satterthwaite's (1946). They grow with the images' term. With few seeds
        the quantile then falls faster than the error grows. A further error must not make a result more certain, so
        both must decide.
        """
        of_seeds = self.sd**2 / np.maximum(self.n, 1)
        freedom = np.maximum(self.n - 1, 1).astype(float)
        if not self.variance.any():
            return [(np.sqrt(of_seeds), freedom)]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            mixed = freedom * (1 + self.variance / of_seeds) ** 2
        mixed = np.where(of_seeds > 0, np.fmin(mixed, MOST_FREEDOM), MOST_FREEDOM)
        both = np.where(self.variance > 0, mixed, freedom)
        return [(np.sqrt(of_seeds), freedom), (np.sqrt(of_seeds + self.variance), both)]

    @cached_property
    def _skewness(self) -> Array:
        """The weighted skewness of the samples; 0 for samples that are not transformed."""
        n = self.n
        cubes = np.nansum((self.values - self.means[:, None]) ** 3, axis=1)
        transformed = self.skewed & (n > 2) & (self.sd > 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            skewness = n * cubes / ((n - 1) * (n - 2)) / self.sd**3
        return np.asarray(np.interp(n, *HALL) * np.where(transformed, skewness, 0.0))

    def above(self, bounds: Array | float) -> Array:
        """Return the p-value of each sample that its mean is above a bound; 1 for fewer than two values."""
        bound = np.broadcast_to(np.asarray(bounds, dtype=float), self.means.shape)
        distance = np.where(np.abs(self.means - bound) > self.same, self.means - bound, 0.0)
        p = np.zeros_like(self.means)
        for error, freedom in self._errors:
            with np.errstate(divide="ignore", invalid="ignore"):
                t = np.where(error > 0, distance / error, np.sign(distance) * np.inf)
                t = np.minimum(t, self._hall(t))
            t = np.where((self.n > 1) & np.isfinite(distance), np.nan_to_num(t, nan=0.0), -np.inf)
            p = np.maximum(p, 2 * stats.t.sf(t, freedom))
        if self.alike.any():
            over = (self.values > (bound + self.same)[:, None]).sum(axis=1)
            p = np.where(self.alike, np.maximum(p, 2 * stats.binom.sf(over - 1, self.n, 0.5)), p)
        for row in np.flatnonzero(self.flipped & (self.n > 1)):
            values = self.whole[row]
            p[row] = max(p[row], _flipped(values[np.isfinite(values)] - bound[row]))
        return np.asarray(np.minimum(1.0, p))

    def below(self, bounds: Array | float) -> Array:
        """Return the p-value of each sample that its mean is below a bound; 1 for fewer than two values."""
        return self.mirrored().above(-np.asarray(bounds, dtype=float))

    def _hall(self, t: Array) -> Array:
        """Return t after Hall's monotone transformation."""
        skew, n = self._skewness, np.maximum(self.n, 1)
        root = np.sqrt(n)
        u = np.clip(np.where(skew != 0, t, 0.0), -FARTHEST, FARTHEST) / root
        return np.where(skew == 0, t, root * (u + skew * u**2 / 3 + skew**2 * u**3 / 27 + skew / (6 * n)))

    def low(self, level: Array) -> Array:
        """Return the lower ends of the intervals at these levels; -inf without a lower end."""
        ends = np.min([self.means - error * stats.t.isf(level / 2, freedom) for error, freedom in self._errors], axis=0)
        bisected = np.flatnonzero((self.n > 1) & (self.alike | self.flipped | (self._skewness != 0)))
        if len(bisected):
            ends[bisected] = self._rows(bisected)._bisected(level[bisected])
        return np.where(self.n > 1, ends, np.nan)

    def high(self, level: Array) -> Array:
        """Return the upper ends of the intervals."""
        return -self.mirrored().low(level)

    def _rows(self, rows: npt.NDArray[np.intp]) -> "Samples":
        return Samples(self.values[rows], self.whole[rows], self.flipped[rows], self.skewed[rows], self.variance[rows])

    def _bisected(self, level: Array) -> Array:
        inside = self.means.copy()
        width = np.maximum(np.nanmax(self.values, axis=1) - np.nanmin(self.values, axis=1), np.abs(inside))
        width = np.maximum(width, self._errors[-1][0])
        outside = inside - 1e4 * np.where(width > 0, width, 1.0)
        never = self.above(outside) >= level
        for _ in range(STEPS):
            middle = (inside + outside) / 2
            held = self.above(middle) >= level
            inside, outside = np.where(held, middle, inside), np.where(held, outside, middle)
        return np.where(never, -np.inf, inside)


def _flipped(values: Array) -> float:
    """Return the p-value that the mean is above 0, by sign flips: all for up to 13 values, else 8192 random ones."""
    signs = _signs(len(values))
    least = values.sum() - ROUNDING * np.abs(values).sum()
    return min(1.0, 2 * float((signs @ values >= least).mean()))


@lru_cache(maxsize=64)
def _signs(n: int) -> Array:
    if n <= MOST_FLIPPED:
        return np.array(list(product((1.0, -1.0), repeat=n)))
    signs = np.random.default_rng(n).choice(np.array([-1.0, 1.0]), (FLIPS, n))
    signs[0] = 1
    return signs
