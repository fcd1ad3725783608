"""A Gaussian process over points of a mixed space, with parameters by maximum a posteriori.

The kernel of one hyperparameter is a Matérn-5/2 kernel of the coordinate of a number, or exp(-d) of the distance of two
categories. The kernel of points is a sum of three: the mean of these kernels, the mean of their products of pairs, and
the product of all (Duvenaud et al. 2011). So the model learns from few trials the effects of single values, and from
more trials their interactions. The values of a category are points of a Euclidean space, at first with equal distances.
Hyperparameters with the same choices, such as the operations of a cell or the kinds of a network's stages, share these
points, so that values that are similar in one place are expected to be similar in another.
"""

from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

JITTER = 1e-6
STEPS = 40  # maximum number of steps of the optimisation of parameters
LARGEST = 30.0  # largest logarithm of a parameter
# Means and standard deviations of the normal priors: of the logarithm of the weight of a category; of that of a number,
# the squared inverse length scale (with few trials, a model that is nearly linear in a number proposes the ends of its
# range); of those of the variances of the three kernels and of the noise; and the spread of the points of categories.
CATEGORY, NUMBER = (np.log(0.3), 1.0), (np.log(3.0), 1.0)
VARIANCE, NOISE, SPREAD = (np.log(1 / 3), 1.0), (np.log(0.05), 1.5), 0.5


@dataclass(frozen=True)
class Points:
    """Points of a space as arrays for a kernel.

    Attributes:
        codes: Index of the value of each category, (points, categories).
        numbers: Coordinate of each number, (points, numbers).
    """

    codes: Codes
    numbers: Array

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> "Points":
        return Points(self.codes[rows], self.numbers[rows])


@dataclass(frozen=True)
class _Parameters:
    """The fitted parameters.

    Attributes:
        weights: Weight of each category and each number, (hyperparameters,).
        variances: Variances of the mean over hyperparameters, of that over pairs, and of the product, (3,).
        noise: Variance of a measurement.
        places: Points of the values of each group of categories, (values, values).
    """

    weights: Array
    variances: Array
    noise: float
    places: list[Array]


class GaussianProcess:
    """A Gaussian process that is fitted to measurements with mean 0 and variance 1.

    Args:
        points: The measured points.
        scores: The measurements, (points,).
        groups: Group of each category. Categories of a group have the same values.
        levels: Number of values of the categories of each group.
    """

    def __init__(self, points: Points, scores: Array, groups: list[int], levels: list[int]) -> None:
        self._points, self._scores = points, scores
        self._groups, self._levels = groups, levels
        self._hyperparameters = points.codes.shape[1] + points.numbers.shape[1]
        self._one_hot = [np.eye(levels[group])[codes] for group, codes in zip(groups, points.codes.T)]
        places = [np.eye(level).ravel() for level in levels]
        priors = [CATEGORY] * points.codes.shape[1] + [NUMBER] * points.numbers.shape[1] + [VARIANCE] * 3 + [NOISE]
        means, deviations = np.array(priors).T
        self._mean = np.concatenate([means, *places])
        self._deviation = np.concatenate([deviations, *(np.full(place.size, SPREAD) for place in places)])
        fit = optimize.minimize(self._loss, self._mean, jac=True, method="L-BFGS-B", options={"maxiter": STEPS})
        self._parameters = self._unpacked(fit.x)
        self._condition()

    def _condition(self) -> None:
        noise = (self._parameters.noise + JITTER) * np.eye(len(self._points))
        self._factor = linalg.cholesky(self._kernel(self._points, self._points) + noise, lower=True)
        self._solved = linalg.cho_solve((self._factor, True), self._scores)

    def given(self, points: Points, scores: Array) -> "GaussianProcess":
        """Return the process with these measurements and the same parameters."""
        more = copy(self)
        codes = np.concatenate([self._points.codes, points.codes])
        more._points = Points(codes, np.concatenate([self._points.numbers, points.numbers]))
        more._scores = np.concatenate([self._scores, scores])
        more._condition()
        return more

    @property
    def noise(self) -> float:
        """Variance of a measurement."""
        return self._parameters.noise + JITTER

    def covariance(self, first: Points, second: Points) -> Array:
        """Return the covariances of the values at points, without noise, (first, second)."""
        explained = [
            linalg.solve_triangular(self._factor, self._kernel(self._points, points), lower=True)
            for points in (first, second)
        ]
        return np.asarray(self._kernel(first, second) - explained[0].T @ explained[1])

    def predict(self, points: Points) -> tuple[Array, Array]:
        """Return means and standard deviations at points, without noise."""
        kernel = self._kernel(self._points, points)
        explained = linalg.solve_triangular(self._factor, kernel, lower=True, check_finite=False)
        variance = self._parameters.variances.sum() - (explained * explained).sum(axis=0)
        return kernel.T @ self._solved, np.sqrt(np.maximum(variance, 1e-12))

    def _unpacked(self, vector: Array) -> _Parameters:
        count = self._hyperparameters
        places, start = [], count + 4
        for level in self._levels:
            places.append(vector[start : start + level * level].reshape(level, level))
            start += level * level
        logs = np.exp(np.clip(vector[: count + 4], -LARGEST, LARGEST))
        return _Parameters(logs[:count], logs[count : count + 3], float(logs[count + 3]), places)

    def _singles(self, parameters: _Parameters, first: Points, second: Points) -> Array:
        """Return the kernels of single hyperparameters, (hyperparameters, first, second)."""
        kernels = np.empty((self._hyperparameters, len(first), len(second)))
        distances = [_distances(places) for places in parameters.places]
        for i, group in enumerate(self._groups):
            table = np.exp(-parameters.weights[i] * distances[group])
            kernels[i] = table[first.codes[:, i][:, None], second.codes[:, i]]
        for i, (a, b) in enumerate(zip(first.numbers.T, second.numbers.T), len(self._groups)):
            r = np.sqrt(5 * parameters.weights[i]) * np.abs(a[:, None] - b)
            kernels[i] = (1 + r + r * r / 3) * np.exp(-r)
        return kernels

    def _kernel(self, first: Points, second: Points) -> Array:
        parameters = self._parameters
        singles, pairs, product = _terms(self._singles(parameters, first, second))
        a, b, c = parameters.variances
        return np.asarray(a * singles + b * pairs + c * product)

    def _loss(self, vector: Array) -> tuple[float, Array]:
        """Return the negative logarithm of the posterior, up to a constant, and its gradient."""
        parameters, count = self._unpacked(vector), self._hyperparameters
        single = self._singles(parameters, self._points, self._points)
        terms = _terms(single)
        a, b, c = parameters.variances
        noise = parameters.noise + JITTER
        covariance = a * terms[0] + b * terms[1] + c * terms[2] + noise * np.eye(len(self._points))
        deviation = (vector - self._mean) / self._deviation
        try:
            factor = linalg.cholesky(covariance, lower=True, check_finite=False)
        except linalg.LinAlgError:
            return 1e10, deviation / self._deviation
        inverse = linalg.cho_solve((factor, True), np.eye(len(self._points)), check_finite=False)
        solved = inverse @ self._scores
        loss = self._scores @ solved / 2 + np.log(np.diag(factor)).sum() + deviation @ deviation / 2
        by_covariance = (inverse - np.outer(solved, solved)) / 2
        gradient = deviation / self._deviation
        pairs = max(1, count * (count - 1) // 2)
        total = count * terms[0]
        by_places = [np.zeros_like(places) for places in parameters.places]
        for i in range(count):
            # d covariance / d log of the i-th kernel, times d loss / d covariance
            slope = by_covariance * (a / count * single[i] + b / pairs * (total - single[i]) * single[i] + c * terms[2])
            if i >= len(self._groups):
                x = self._points.numbers[:, i - len(self._groups)]
                r = np.sqrt(5 * parameters.weights[i]) * np.abs(x[:, None] - x)
                gradient[i] -= (slope * r * r * (1 + r) / (6 + 6 * r + 2 * r * r)).sum()
                continue
            group, weight = self._groups[i], parameters.weights[i]
            places = parameters.places[group]
            by_values = self._one_hot[i].T @ slope @ self._one_hot[i]
            gradient[i] -= weight * (by_values * _distances(places)).sum()
            pull = -weight * (by_values + by_values.T)
            by_places[group] += pull.sum(axis=1)[:, None] * places - pull @ places
        gradient[count : count + 3] += parameters.variances * [(by_covariance * term).sum() for term in terms]
        gradient[count + 3] += parameters.noise * np.trace(by_covariance)
        gradient[count + 4 :] += np.concatenate([np.zeros(0), *(each.ravel() for each in by_places)])
        return float(loss), gradient


def _terms(kernels: Array) -> tuple[Array, Array, Array]:
    """Return the mean of kernels, (hyperparameters, …), the mean of the products of pairs, and the product of all."""
    count = len(kernels)
    total = kernels.sum(axis=0)
    pairs = (total * total - (kernels * kernels).sum(axis=0)) / 2
    return total / count, pairs / max(1, count * (count - 1) // 2), kernels.prod(axis=0)


def _distances(places: Array) -> Array:
    """Return half the squared distances between places, (values, values)."""
    squares = (places * places).sum(axis=1)
    return np.asarray(np.maximum((squares[:, None] + squares) / 2 - places @ places.T, 0.0))
