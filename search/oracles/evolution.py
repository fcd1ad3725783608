"""Regularised evolution."""

import numpy as np

from analysis.pareto import crowding, front_ranks
from search.oracles.base import Answer, Oracle, answer

POPULATION = 25
SAMPLE = 8


class EvolutionOracle(Oracle):
    """Regularised evolution (Real et al. 2019): the oldest die, not the worst.

    The population is the last `POPULATION` ended trials. Of these, `SAMPLE` are drawn at random. The best of them has a
    child that differs in one active hyperparameter. With several objectives, the best trial is the least crowded of the
    lowest front.
    """

    def populate_space(self, trial_id: str) -> Answer:
        if len(self.trials) < POPULATION or not self.ended:
            return answer(self._random_values())
        population = self.ended[-POPULATION:]
        rng = self.rng("evolution")
        costs = self.costs(population)
        ranks = front_ranks(costs)
        order = np.lexsort((rng.random(len(population)), -crowding(costs, ranks), ranks))
        place = np.argsort(order)
        entrants = rng.choice(len(population), min(SAMPLE, len(population)), replace=False)
        parent = population[min(entrants, key=lambda entrant: place[entrant])]
        return answer(self.near(self.space.mutate(parent.hyperparameters.values, rng)))
