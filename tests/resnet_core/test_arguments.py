"""Arguments of the Python interface: another type is one line that names the argument."""

import inspect
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import ablations
import resnet_core
import search
from ablations.study_results import Results
from resnet_core import probes
from resnet_core.arguments import Folder, checked, checked_class
from resnet_core.errors import UserError
from search.session import SearchResults

PACKAGES = {"ablations": ablations, "resnet_core": resnet_core, "resnet_core.probes": probes, "search": search}
PUBLIC = {f"{name}.{word}": (package, word) for name, package in PACKAGES.items() for word in package.__all__}
METHODS = [
    method
    for cls in (Results, SearchResults)
    for name, method in inspect.getmembers(cls, inspect.isfunction)
    if not name.startswith("_") and len(inspect.signature(method).parameters) > 1
]
SPECS = {"NetSpec", "ProbeSpec", "TrainSpec"}  # pydantic checks them
OF_LEVELS = {"grid", "paired", "pairwise"}  # they take levels alone
NO_FUNCTIONS = {"UserError", "list_networks"}


def is_checked(function):
    """Return whether one of a function's decorators checks its arguments."""
    while function is not None:
        if function.__code__.co_filename == inspect.getfile(checked):
            return True
        function = getattr(function, "__wrapped__", None)
    return False


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_and_class_checks_its_arguments(name):
    package, word = PUBLIC[name]
    public = getattr(package, word)
    if word in SPECS | OF_LEVELS | NO_FUNCTIONS or isinstance(public, probes.registry.Probe):
        return  # a probe checks what it is called with
    assert is_checked(public.__init__ if isinstance(public, type) else public)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__qualname__)
def test_every_method_of_results_checks_its_arguments(method):
    assert is_checked(method)


@checked
def called(
    number: int = 0, name: str | None = None, rate: float = 0.0, names: Sequence[str] = (), shape: tuple[int, ...] = (),
    out: Folder = "x", kind: Literal["a", "b"] = "a", use: Callable[..., int] | None = None, model: "Unknown" = None,  # noqa: F821
):  # fmt: skip
    return number, name, rate, names, shape, out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"number": "3"}, "`number` must be int, but got '3'"),
        ({"number": True}, "`number` must be int, but got True"),
        ({"number": 1.5}, "`number` must be int, but got 1.5"),
        ({"name": 3}, "`name` must be str | None, but got 3"),
        ({"rate": "0.1"}, "`rate` must be float, but got '0.1'"),
        ({"names": "abc"}, "`names` must be Sequence[str], but got 'abc'"),
        ({"names": ["a", 3]}, "`names` must be Sequence[str], but got ['a', 3]"),
        ({"shape": 3}, "`shape` must be tuple[int, ...], but got 3"),
        ({"out": 3}, "`out` must be str | Path, but got 3"),
        ({"out": " "}, "a folder must have a name, but got ' '"),
        ({"kind": "bb"}, "`kind` must be 'a' or 'b', but got 'bb'; did you mean 'b'?"),
        ({"use": 3}, "`use` must be Callable[..., int] | None, but got 3"),
        ({"name": b"x" * 100}, "`name` must be str | None, but got b'" + "x" * 78 + "…"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_argument_of_another_type_is_one_line(given, message):
    with pytest.raises(UserError, match=f"^{re.escape(message)}$"):
        called(**given)


def test_values_are_passed_on_as_they_are():
    names, shape = ["a"], [np.int64(1), 2]
    values = called(np.int64(3), "a", 1, names, shape, Path("x"), use=len, model=object())
    assert values == (3, "a", 1, ["a"], [1, 2], Path("x"))
    assert values[3] is names
    assert values[4] is shape


@pytest.mark.parametrize("given", [{"unknown": 3}, {"number": 3, "more": 4}])
def test_python_says_which_argument_is_unknown(given):
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        called(**given)


def test_a_class_checks_what_it_is_made_of():
    @checked_class
    class Made:
        def __init__(self, count: int) -> None:
            self.count = count

    assert Made(3).count == 3
    with pytest.raises(UserError, match="`count` must be int"):
        Made("3")
