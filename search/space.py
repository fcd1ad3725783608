"""`Space`: hyperparameters, and the function from their values to a network and its training."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from resnet_core.arguments import checked_class
from resnet_core.command_line import assigned
from resnet_core.errors import UserError, nearest
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.recipes import DATA
from resnet_core.runs.spec import TrainSpec

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

Values = dict[str, Any]
Point = tuple[NetSpec, TrainSpec]
Declare = Callable[[Any, TrainSpec], Point]  # of `keras_tuner.HyperParameters`, which is not loaded here
MOST_LEVELS = 16  # values of a hyperparameter that are tried when a point is sought by one change at a time
RESERVED = {
    "trial", "run", "rank", "seed", "status", "step", "message", "seconds", "parameters",
    "macs", "layers", "label", "net", "value", "epochs", "objective",
}  # fmt: skip
"""Names that columns of the tables have."""
DECIDED = (*DATA, "data_sha256", "epochs", "steps", "test", "initial_weights", "initial_weights_sha256")
"""Fields of the training that are the same in all trials, so that these can be compared."""
ASKED = TrainSpec(steps=1, initial_weights="any")
"""A training of which any field may be changed, for the first call of a space."""


class SpaceError(UserError):
    """A mistake in a space, which occurs with all values."""


@checked_class
@dataclass(frozen=True)
class Space:
    """Networks and their trainings, by hyperparameters.

    Attributes:
        name: Name of the space, as in `--space NAME`.
        about: Description in one line.
        declare: Function from `hp` and the base training to the point of the values in `hp`. It must ask `hp` for every
            hyperparameter in every call. A hyperparameter that exists only with certain values of another has
            `parent_name` and `parent_values`; otherwise it is `None`.
        fixed: Values of hyperparameters that do not vary.
        registers: Whether the space is from a file that registers blocks or data sets, which every process must know.
        published: Name of the published network, if all points are trainings of it that start from its weights.
    """

    name: str
    about: str
    declare: Declare
    fixed: Mapping[str, Any] = field(default_factory=dict)
    registers: bool = False
    published: str = ""

    @cached_property
    def hyperparameters(self) -> "HyperParameters":
        """All hyperparameters, including fixed ones.

        Raises:
            UserError: There are no hyperparameters, or a fixed one does not exist.
        """
        from keras_tuner import HyperParameters

        declared = HyperParameters()
        self._declared(declared, ASKED)
        if not declared.space:
            raise SpaceError(f"a space must have a hyperparameter, but '{self.name}' asks for none")
        names = {hp.name for hp in declared.space}
        for name in sorted(names):
            if name in RESERVED or "." in name or "/" in name:
                raise SpaceError(
                    f"a hyperparameter must not have the name of a column, nor a dot or slash, but '{self.name}' asks "
                    f"for '{name}'; choose another name"
                )
        for name in self.fixed:
            if name not in names:
                raise UserError(f"--fix takes a hyperparameter of the space, but got '{name}'{nearest(name, names)}")
        hyperparameters = HyperParameters()
        for hp in declared.space:
            hyperparameters.merge([_fixed(hp, self.fixed[hp.name]) if hp.name in self.fixed else hp])
        return hyperparameters

    @property
    def names(self) -> list[str]:
        """Names of the hyperparameters that vary, in order."""
        space = self.hyperparameters.space
        return list(dict.fromkeys(hp.name for hp in space if len(levels(hp)) > 1 and self.reached(hp)))

    def reached(self, hp: Any) -> bool:
        """Return whether a hyperparameter can be active with the fixed values."""
        single = {
            parameter.name: levels(parameter) for parameter in self.hyperparameters.space if len(levels(parameter)) == 1
        }
        return all(set(single.get(c.name, c.values)) & set(c.values) for c in hp.conditions)

    def point(self, values: Mapping[str, Any], train: TrainSpec, data: DataInfo) -> Point:
        """Return the network and the training of these values.

        Args:
            values: Values of the active hyperparameters. Other entries are ignored.
            train: The base training.
            data: Description of the data set.

        Raises:
            UserError: Fields of the network or the training contradict each other.
            SpaceError: The function does not ask for all hyperparameters, or returns something else than a point.
        """
        hp = self.hyperparameters.copy()
        known = {parameter.name for parameter in hp.space}
        hp.values = {name: value for name, value in values.items() if name in known}
        count = len(hp.space)
        net, trained = self._declared(hp, train)
        if len(hp.space) > count:
            raise SpaceError(
                f"a hyperparameter must be asked for in every call, but '{hp.space[count].name}' of the space "
                f"'{self.name}' is not; give it parent_name and parent_values in place of an if"
            )
        for name in DECIDED:
            if getattr(trained, name) != getattr(train, name):
                raise SpaceError(
                    f"all trials must be of the same data and length, but the space '{self.name}' changes `{name}`; "
                    "take an option, or --set"
                )
        return net.replace(input_shape=data.input_shape, classes=data.classes), trained

    def _declared(self, hp: "HyperParameters", train: TrainSpec) -> Point:
        declared = self.declare(hp, train)
        kinds = [type(part) for part in declared] if isinstance(declared, tuple) else type(declared)
        if kinds != [NetSpec, TrainSpec]:
            raise SpaceError(f"a space must return a NetSpec and a TrainSpec, but '{self.name}' returned {kinds}")
        return declared

    def with_fixed(self, settings: Sequence[str]) -> "Space":
        """Return the space with the fixed values `NAME=VALUE`.

        Raises:
            UserError: The space has no such hyperparameter, or the hyperparameter cannot have the value.
        """
        by_name: dict[str, list[Any]] = {}
        for hp in self.hyperparameters.space:
            by_name.setdefault(hp.name, []).append(hp)
        fixed = dict(self.fixed)
        for setting in settings:
            name, text = assigned(setting, "--fix")
            if self.published and name in NetSpec.model_fields:
                raise UserError(
                    f"--fix takes a hyperparameter of the space, but `{name}` follows from the published network "
                    f"'{self.published}'; leave it out"
                )
            if name not in by_name:
                raise UserError(f"--fix takes a hyperparameter of the space, but got '{name}'{nearest(name, by_name)}")
            if name in fixed:
                raise UserError(f"a hyperparameter must be fixed once, but '{name}' is fixed again by --fix {setting}")
            fixed[name] = _parsed(by_name[name], text)
        space = replace(self, fixed=fixed)
        for name in fixed:
            if not any(space.reached(hp) for hp in space.hyperparameters.space if hp.name == name):
                raise UserError(
                    f"--fix takes a hyperparameter that is active, but '{name}' is not with {_settings(fixed, name)}"
                )
        return space

    def described(self) -> dict[str, Any]:
        """Return the range of each hyperparameter as text. A search is resumed only if these are equal."""
        words: dict[str, list[str]] = {}
        for hp in self.hyperparameters.space:
            words.setdefault(hp.name, []).append(range_of(hp) + "".join(f" if {_words(c)}" for c in hp.conditions))
        return {name: "; ".join(ranges) for name, ranges in words.items()}

    def least(self, amount: Callable[[Values], float], start: Values | None = None) -> tuple[Values, float]:
        """Return the values with the least amount that is found by one change at a time.

        Args:
            amount: Function from values to an amount, which is infinite if the values have no point.
            start: Values to begin with; by default, the defaults.
        """
        best = self.active({}) if start is None else start
        least = amount(best)
        while True:
            tried = [(amount(values), values) for values in self.neighbours(best)]
            cost, values = min(tried, key=lambda pair: pair[0], default=(math.inf, best))
            if not cost < least:
                return best, least
            best, least = values, cost

    def neighbours(self, values: Values) -> Iterator[Values]:
        """Yield the values that differ in one active hyperparameter, and in those that depend on it."""
        for hp in self.hyperparameters.space:
            if hp.name in values:
                yield from (self.active({**values, hp.name: level}) for level in levels(hp) if level != values[hp.name])

    def active(self, values: Mapping[str, Any]) -> Values:
        """Return the values of the active hyperparameters. Missing values have their defaults."""
        from keras_tuner import HyperParameters

        hp = HyperParameters()
        for parameter in self.hyperparameters.space:
            hp.merge([parameter])
            if hp.is_active(parameter):
                hp.values[parameter.name] = values.get(parameter.name, parameter.default)
        return dict(hp.values)


def levels(hp: Any) -> list[Any]:
    """Return all values of a hyperparameter or, if there are many, some of them from the first to the last."""
    values = list(hp.values)
    if len(values) <= MOST_LEVELS:
        return values
    return [values[round(i * (len(values) - 1) / (MOST_LEVELS - 1))] for i in range(MOST_LEVELS)]


def range_of(hp: Any) -> str:
    """Return the range of a hyperparameter as text."""
    match type(hp).__name__:
        case "Fixed":
            return str(hp.value)
        case "Float" | "Int":
            scale = "" if hp.sampling == "linear" else f", {hp.sampling}"
            step = "" if hp.step is None or (type(hp).__name__, hp.step) == ("Int", 1) else f", step {hp.step}"
            return f"{hp.min_value} to {hp.max_value}{step}{scale}"
        case _:
            return ", ".join(map(str, hp.values))


def _settings(fixed: Mapping[str, Any], without: str) -> str:
    return ", ".join(f"{name}={value}" for name, value in fixed.items() if name != without)


def _words(condition: Any) -> str:
    return f"{condition.name} is {' or '.join(map(str, condition.values))}"


def _fixed(hp: Any, value: Any) -> Any:
    from keras_tuner.src.engine.hyperparameters.hp_types import Fixed

    return Fixed(name=hp.name, value=value, conditions=hp.conditions)


def _parsed(choices: Sequence[Any], text: str) -> Any:
    """Return the value of `text` for one of the hyperparameters of a name.

    Raises:
        UserError: No hyperparameter can have the value.
    """
    number = _number(text)
    for hp in choices:
        if type(hp).__name__ == "Float":
            if hp.min_value <= number <= hp.max_value:
                return number
            continue
        for value in hp.values:
            if str(value).lower() == text.lower() or (not isinstance(value, str) and value == number):
                return value
    ranges = " or ".join(range_of(hp) for hp in choices)
    raise UserError(f"`{choices[0].name}` must be of its range, {ranges}, but got '{text}'")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
