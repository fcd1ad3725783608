"""Bayesian optimisation with a Gaussian process."""

from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
from keras_tuner.engine.trial import Trial
from scipy import stats
from threadpoolctl import ThreadpoolController

from resnet_core.seeds import generator
from search.oracles.base import Answer, Array, Oracle, answer
from search.oracles.gaussian import GaussianProcess, Points
from search.oracles.points import Values, own
from search.oracles.replicates import Belief, agree, knowledge_gradients, numbered, probabilities_of_best

INITIAL = 4  # points that are spread over the space before there is a model
MOST = 200  # trials to which a model is fitted: the best trials for one half, the last trials for the other
RANDOM, PARENTS, NEIGHBOURS = 500, 8, 60  # candidates: random, and mutations of each of the best
AUGMENTATION = 0.05  # Knowles's rho
TELLING = 10  # new points, and tried ones, whose knowledge gradients are compared
BLAS = ThreadpoolController().select(user_api="blas")


class GPOracle(Oracle):
    """Expected improvement by a Gaussian process; see `gaussian` for its kernel.

    Only the first `INITIAL` points are spread over the space (`points.SamplerSpace.spread`), so that even in a search
    of a dozen trials most points are proposed by the model.

    The model is fitted to standardised scores, which do not depend on the scale of the objective or on how bad a
    diverged trial is; see `_standard`. An open trial counts as ended with the score that the model predicts for it
    (Ginsbourger et al. 2010). Several objectives are combined by augmented Chebyshev weights of their ranks, which are
    drawn again for each trial (ParEGO, Knowles 2006).

    Args:
        replicates: Whether another seed of a point may be proposed; see `replicates`.
        arguments: Arguments of `Oracle`.
    """

    def __init__(self, *arguments: Any, replicates: bool = False, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.replicates = replicates

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), **({"replicates": True} if self.replicates else {})}

    def populate_space(self, trial_id: str) -> Answer:
        if len(self.ended) < INITIAL:
            values = self._spread_values()
            if values is not None or not self.replicates:
                return answer(values)
        if not self.ended:
            return answer(None, waiting=bool(self.open))
        with BLAS.limit(limits=1):  # faster for small matrices, and the same bits for any number of cores
            return self._modelled()

    def _spread_values(self) -> Values | None:
        """Return the first point of the spread sequence that may be proposed, or a random point if there is none."""
        seed = int(generator(self.seed, "oracle", "spread").integers(2**31))
        points = (values for values in self.space.spread(seed) if self.may_propose(values))
        return next(points, None) or self._random_values()

    def _modelled(self) -> Answer:
        """Return a proposal of the model."""
        fitted = self._fitted()
        model, believed = fitted.model, fitted.believed
        if under_way := [own(trial.hyperparameters.values) for trial in self.open]:
            more = fitted.coding.points(under_way)
            model = model.given(more, model.predict(more)[0])
        best = [fitted.tried[place] for place in np.argsort(believed, kind="stable")[:PARENTS]]
        candidates = self._candidates(best)
        improvement = _expected_improvement(*model.predict(fitted.coding.points(candidates)), believed.min())
        ordered = (candidates[place] for place in np.argsort(-improvement, kind="stable"))
        new = (values for values in ordered if self.may_propose(values))
        if self.replicates:
            return answer(self._most_telling(model, fitted, list(islice(new, TELLING))))
        return answer(next(new, None) or self._random_values())

    def _most_telling(self, model: GaussianProcess, fitted: "_Fitted", new: list[Values]) -> Values | None:
        """Return the measurement with the largest knowledge gradient: one of the new points, or another seed of one of
        the best that were tried.
        """
        new = new or [values for values in [self._random_values()] if values]
        places = np.argsort(fitted.believed, kind="stable")[:TELLING]
        again = [] if new and agree(fitted.values, fitted.costs) else [fitted.tried[place] for place in places]
        gains = knowledge_gradients(
            model, fitted.coding.points(fitted.tried), fitted.coding.points([*new, *again]), len(new)
        )
        chosen = int(np.argmax(gains))
        if chosen < len(new):
            return new[chosen]
        values = again[chosen - len(new)]
        others = [trial.hyperparameters.values for trial in self.trials.values()]
        return numbered(values, [other for other in others if own(other) == values])

    def _fitted(self) -> "_Fitted":
        """Return the model of the ended trials."""
        ended = self.ended
        costs = self._scalar(self.costs(ended))
        if len(ended) > MOST:
            kept = np.union1d(np.argsort(costs, kind="stable")[: MOST // 2], np.arange(len(ended))[-MOST // 2 :])
            ended, costs = [ended[place] for place in kept], costs[kept]
        coding = _Coding(self)
        values = [own(trial.hyperparameters.values) for trial in ended]
        scores = _standard(costs)
        model = GaussianProcess(coding.points(values), scores, coding.groups, coding.levels)
        first = [place for place, point in enumerate(values) if point not in values[:place]]
        tried = [values[place] for place in first]
        believed = model.predict(coding.points(tried))[0]
        return _Fitted(model, coding, tried, believed, [ended[place] for place in first], values, costs, scores)

    def beliefs(self) -> list[Belief]:
        """Return what is believed of each point that was tried, the best first."""
        if not self.ended:
            return []
        with BLAS.limit(limits=1):
            fitted = self._fitted()
            probabilities = probabilities_of_best(
                fitted.model, fitted.coding.points(fitted.tried), generator(self.seed, "oracle", "beliefs")
            )
        by_score = np.argsort(fitted.scores, kind="stable")
        sign = -1.0 if "max" in self.directions.values() else 1.0
        values = sign * np.interp(fitted.believed, fitted.scores[by_score], fitted.costs[by_score])
        return [
            Belief(
                fitted.first[place].trial_id, float(values[place]), float(probabilities[place]),
                fitted.values.count(fitted.tried[place]),
            )
            for place in np.argsort(fitted.believed, kind="stable")
        ]  # fmt: skip

    def _scalar(self, costs: Array) -> Array:
        """Return one cost for each trial, (trials,), from costs (trials, objectives)."""
        if costs.shape[1] == 1:
            return costs[:, 0]
        places = stats.rankdata(costs, axis=0) / len(
            costs
        )  # by ranks, since with ranges a bad outlier would remove the weight of an objective
        weighted = self.rng("weights").dirichlet(np.ones(costs.shape[1])) * places
        return np.asarray(weighted.max(axis=1) + AUGMENTATION * weighted.sum(axis=1))

    def _candidates(self, best: list[Values]) -> list[Values]:
        """Return points to choose from: random points, and points one or two mutations away from the best."""
        rng, space = self.rng("candidates"), self.space
        candidates = [space.sample(rng) for _ in range(RANDOM)]
        for values in best:
            near = [space.mutate(values, rng) for _ in range(NEIGHBOURS)]
            candidates += near + [space.mutate(point, rng) for point in near]
        return candidates


@dataclass(frozen=True)
class _Fitted:
    """A model of the ended trials.

    Attributes:
        model: The model.
        coding: How points are converted for it.
        tried: The points, each once.
        believed: Posterior mean of the score of each of these.
        first: The first trial of each of these.
        values: The point of each trial.
        costs: The cost of each trial.
        scores: The score of each trial.
    """

    model: GaussianProcess
    coding: "_Coding"
    tried: list[Values]
    believed: Array
    first: list[Trial]
    values: list[Values]
    costs: Array
    scores: Array


class _Coding:
    """Converts points of an oracle's space to codes and numbers. An inactive value has a code of its own, or 1/2."""

    def __init__(self, oracle: Oracle) -> None:
        self._space = oracle.space
        places = range(len(self._space.hyperparameters))
        free = [place for place in places if self._space.free(place)]
        self._numbers = {place: i for i, place in enumerate(p for p in free if self._space.ordered(p))}
        self._categories = {place: i for i, place in enumerate(p for p in free if not self._space.ordered(p))}
        known: dict[tuple[object, ...], int] = {}
        self.groups: list[int] = []
        self.levels: list[int] = []
        for place in self._categories:
            choices = tuple(self._space.choices(place) or ())
            if choices not in known:
                known[choices] = len(known)
                self.levels.append(len(choices) + 1)
            self.groups.append(known[choices])

    def points(self, values: list[Values]) -> Points:
        codes = np.array([[self.levels[group] - 1 for group in self.groups]] * len(values), dtype=np.intp)
        codes = codes.reshape(len(values), len(self.groups))
        numbers = np.full((len(values), len(self._numbers)), 0.5)
        for row, point in enumerate(values):
            for place, hp in self._space.active(point):
                if place in self._numbers:
                    numbers[row, self._numbers[place]] = self._space.coordinate(place, point[hp.name])
                elif place in self._categories:
                    codes[row, self._categories[place]] = self._space.place(place, point[hp.name])
        return Points(codes, numbers)


def _standard(costs: Array) -> Array:
    """Return costs with mean 0 and a variance of about 1: the mean of normal quantiles and of standardised costs.

    The quantiles of ranks limit the effect of outliers. The standardised costs keep the distances of good trials; costs
    worse than the median are compressed by a logarithm.
    """
    quantiles = np.asarray(stats.norm.ppf((stats.rankdata(costs) - 0.5) / len(costs)))
    offset = costs - np.median(costs)
    spread = np.sqrt(np.mean(offset[offset <= 0] ** 2))
    if not spread > 0:
        return quantiles
    scaled = offset / spread
    scaled = np.where(scaled > 0, np.log1p(np.maximum(scaled, 0)), scaled)
    return np.asarray((quantiles + (scaled - scaled.mean()) / scaled.std()) / 2)


def _expected_improvement(mean: Array, deviation: Array, best: float) -> npt.NDArray[np.float64]:
    """Return the expected value of max(`best` - x, 0) for normal variables x."""
    z = (best - mean) / deviation
    return np.asarray(deviation * (z * stats.norm.cdf(z) + stats.norm.pdf(z)))
