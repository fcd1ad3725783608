"""The registry of probes.

A probe is a function from a network and its data to rows:

    @register_probe("dead", passes=lambda net: Passes(forward=1))
    def dead(net, images):
        "Share of units that are 0 for every image, at each place between blocks."
        for place, values in zip(net.places, net.at_places(images)):
            yield row(place, value=float((values.numpy() == 0).all(axis=0).mean()))

A probe of this project is a file in `probes.kinds`; it is named in `probes.__init__` and in the table of the README.

This module loads neither TensorFlow nor pandas, so that a command can list the probes at once.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal, Protocol

from resnet_core.errors import UserError, nearest
from resnet_core.seeds import global_numbers_kept

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
When = Literal["any", "after"]
COLUMNS = ("probe", "layer", "block", "index", "path", "value")
"""Columns of every row. A probe may add its own."""
AT = "at"
"""Name of the setting that lists the steps at which a probe is measured. No option of a probe may have this name."""
NEEDS: Mapping[str, str] = {
    "images": "a batch of images",
    "labels": "their labels",
    "initial": "the same network at its initial weights",
    "other": "a second network",
    "train_images": "training images",
    "train_labels": "their labels",
}
"""Inputs that a probe may need: argument names besides the network."""


@dataclass(frozen=True)
class Passes:
    """The cost of a probe, in passes of its images through the whole network.

    Attributes:
        forward: Forward passes.
        backward: Backward passes.
    """

    forward: float = 0.0
    backward: float = 0.0


class Sized(Protocol):
    """The size of a network, on which the cost of a probe depends."""

    @property
    def block_count(self) -> int:
        """Number of blocks."""

    @property
    def layer_count(self) -> int:
        """Number of layers with a kernel."""


@dataclass(frozen=True)
class Probe:
    """A registered probe. Call it with a model and its data to get a table.

    Attributes:
        name: Name of the probe.
        measure: Function from a `Subject` and the needed inputs to rows.
        passes: Cost of the probe, a function of the number of blocks and layers.
        when: When the probe can be measured. `any`: also during training. `after`: only after training.
        best, worst: Best and worst possible values of a row; `None` if there is no such bound.
        half: Whether a network in half precision is measured as it computes. Otherwise a float32 copy is measured, for
            probes whose gradients float16 is too coarse for.
    """

    name: str
    measure: Callable[..., Iterable[Row]]
    passes: Callable[[Sized], Passes]
    when: When = "after"
    best: float | None = None
    worst: float | None = None
    half: bool = True

    @property
    def about(self) -> str:
        """The first line of the probe's docstring."""
        return (inspect.getdoc(self.measure) or "").split("\n", 1)[0]

    @property
    def needs(self) -> tuple[str, ...]:
        """The inputs that the probe takes besides the network, by names of `NEEDS`."""
        parameters = list(inspect.signature(self.measure).parameters)[1:]
        return tuple(name for name in parameters if name in NEEDS)

    @property
    def required(self) -> tuple[str, ...]:
        """The needs without a default."""
        parameters = inspect.signature(self.measure).parameters
        return tuple(name for name in self.needs if parameters[name].default is inspect.Parameter.empty)

    @property
    def options(self) -> dict[str, Any]:
        """The probe's own options with their defaults."""
        parameters = inspect.signature(self.measure).parameters
        return {name: p.default for name, p in list(parameters.items())[1:] if name not in NEEDS}

    def rows(self, model: Any, *args: Any, **named: Any) -> Iterator[Row]:
        """Yield the rows of a model, `layer`, `block`, `index`, `path`, `value` and the probe's own coordinates.

        Args:
            model: A functional `keras.Model` with one input and one output, or a `Subject`.
            *args: Inputs that the probe needs, in the order of `needs`: images, (n, height, width, channels),
                preprocessed as the model expects; labels, (n,), integers.
            **named: Inputs by name, and options of the probe.

        Raises:
            UserError: An input is missing, an option is unknown, the model is not functional, or the probe gives no row
                of it.
        """
        from resnet_core.probes.subject import subject_of

        given = self._bound(args, named)
        net = subject_of(model)
        with global_numbers_kept():
            rows = list(self.measure(net if self.half else net.in_float32(), **given))
        if not rows:
            raise UserError(
                f"a network must have what the probe '{self.name}' measures, but it gives no row of "
                f"'{net.model.name}', with {net.block_count} blocks and {net.layer_count} layers with a kernel"
            )
        yield from ({"probe": self.name, **values} for values in rows)

    def __call__(self, model: Any, *args: Any, **named: Any) -> "pd.DataFrame":
        """Return the rows of a model as a table; for the arguments see `rows`."""
        import pandas as pd

        table = pd.DataFrame(list(self.rows(model, *args, **named)))
        first = [name for name in COLUMNS if name in table]
        return table[[*first, *(name for name in table if name not in first)]]

    def _bound(self, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        needs = self.needs
        if len(args) > len(needs):
            raise UserError(
                f"the probe '{self.name}' takes {len(needs)} arguments beside the model ({', '.join(needs)}), "
                f"but got {len(args)}"
            )
        given = dict(zip(needs, args)) | named
        for name in given:
            if name not in needs and name not in self.options:
                raise UserError(
                    f"an option of the probe '{self.name}' must be one of {', '.join(self.options) or 'none'}, "
                    f"but got '{name}'{nearest(name, self.options)}"
                )
        for name in self.required:
            if name not in given:
                raise UserError(f"the probe '{self.name}' needs `{name}`, {NEEDS[name]}; give it")
        return given


PROBES: dict[str, Probe] = {}


def register_probe(
    name: str,
    *,
    passes: Callable[[Sized], Passes],
    when: When = "after",
    best: float | None = None,
    worst: float | None = None,
    half: bool = True,
) -> Callable[[Callable[..., Iterable[Row]]], Probe]:
    """Register the decorated function as the probe `name`, and return the `Probe`.

    The first argument of the function is the network, a `resnet_core.probes.subject.Subject`. Arguments with a name of
    `NEEDS` are the inputs that the probe needs. All other arguments are options and must have defaults. The function
    yields rows, which `row` and `whole` make. It must not change the weights and the moving statistics.

    Args:
        name: A new name.
        passes: Cost of the probe: a function from a `Sized` to `Passes`.
        when: See `Probe`.
        best: See `Probe`.
        worst: See `Probe`.
        half: See `Probe`.

    Raises:
        UserError: There is another probe of this name; an argument is not in `NEEDS` and has no default; or an argument
            is called `at`.
    """

    def register(measure: Callable[..., Iterable[Row]]) -> Probe:
        known = PROBES.get(name)
        if known and (known.measure.__module__, known.measure.__qualname__) != (
            measure.__module__,
            measure.__qualname__,
        ):
            raise UserError(f"a probe's name must be new, but there is a probe '{name}' already; choose another")
        for argument, parameter in list(inspect.signature(measure).parameters.items())[1:]:
            if argument == AT:
                raise UserError(
                    f"an option of a probe must not be called `{AT}`, which says at which steps it is measured"
                )
            if argument not in NEEDS and parameter.default is inspect.Parameter.empty:
                raise UserError(
                    f"an argument of a probe must be one of {', '.join(NEEDS)} or have a default, but `{argument}` of "
                    f"'{name}' is not and has none"
                )
        PROBES[name] = Probe(name, measure, passes, when, best, worst, half)
        return PROBES[name]

    return register


def probes() -> dict[str, Probe]:
    """Return all registered probes by name, those of this package first."""
    kinds = import_module("resnet_core.probes.kinds")
    for module in iter_modules(kinds.__path__):
        import_module(f"{kinds.__name__}.{module.name}")
    return PROBES


def probe(name: str) -> Probe:
    """Return the probe of this name.

    Raises:
        UserError: No probe of this name is registered.
    """
    if name not in probes():
        raise UserError(f"a probe must be a registered one, but got '{name}'{nearest(name, PROBES)}")
    return PROBES[name]


def row(place: Any, *, value: float, **coordinates: Any) -> Row:
    """Return a row of the table of a probe, for one place in the network.

    Args:
        place: A `Layer`, `Join`, `Place` or `Block` of an anatomy, with `layer`, `block`, `index` and `path`.
        value: The measured value.
        **coordinates: Further columns of the probe.
    """
    named = {name: getattr(place, name) for name in ("layer", "block", "index", "path")}
    return {**named, "value": value, **coordinates}


def whole(*, value: float, **coordinates: Any) -> Row:
    """Return a row of the table of a probe, for the network as a whole."""
    return {"layer": "", "block": "", "index": 0, "path": "main", "value": value, **coordinates}
