"""KerasTuner's random search and Bayesian optimisation, hardened."""

import warnings

import numpy as np
from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import BayesianOptimizationOracle, RandomSearchOracle
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import ThreadpoolController

from search.oracles.base import Answer, Array, Oracle, answer

BLAS = ThreadpoolController().select(user_api="blas")


class RandomOracle(Oracle, RandomSearchOracle):  # type: ignore[misc]
    """Random search, with uniform coordinates of the hyperparameters."""


class BayesianOracle(Oracle, BayesianOptimizationOracle):  # type: ignore[misc]
    """KerasTuner's Gaussian process with an upper confidence bound. `gp` is better and much faster.

    The generator and the Gaussian process are made again for every proposal, so they have no state. If the proposed
    point was proposed before or is not accepted, a nearby point replaces it.
    """

    def populate_space(self, trial_id: str) -> Answer:
        seed = int(self.rng("bayesian").integers(2**32))
        self._random_state = np.random.RandomState(seed)  # KerasTuner's generator
        self.gpr = self._make_gpr().set_params(random_state=seed)
        with warnings.catch_warnings(), BLAS.limit(limits=1):
            warnings.simplefilter("ignore", ConvergenceWarning)
            if self.open and self.ended:
                self.gpr.fit(*self._vectorized(self.ended))  # it predicts the scores of open trials
            proposed: Answer = super().populate_space(trial_id)
        values = proposed["values"]
        return answer(None if values is None else self.near(values))

    def _vectorize_trials(self) -> tuple[Array, Array]:
        x, y = self._vectorized(self.ended)
        if self.open:
            open_x = self._vectorized(self.open)[0]
            mean, deviation = self.gpr.predict(open_x, return_std=True)
            x, y = np.vstack([x, open_x]), np.append(y, mean + deviation)
        return x, y

    def _vectorized(self, trials: list[Trial]) -> tuple[Array, Array]:
        """Return the coordinates, (trials, hyperparameters that are not fixed), and the costs of trials."""
        space = self._nonfixed_space()
        rows = np.zeros((len(trials), len(space)))
        for row, trial in zip(rows, trials):
            point = trial.hyperparameters
            values = [point.values.get(hp.name, hp.default) if point.is_active(hp) else hp.default for hp in space]
            row[:] = [hp.value_to_prob(value) for hp, value in zip(space, values)]
        completed = [trial for trial in trials if trial.status != TrialStatus.RUNNING]
        return rows, self.costs(completed)[:, 0] if completed else np.zeros(0)
