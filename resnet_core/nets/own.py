"""`OwnNet`: a network that a user's function builds as a functional `keras.Model`, as data."""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Self

from pydantic import Field, PositiveInt, model_validator

from resnet_core.errors import UserError
from resnet_core.nets.registry import BLOCKS, NETWORKS, code_of, code_of_network, register_network
from resnet_core.nets.spec import NetSpec
from resnet_core.spec_model import Spec

DATA = ("input_shape", "classes")
"""Arguments that every such function takes; their values come from the data set."""


class OwnNet(Spec):
    """A network that a user's function builds.

    Attributes:
        network: Name of the function.
        arguments: Its keyword arguments, as JSON, without `input_shape` and `classes`.
        input_shape: Height, width and channels of an image.
        classes: Number of classes.
    """

    network: Annotated[str, Field(min_length=1)]
    arguments: str = "{}"
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt] = (32, 32, 3)
    classes: Annotated[int, Field(ge=2)] = 10

    @model_validator(mode="after")
    def _legal(self) -> Self:
        try:
            is_object = isinstance(json.loads(self.arguments), dict)
        except ValueError:
            is_object = False
        if not is_object:
            raise UserError(f"`arguments` must be a JSON object, but got {self.arguments!r}")
        return self

    @classmethod
    def from_function(cls, function: Callable[..., Any]) -> Self:
        """Return the network that a function builds, and register the function.

        Args:
            function: A function at the top of a module, or a `functools.partial` of it with keyword arguments that
                JSON has. It takes `input_shape` and `classes` and returns a functional `keras.Model` from images
                (batch, height, width, channels) to logits (batch, classes).

        Raises:
            UserError: The function has no such form.
        """
        given: dict[str, Any] = {}
        while isinstance(function, partial):
            if function.args:
                raise UserError(
                    f"a network's arguments must be given by name, but got {function.args!r}; use "
                    "partial(function, name=value)"
                )
            given = {**function.keywords, **given}
            function = function.func
        register_network(function)
        takes = inspect.signature(function).parameters
        if not {*DATA} <= {*takes} and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
            raise UserError(
                f"a function that builds a network must take input_shape and classes, but `{function.__name__}` takes "
                f"{', '.join(takes) or 'nothing'}"
            )
        try:
            arguments = json.dumps(given, sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise UserError(
                f"a network's arguments must be numbers, texts and lists, which the id of a run depends on, but "
                f"`{function.__name__}` was given {given!r}: {error}"
            ) from None
        return cls(network=function.__name__, arguments=arguments)


Net = NetSpec | OwnNet


def net_of(values: Mapping[str, Any]) -> Net:
    """Return the `NetSpec` or `OwnNet` with these fields."""
    return OwnNet(**values) if "network" in values else NetSpec(**values)


def code_of_net(net: Net) -> str:
    """Return the hash of the user's code that a network depends on. It is empty if there is no such code, or if the
    code is not registered in this process.

    Raises:
        UserError: The code refers to a value that cannot be hashed.
    """
    return code_of_network(net.network) if isinstance(net, OwnNet) else code_of(net.block)


def name_of_code(net: Net) -> str:
    """Return the registered name of the code of a network: of its block or its function."""
    return net.network if isinstance(net, OwnNet) else net.block


def described_code(net: Net) -> str:
    """Return the code of a network in words for error messages, such as `the block 'basic'`."""
    return f"the {'network' if isinstance(net, OwnNet) else 'block'} '{name_of_code(net)}'"


def is_known(net: Net) -> bool:
    """Return whether the code of a network is registered in this process."""
    return net.network in NETWORKS if isinstance(net, OwnNet) else net.block in BLOCKS


def spec_of(net: Net) -> NetSpec:
    """Return a network as a `NetSpec`.

    Raises:
        UserError: The network is an `OwnNet`.
    """
    if isinstance(net, OwnNet):
        raise UserError(f"only a NetSpec has fields to change, but got the function `{net.network}`")
    return net
