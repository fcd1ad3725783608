"""The grid of a space in random order."""

from search.oracles.base import Answer, Oracle, answer
from search.oracles.points import permuted


class GridOracle(Oracle):
    """All points of the grid once, in an order that is a random permutation by the seed.

    KerasTuner's order varies the last hyperparameter fastest, so that a grid that is cut off covers one corner; a
    part of this one is spread over the whole. A continuous hyperparameter has ten values, evenly spaced in its
    coordinate; points that differ in inactive values only are one.
    """

    _next = 0  # those before have been proposed or rejected, of a grid of this size
    _size = 0

    def populate_space(self, trial_id: str) -> Answer:
        size = self.space.grid_size()
        if size != self._size:
            self._next, self._size = 0, size
        for place in range(self._next, size):
            values = self.space.grid_point(permuted(place, size, self.seed))
            self._next = place + 1
            if self.may_propose(values):
                return answer(values)
        return answer(None)
