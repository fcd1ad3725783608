"""Searches that are compared: by our oracles, by `gp` without a part of it, by KerasTuner's and by other libraries.

Each is at its defaults. A number with few values is an ordered choice for our oracles and KerasTuner's, and the index
of a value for others.
"""

import tempfile
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import keras_tuner
import optuna
from keras_tuner.engine.trial import Trial

from benchmarks.tables import Space
from resnet_core.seeds import generator
from search.oracles import oracle
from search.oracles.base import Answer, answer
from search.oracles.gp import GPOracle

RANDOM = 10  # first points of `gp` without its initial design
OBJECTIVE = "loss"

Values = dict[str, Any]
Start = Callable[[Space, int, int], "Searcher"]


class Searcher:
    """Proposes points, one after another, and is told the loss of each."""

    def __init__(self) -> None:
        self.known: list[tuple[float, Values]] = []

    def ask(self) -> Values:
        """Return the next point."""
        raise NotImplementedError

    def tell(self, values: Values, loss: float) -> None:
        """Take the loss of the last point."""
        self.known.append((loss, values))

    def ends_with(self) -> Values:
        """Return the point that the search would end with: that of the best measurement."""
        return min(self.known, key=lambda known: known[0])[1]


class ByOracle(Searcher):
    """A search by a `keras_tuner.Oracle`."""

    trial: Trial

    def __init__(self, proposer: Any) -> None:
        super().__init__()
        self.oracle = proposer

    def ask(self) -> Values:
        self.trial = self.oracle.create_trial("tuner0")
        return dict(self.trial.hyperparameters.values)

    def tell(self, values: Values, loss: float) -> None:
        super().tell(values, loss)
        self.oracle.update_trial(self.trial.trial_id, {OBJECTIVE: loss})
        self.trial.status = "COMPLETED"
        self.oracle.end_trial(self.trial)


class Believing(ByOracle):
    """A search by an oracle that ends with the point that is believed to be the best."""

    def ends_with(self) -> Values:
        return dict(self.oracle.trials[self.oracle.beliefs()[0].trial].hyperparameters.values)


class RandomFirst(GPOracle):
    """`gp` without its initial design: with random points before its model."""

    def populate_space(self, trial_id: str) -> Answer:
        return answer(self._random_values()) if len(self.ended) < RANDOM else super().populate_space(trial_id)


class ByOptuna(Searcher):
    """A search by a sampler of Optuna."""

    trial: optuna.Trial

    def __init__(self, sampler: optuna.samplers.BaseSampler, space: Space) -> None:
        super().__init__()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.space, self.study = space, optuna.create_study(sampler=sampler)

    def ask(self) -> Values:
        self.trial = self.study.ask()
        return {name: self._suggested(name, values) for name, values in self.space.items()}

    def _suggested(self, name: str, values: list[Any]) -> Any:
        if isinstance(values[0], str):
            return self.trial.suggest_categorical(name, values)
        return values[self.trial.suggest_int(name, 0, len(values) - 1)]

    def tell(self, values: Values, loss: float) -> None:
        super().tell(values, loss)
        self.study.tell(self.trial, loss)


class BySMAC(Searcher):
    """A search by SMAC3's facade for hyperparameters; each trial is a new point."""

    def __init__(self, space: Space, trials: int, seed: int) -> None:
        import ConfigSpace  # these two are optional
        from smac import HyperparameterOptimizationFacade, Scenario

        super().__init__()
        self.space = space
        over = ConfigSpace.ConfigurationSpace(seed=seed)
        for name, values in space.items():
            if isinstance(values[0], str):
                over.add(ConfigSpace.CategoricalHyperparameter(name, values))
            else:
                over.add(ConfigSpace.UniformIntegerHyperparameter(name, 0, len(values) - 1))
        self.folder = tempfile.TemporaryDirectory()
        scenario = Scenario(over, deterministic=True, n_trials=trials, seed=seed, output_directory=self.folder.name)
        self.facade = HyperparameterOptimizationFacade(scenario, lambda config, seed: 0.0, logging_level=False)

    def ask(self) -> Values:
        self.trial = self.facade.ask()
        chosen = dict(self.trial.config)
        return {
            name: chosen[name] if isinstance(values[0], str) else values[int(chosen[name])]
            for name, values in self.space.items()
        }

    def tell(self, values: Values, loss: float) -> None:
        from smac.runhistory.dataclasses import TrialValue

        super().tell(values, loss)
        self.facade.tell(self.trial, TrialValue(cost=loss))


def over(space: Space) -> keras_tuner.HyperParameters:
    """Return a space as KerasTuner's."""
    hyperparameters = keras_tuner.HyperParameters()
    for name, values in space.items():
        hyperparameters.Choice(name, values)
    return hyperparameters


def objective() -> keras_tuner.Objective:
    return keras_tuner.Objective(OBJECTIVE, "min")


def by_oracle(name: str) -> Start:
    """Return what starts a search by an oracle of ours."""
    return lambda space, trials, seed: ByOracle(oracle(name, objective(), over(space), trials, seed))


def by_stock_oracle(kind: Any) -> Start:
    """Return what starts a search by an oracle of KerasTuner, which is kept from writing."""

    def start(space: Space, trials: int, seed: int) -> Searcher:
        warnings.simplefilter("ignore")  # of its Gaussian process
        apart = int(generator(seed, "stock").integers(1, 2**31))  # its seeds overlap where they are near each other
        proposer = kind(objective(), max_trials=trials, hyperparameters=over(space), seed=apart)
        proposer.verbose, proposer.save, proposer._save_trial = 0, lambda: None, lambda trial: None
        return ByOracle(proposer)

    return start


SEARCHERS: dict[str, Start] = {
    "gp": by_oracle("gp"),
    "gp, random first": lambda space, trials, seed: ByOracle(RandomFirst(objective(), trials, over(space), seed)),
    "gp, replicates": lambda space, trials, seed: Believing(
        oracle("gp", objective(), over(space), trials, seed, replicates=True)
    ),
    **{name: by_oracle(name) for name in ("tpe", "evolution", "nsga2", "random", "grid")},
    "KerasTuner random": by_stock_oracle(keras_tuner.oracles.RandomSearchOracle),
    "KerasTuner Bayesian": by_stock_oracle(keras_tuner.oracles.BayesianOptimizationOracle),
    "Optuna TPE": lambda space, trials, seed: ByOptuna(optuna.samplers.TPESampler(seed=seed), space),
    "Optuna GP": lambda space, trials, seed: ByOptuna(optuna.samplers.GPSampler(seed=seed), space),
    "SMAC3": BySMAC,
}
"""What starts a search of a space, with a number of trials and a seed, by its name."""
OF_PACKAGES = {"KerasTuner": "keras-tuner", "Optuna": "optuna", "SMAC3": "smac"}
"""The package of others' searches, by the first word of their names."""
NEEDS = {"Optuna GP": "torch", "SMAC3": "smac"}
"""The module without which a search is left out."""


def missing() -> dict[str, str]:
    """Return the module that is not installed, by the search that needs it."""
    return {name: module for name, module in NEEDS.items() if find_spec(module) is None}


def made_by(name: str, own: str) -> str:
    """Return the version of a search; of one of ours, `own`."""
    package = OF_PACKAGES.get(name.split()[0])
    return f"{package}-{version(package)}" if package else own
