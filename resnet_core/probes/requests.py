"""Requested measurements: probes with their options, and the images on which they are measured. Loads no TensorFlow."""

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from resnet_core.errors import UserError, did_you_mean, first_mistake
from resnet_core.fingerprint import fingerprint, is_users
from resnet_core.nets.cost import cost
from resnet_core.nets.own import Net, OwnNet
from resnet_core.probes.registry import AT, Passes, Probe, probe, probes
from resnet_core.spec_model import digest

Part = Literal["auto", "train", "val", "test"]
IMAGES = 512
END = "end"
"""Stands for the end of the training in a list of steps."""
TRAINING_TIMES = 4
"""Number of training images given to a probe, per image on which it is measured."""


@dataclass(frozen=True)
class Sample:
    """The images on which a probe is measured: a random choice that is the same for all runs of a data set.

    Attributes:
        part: Part of the data set. `auto` takes the test images or, if there are none, validation or training images.
        images: Number of images. If there are fewer, all are used.
    """

    part: Part = "auto"
    images: int = IMAGES


AUTO = Sample()
"""The default sample."""


@dataclass(frozen=True)
class ProbeRequest:
    """A requested probe.

    Attributes:
        name: Name of the probe.
        options: Options that differ from their defaults, as JSON values.
        code: Hash of the code of a user's probe; empty for a probe of this project.
        step: Number of updates after which the probe is measured; `None` for the end of the training.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    step: int | None = None

    @property
    def text(self) -> str:
        """The options as on the command line, such as `draws=10 seed=1`; empty for the defaults."""
        return " ".join(f"{name}={_text(value)}" for name, value in sorted(self.options.items()))

    @property
    def words(self) -> str:
        """The probe with its options and step as one text, in the form that `asked_for` reads."""
        step = "" if self.step is None else f"{AT}={self.step}"
        return " ".join(filter(None, (self.name, self.text, step)))

    @property
    def probe(self) -> Probe:
        """The probe."""
        return probe(self.name)


@dataclass(frozen=True)
class Item:
    """One requested measurement.

    Attributes:
        network_id: Id of the run, or of the network.
        asked: The probe.
        sample: The images.
        other: Id of the second network; empty if there is none.
    """

    network_id: str
    asked: ProbeRequest
    sample: Sample
    other: str = ""

    @property
    def id(self) -> str:
        """Hash of the measurement, 16 hexadecimal digits. Equal measurements have equal ids."""
        asked, sample = self.asked, self.sample
        options = json.dumps(dict(asked.options), sort_keys=True)
        step = () if asked.step is None else (f"step {asked.step}",)
        drawn = (sample.part, str(sample.images))
        return digest("measurement/1", self.network_id, asked.name, options, asked.code, *drawn, self.other, *step)


@dataclass(frozen=True)
class Size:
    """The size of a network, on which the cost of a probe depends, without building it."""

    block_count: int
    layer_count: int

    @classmethod
    def from_net(cls, net: Net) -> "Size":
        """Return the size of the network that a spec describes."""
        layers = cost(net).layers
        blocks = sum(layer.kind == "Add" for layer in layers) if isinstance(net, OwnNet) else sum(net.depths)
        return cls(blocks, sum(layer.macs > 0 for layer in layers))


def asked_for(
    words: Sequence[str], settings: Mapping[str, Mapping[str, Any]] | None = None
) -> tuple[ProbeRequest, ...]:
    """Return the requested probes.

    Args:
        words: For each probe its name, followed by options: `lesion`, `lesions draws=10`. `signal at=0,100,end` is
            measured after 0 and 100 updates and at the end of the training. Repeated probes count once.
        settings: Further options by the name of the probe. Texts are converted to the type of the option.

    Raises:
        UserError: A probe or an option is unknown, a value is illegal, or a probe is requested at a step although it
            can only be measured after the training.
    """
    items = {}
    for word in words:
        name, *options = word.split() or [""]
        given = {option: value for option, _, value in (text.partition("=") for text in options)}
        given |= (settings or {}).get(name, {})
        steps = _steps(probe(name), given.pop(AT, END))
        item = _asked(probe(name), given)
        for step in steps:
            items[item.name, item.text, step] = replace(item, step=step)
    return tuple(items.values())


def _steps(asked: Probe, text: Any) -> list[int | None]:
    """Return the steps at which a probe is requested; `None` stands for the end of the training."""
    words = str(text).split(",")
    for word in words:
        if word != END and not (word.isdecimal() and word.isascii() and int(word) < 10**9):
            raise UserError(
                f"`{AT}` of a probe must be steps and `{END}`, as {AT}=0,100,{END}, but got '{text}' for '{asked.name}'"
            )
    steps = [None if word == END else int(word) for word in words]
    if asked.when != "any" and steps != [None]:
        known = ", ".join(name for name, each in probes().items() if each.when == "any")
        raise UserError(
            f"a probe with `{AT}` must be one that makes sense in training ({known}), but got '{asked.name}'; "
            f"leave out `{AT}`"
        )
    return steps


def _asked(asked: Probe, options: Mapping[str, Any]) -> ProbeRequest:
    defaults = asked.options
    given = {}
    for name, value in options.items():
        if name not in defaults:
            raise UserError(
                f"an option of the probe '{asked.name}' must be one of {', '.join(defaults) or 'none'}, but got "
                f"'{name}'{did_you_mean(name, defaults)}"
            )
        parsed = _parsed(asked, name, value)
        if parsed != _plain(defaults[name]):
            given[name] = parsed
    code = fingerprint(asked.measure) if is_users(asked.measure) else ""
    return ProbeRequest(asked.name, given, code)


def _parsed(asked: Probe, name: str, value: Any) -> Any:
    """Return the value of an option as a JSON value."""
    kind: Any = inspect.signature(asked.measure).parameters[name].annotation
    if kind is inspect.Parameter.empty or isinstance(kind, str):
        default = asked.options[name]
        kind = Any if default is None else type(default)
    if isinstance(value, str) and (get_origin(kind) or kind) not in (str, Literal):
        origin = get_origin(kind) or kind
        if isinstance(origin, type) and issubclass(origin, Collection):
            value = [word for word in value.split(",") if word]
        elif value == "none" and type(None) in get_args(kind):
            value = None
    try:
        return _plain(TypeAdapter(kind).validate_python(value))
    except ValidationError as error:
        raise UserError(first_mistake(error, f"{asked.name}.{name}")) from None


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def unmeasurable(asked: ProbeRequest, given: Collection[str]) -> str:
    """Return why a probe cannot be measured with the inputs `given`, names of `registry.NEEDS`; empty if it can."""
    from resnet_core.probes.registry import NEEDS

    lacking = [name for name in asked.probe.required if name not in given]
    return f"it needs {' and '.join(NEEDS[name] for name in lacking)}" if lacking else ""


def total_passes(costs: Sequence[tuple[ProbeRequest, Any]]) -> Passes:
    """Return the total passes of probes, each paired with the `Sized` of its network."""
    passes = [asked.probe.passes(size) for asked, size in costs]
    return Passes(sum(each.forward for each in passes), sum(each.backward for each in passes))
