"""Points of a KerasTuner space: active values, coordinates in [0, 1], random points, neighbours and grids.

A point is the dictionary of its active values, as in `keras_tuner.Trial.hyperparameters.values`. A space is walked in
the order in which its hyperparameters were declared, in which a parent precedes the hyperparameters that depend on it.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import numpy as np
from keras_tuner import HyperParameters
from keras_tuner.engine import hyperparameters as kinds
from keras_tuner.engine.hyperparameters import HyperParameter

from resnet_core.errors import UserError

Values = dict[str, Any]
MOST_CHOICES = 1000  # a number with a step and more values counts as continuous
MOST_SPREAD = 256  # points of a spread sequence, after which points are random
STEP = 0.2  # standard deviation of the mutation of a number, as a fraction of its range
ASIDE = "tuner/"  # prefix of the values that KerasTuner's Hyperband adds to a point


def own(values: Values) -> Values:
    """Return the values without those that set the length of a trial."""
    return {name: value for name, value in values.items() if not name.startswith(ASIDE)}


class SamplerSpace:
    """The hyperparameters of a search, for samplers.

    Attributes:
        hyperparameters: The hyperparameters in the order of their declaration. A name that is declared under several
            conditions has several.
    """

    def __init__(self, hyperparameters: HyperParameters) -> None:
        self.hyperparameters: list[HyperParameter] = list(hyperparameters.space)
        self._choices = [_choices(hp) for hp in self.hyperparameters]
        self._parents = {condition.name for hp in self.hyperparameters for condition in hp.conditions}
        self._counts: dict[tuple[Any, ...], int] = {}

    def walk(self, choose: Callable[[int, HyperParameter], Any]) -> Values:
        """Return the point with the active values `choose(index, hyperparameter)`, which are chosen one by one."""
        values: Values = {}
        for index, hp in enumerate(self.hyperparameters):
            if hp.name not in values and active(hp, values):
                values[hp.name] = choose(index, hp)
        return values

    def free(self, index: int) -> bool:
        """Return whether a hyperparameter has more than one value."""
        choices = self._choices[index]
        return choices is None or len(choices) > 1

    def choices(self, index: int) -> list[Any] | None:
        """Return the values of a hyperparameter in order, or `None` if it is continuous."""
        return self._choices[index]

    def ordered(self, index: int) -> bool:
        """Return whether a hyperparameter is a number, or a choice of ordered numbers."""
        hp = self.hyperparameters[index]
        return hp.ordered if isinstance(hp, kinds.Choice) else isinstance(hp, (kinds.Int, kinds.Float))

    def value(self, index: int, coordinate: float) -> Any:
        """Return the value at a coordinate in [0, 1]. A log-scaled hyperparameter has a log-scaled coordinate."""
        choices = self._choices[index]
        if choices is not None:
            return choices[min(int(coordinate * len(choices)), len(choices) - 1)]
        hp = self.hyperparameters[index]
        value = hp.prob_to_value(min(max(coordinate, 0.0), 1.0 - 1e-12))
        return min(max(value, hp.min_value), hp.max_value)

    def coordinate(self, index: int, value: Any) -> float:
        """Return the coordinate in [0, 1] of a value. The i-th of n values, counted from 0, has (i + 1/2) / n."""
        choices = self._choices[index]
        if choices is not None:
            return (self.place(index, value) + 0.5) / len(choices)
        return float(np.clip(self.hyperparameters[index].value_to_prob(value), 0.0, 1.0))

    def place(self, index: int, value: Any) -> int:
        """Return the index of a value of a hyperparameter that is not continuous; for numbers, of the nearest value."""
        choices = self._choices[index]
        assert choices is not None
        if value in choices:
            return choices.index(value)
        return int(np.argmin([abs(choice - value) for choice in choices]))

    def sample(self, rng: np.random.Generator) -> Values:
        """Return a random point, whose coordinates are uniform."""
        return self.walk(lambda index, _: self.value(index, rng.random()))

    def spread(self, seed: int) -> Iterator[Values]:
        """Yield points that are spread over the space, from a scrambled Sobol sequence (Owen 1998).

        Each hyperparameter has an axis of the sequence, whether it is active or not. Each of 2^k equal parts of an axis
        has one of the first 2^k points.

        Args:
            seed: Seed of the scrambling.
        """
        from scipy.stats import qmc

        if not self.hyperparameters:
            return
        sequence = qmc.Sobol(len(self.hyperparameters), seed=seed)
        for _ in range(MOST_SPREAD):
            (place,) = sequence.random(1)
            yield self.walk(lambda index, _, place=place: self.value(index, place[index]))  # type: ignore[misc]

    def repair(self, values: Values, rng: np.random.Generator) -> Values:
        """Return the point with these values, as far as they are active. Missing active values are random.

        A name may stand for several hyperparameters. A value that the active one of them cannot have counts as missing.
        """

        def choose(index: int, hp: HyperParameter) -> Any:
            kept = hp.name in values and self._is_legal(index, values[hp.name])
            return values[hp.name] if kept else self.value(index, rng.random())

        return self.walk(choose)

    def _is_legal(self, index: int, value: Any) -> bool:
        """Return whether a hyperparameter may have this value."""
        hp, choices = self.hyperparameters[index], self._choices[index]
        if choices is not None:
            return value in choices
        within = isinstance(value, (int, float)) and hp.min_value <= value <= hp.max_value
        return within and (isinstance(hp, kinds.Float) or value == int(value))

    def mutate(self, values: Values, rng: np.random.Generator) -> Values:
        """Return a point that differs in one active value: another category, or a number at a normal distance.

        Values that become active by the change are random. A point without a free value does not change.
        """
        places = [index for index, _ in self.active(values) if self.free(index)]
        if not places:
            return dict(values)
        index = int(rng.choice(places))
        name = self.hyperparameters[index].name
        return self.repair({**values, name: self._another(index, values[name], rng)}, rng)

    def _another(self, index: int, value: Any, rng: np.random.Generator) -> Any:
        if self.ordered(index):
            for _ in range(20):
                stepped = self.value(index, float(np.clip(self.coordinate(index, value) + rng.normal(0, STEP), 0, 1)))
                if stepped != value:
                    return stepped
        choices = self._choices[index] or [self.value(index, rng.random())]
        others = [choice for choice in choices if choice != value]
        return others[rng.integers(len(others))] if others else value

    def active(self, values: Values) -> Iterator[tuple[int, HyperParameter]]:
        """Yield the index and the hyperparameter of each active hyperparameter whose value is in the point."""
        seen = set()
        for index, hp in enumerate(self.hyperparameters):
            if hp.name in values and hp.name not in seen and active(hp, values):
                seen.add(hp.name)
                yield index, hp

    def complete(self, values: Values) -> Values:
        """Return a point with defaults for missing active values.

        Raises:
            UserError: A name is unknown or inactive, or a hyperparameter cannot have a value.
        """

        def choose(index: int, hp: HyperParameter) -> Any:
            if hp.name not in values:
                return hp.default
            value, choices = values[hp.name], self._choices[index]
            if self._is_legal(index, value):
                if choices is not None:
                    return choices[choices.index(value)]
                return float(value) if isinstance(hp, kinds.Float) else int(value)
            rule = f"one of {choices}" if choices is not None else f"between {hp.min_value} and {hp.max_value}"
            raise UserError(f"`{hp.name}` of a point to start from must be {rule}, but got {value!r}")

        point = self.walk(choose)
        stray = sorted(own(values).keys() - point.keys())
        if stray:
            known = any(hp.name == stray[0] for hp in self.hyperparameters)
            fault = "is not active in" if known else "is not a hyperparameter of"
            raise UserError(
                f"a point to start from must have active values only, but `{stray[0]}` {fault} {values}; leave it out"
            )
        return point

    def grid_values(self, index: int) -> list[Any]:
        """Return the values of a hyperparameter on a grid: all, or the ten of KerasTuner's grid if it is continuous."""
        choices = self._choices[index]
        return sorted({self.value(index, (i + 0.5) / 10) for i in range(10)}) if choices is None else choices

    def grid_size(self) -> int:
        """Return the number of points of the grid. Points that differ only in inactive values count once."""
        return self._grid_count(0, {})

    def grid_point(self, number: int) -> Values:
        """Return a point of the grid by its number, counted from 0. The last hyperparameter varies fastest."""
        values: Values = {}
        for index, hp in enumerate(self.hyperparameters):
            if hp.name in values or not active(hp, values):
                continue
            for value in self.grid_values(index):
                count = self._grid_count(index + 1, {**values, hp.name: value})
                if number < count:
                    values[hp.name] = value
                    break
                number -= count
        return values

    def _grid_count(self, index: int, values: Values) -> int:
        """Return the number of points of the grid with these values of the hyperparameters before `index`."""
        if index == len(self.hyperparameters):
            return 1
        hp = self.hyperparameters[index]
        key = (index, hp.name in values, *((name, values.get(name)) for name in sorted(self._parents)))
        if key not in self._counts:
            if hp.name in values or not active(hp, values):
                count = self._grid_count(index + 1, values)
            elif hp.name in self._parents:
                count = sum(self._grid_count(index + 1, {**values, hp.name: v}) for v in self.grid_values(index))
            else:
                options = self.grid_values(index)
                count = len(options) * self._grid_count(index + 1, {**values, hp.name: options[0]})
            self._counts[key] = count
        return self._counts[key]


def active(hyperparameter: HyperParameter, values: Values) -> bool:
    """Return whether these values meet all conditions of a hyperparameter."""
    return all(condition.is_active(values) for condition in hyperparameter.conditions)


def _choices(hp: HyperParameter) -> list[Any] | None:
    """Return the values of a hyperparameter in order, or `None` if it is continuous."""
    if not isinstance(hp, (kinds.Int, kinds.Float)):
        return list(hp.values)
    number = int if isinstance(hp, kinds.Int) else float
    if hp.min_value == hp.max_value:
        return [number(hp.min_value)]
    if hp.step is None or (hp.sampling == "linear" and hp.max_value - hp.min_value > MOST_CHOICES * hp.step):
        return None
    return [number(value) for value in hp.values]


def permuted(number: int, size: int, seed: int) -> int:
    """Return the image of a number under a random permutation of `size` numbers.

    The permutation is a Feistel network of four rounds over the next larger power of 4, applied until the result is in
    the range.

    Args:
        number: A number from 0 to `size` - 1.
        size: Number of permuted numbers.
        seed: Seed of the permutation.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask = (1 << half) - 1
    while True:
        left, right = number >> half, number & mask
        for turn in range(4):
            digest = blake2b(f"{seed} {turn} {right}".encode(), digest_size=16 + half // 8).digest()
            left, right = right, left ^ (int.from_bytes(digest, "little") & mask)
        number = left << half | right
        if number < size:
            return number
