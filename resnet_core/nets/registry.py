"""Registries of the parts of a residual block: orders of normalisation and activation, branches, and functions that
build networks.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest
from resnet_core.fingerprint import fingerprint, is_ours
from resnet_core.users_code import guarded

Branch = Callable[..., Any]  # (Interpreter, Value, width, strides) -> Value


@dataclass(frozen=True)
class Order:
    """Positions of normalisation (`norm`) and activation (`act`) (He et al. 2016, figure 4).

    Attributes:
        pre: Operations before the branch; in the first block of a network, before the split.
        tail: Operations at the end of the branch. Between convolutions there are always both.
        post: Operations after the addition.
    """

    pre: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()
    post: tuple[str, ...] = ()

    @property
    def stem(self) -> tuple[str, ...]:
        """Operations after the first convolution: both, without those of the first block's `pre`."""
        return ("norm", "act")[: 2 - len(self.pre)]

    @property
    def head(self) -> tuple[str, ...]:
        """Operations before the global pooling: those that a next block would begin with."""
        return self.pre


ORDERS = {
    "original": Order(tail=("norm",), post=("act",)),
    "bn_after_addition": Order(post=("norm", "act")),
    "relu_before_addition": Order(tail=("norm", "act")),
    "relu_only_preactivation": Order(pre=("act",), tail=("norm",)),
    "full_preactivation": Order(pre=("norm", "act")),
}


@dataclass(frozen=True, eq=False)
class RegisteredBlock:
    """A registered branch F. Two blocks are equal if they are one registration.

    Attributes:
        branch: The function F of an interpreter, a value, the stage's width and the stride. It returns a map of width ·
            `expansion` channels.
        kernels: Default of `NetSpec.kernels`: kernel sizes of its convolutions, in order.
        expansion: Default of `NetSpec.expansion`: output channels divided by the width.
        code: See `Network`.
    """

    branch: Branch
    kernels: tuple[int, ...]
    expansion: int
    code: str | None = None


@dataclass(frozen=True, eq=False)
class Network:
    """A registered function that builds a network.

    Attributes:
        build: The function. It takes `input_shape`, `classes` and its own arguments, and returns a functional
            `keras.Model`.
        code: Hash of the code, if the function came from another process. `None` means that the code is hashed here.
    """

    build: Callable[..., Any]
    code: str | None = None


BLOCKS: dict[str, RegisteredBlock] = {}
NETWORKS: dict[str, Network] = {}


@checked
def register_block(name: str, *, kernels: tuple[int, ...] = (3, 3), expansion: int = 1) -> Callable[[Any], Any]:
    """Register the decorated function, or class with `__call__`, as the branch `NetSpec(block=name)`.

    A function or class of the same module and name may be registered again, as when a notebook cell is run again. It
    replaces the earlier one.

    Args:
        name: A new name.
        kernels: See `Block`. The depth of a network counts them.
        expansion: See `Block`.

    Raises:
        UserError: There is another block of this name.
    """

    def register(branch: Any) -> Any:
        known = BLOCKS.get(name)
        if known and (is_ours(known.branch) or _name(known.branch) != _name(branch)):
            raise UserError(f"a block's name must be new, but there is a block '{name}' already; choose another")
        BLOCKS[name] = RegisteredBlock(branch() if isinstance(branch, type) else branch, kernels, expansion)
        return branch

    return register


def _name(branch: Any) -> str:
    """Return the name of a branch in its module."""
    return str(getattr(branch, "__qualname__", type(branch).__qualname__))


def code_of(block: str) -> str:
    """Return the hash of the code of a user's block; empty for a block of this project and for an unknown one.

    Raises:
        UserError: The block refers to a value that cannot be hashed.
    """
    known = BLOCKS.get(block)
    if known is None or is_ours(known.branch):
        return ""
    if known.code is not None:
        return known.code
    with guarded(f"the code of the block '{block}' must be readable"):
        return fingerprint(known.branch, known.kernels, known.expansion)


def registered(name: str) -> RegisteredBlock:
    """Return the block of this name.

    Raises:
        UserError: No block of this name is registered.
    """
    if name not in BLOCKS:
        raise UserError(f"`block` must be a registered block, but got '{name}'{nearest(name, BLOCKS)}")
    return BLOCKS[name]


def register_network(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register a function that builds a functional `keras.Model`. A study registers its own functions.

    A function of the same module and name may be registered again, as when a cell of a notebook is run again. It
    replaces the earlier one.

    Raises:
        UserError: The function is not at the top level of a module, or the name is taken.
    """
    name = getattr(function, "__name__", "")
    if not inspect.isfunction(function) or name == "<lambda>" or "<locals>" in function.__qualname__:
        raise UserError(
            f"a network must be built by a function with a name, at the top of a module, but got {function!r}; define "
            "it there, and give its arguments by functools.partial"
        )
    known = NETWORKS.get(name)
    if known and known.code is None and known.build.__module__ != function.__module__:
        raise UserError(f"a network's name must be new, but there is a function '{name}' already; choose another")
    NETWORKS[name] = Network(function)
    return function


def registered_network(name: str) -> Network:
    """Return the registered function of this name.

    Raises:
        UserError: No function of this name is registered.
    """
    if name not in NETWORKS:
        raise UserError(
            f"a network must be built by a function that is known, but '{name}' is not; run its study, or name its "
            f"file by --plugin{nearest(name, NETWORKS) if NETWORKS else ''}"
        )
    return NETWORKS[name]


def code_of_network(name: str) -> str:
    """Return the hash of the code of a function that builds a network; empty if it is not known.

    Raises:
        UserError: The function refers to a value that cannot be hashed.
    """
    known = NETWORKS.get(name)
    if known is None or known.code is not None:
        return known.code or "" if known else ""
    with guarded(f"the code of the network '{name}' must be readable"):
        return fingerprint(known.build)
