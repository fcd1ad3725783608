"""The grid of a space in random order."""

from search.oracles.base import Answer, Oracle, answer
from search.oracles.points import permuted


class GridOracle(Oracle):
    """Proposes every point of the grid once, in a random order given by the seed.

    KerasTuner's order varies the last hyperparameter fastest, so an incomplete grid covers one corner of the space. In
    a random order, it covers the whole space. A continuous hyperparameter has ten values, evenly spaced in its
    coordinate. Points that differ only in inactive values count once.
    """

    _next = 0  # points with a smaller number have been proposed or rejected
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
