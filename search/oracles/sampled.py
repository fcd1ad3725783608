"""Optuna's samplers behind an oracle: TPE and NSGA-II."""

import warnings
from typing import Any

import optuna
from keras_tuner.engine.trial import Trial
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler

from search.oracles.base import Answer, Oracle, answer
from search.oracles.points import Values

STARTUP = 10  # random points before TPE has a model
REPEATS = 20  # rejected proposals of a sampler before a point near the last one is proposed
POPULATION = 25

optuna.logging.set_verbosity(optuna.logging.WARNING)


class SampledOracle(Oracle):
    """Proposes points of an Optuna sampler.

    For each proposal, a new Optuna study is made from the trials so far, so that the proposal depends only on these and
    the seed. The sampler suggests the index of the value of an ordered hyperparameter, the coordinate of a continuous
    one, and the value of another. An open trial counts as ended and worst, so that the proposal is away from it.
    """

    def populate_space(self, trial_id: str) -> Answer:
        if len(self.ended) < STARTUP:
            return answer(self._random_values())
        study = self._study()
        values: Values = {}
        for _ in range(REPEATS):
            values = self._suggested(study.ask())
            if self.may_propose(values):
                return answer(values)
        return answer(self.near(values))

    def sampler(self, seed: int) -> BaseSampler:
        """Return a sampler with this seed."""
        raise NotImplementedError

    def attributes(self, trial: Trial) -> dict[str, Any]:
        """Return the system attributes of a trial for the sampler."""
        return {}

    def _study(self) -> optuna.Study:
        seed = int(self.rng("optuna").integers(2**32))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = self.sampler(seed)
        study = optuna.create_study(sampler=sampler, directions=["minimize"] * len(self.directions))
        ended, costs = self.ended, self.costs(self.ended)
        trials = [*zip(ended, costs), *((trial, costs.max(axis=0)) for trial in self.open)]
        study.add_trials([self._frozen(trial, cost) for trial, cost in trials])
        return study

    def _frozen(self, trial: Trial, cost: Any) -> optuna.trial.FrozenTrial:
        values = trial.hyperparameters.values
        places = [(index, hp) for index, hp in self.space.active(values) if self.space.free(index)]
        return optuna.trial.create_trial(
            params={self._name(index): self._to(index, values[hp.name]) for index, hp in places},
            distributions={self._name(index): self._distribution(index) for index, _ in places},
            values=[float(value) for value in cost],
            system_attrs=self.attributes(trial),
        )

    def _suggested(self, trial: optuna.Trial) -> Values:
        def choose(index: int, _: Any) -> Any:
            name, choices = self._name(index), self.space.choices(index)
            if choices is None:
                return self.space.value(index, trial.suggest_float(name, 0.0, 1.0))
            if len(choices) == 1:
                return choices[0]
            if self.space.ordered(index):
                return choices[trial.suggest_int(name, 0, len(choices) - 1)]
            return trial.suggest_categorical(name, choices)

        return self.space.walk(choose)

    def _name(self, index: int) -> str:
        return f"{index} {self.space.hyperparameters[index].name}"

    def _distribution(self, index: int) -> BaseDistribution:
        choices = self.space.choices(index)
        if choices is None:
            return FloatDistribution(0.0, 1.0)
        if self.space.ordered(index):
            return IntDistribution(0, len(choices) - 1)
        return CategoricalDistribution(choices)

    def _to(self, index: int, value: Any) -> Any:
        if self.space.choices(index) is None:
            return self.space.coordinate(index, value)
        return self.space.place(index, value) if self.space.ordered(index) else value


class TPEOracle(SampledOracle):
    """The tree-structured Parzen estimator of Optuna, multivariate (Falkner et al. 2018), grouped by condition."""

    def sampler(self, seed: int) -> BaseSampler:
        return TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=STARTUP)


class NSGA2Oracle(SampledOracle):
    """NSGA-II (Deb et al. 2002) of Optuna, with generations of `POPULATION` consecutive trials."""

    def sampler(self, seed: int) -> BaseSampler:
        return NSGAIISampler(seed=seed, population_size=POPULATION)

    def attributes(self, trial: Trial) -> dict[str, Any]:
        return {NSGAIISampler._get_generation_key(): int(trial.trial_id) // POPULATION}
