"""A hash of the code that a user's function executes.

The hash covers the function's source without comments, formatting, docstrings and annotations, and everything the
function refers to: the user's functions and classes, transitively and across modules, and the values of constants,
closures and defaults. Installed code is hashed by name only. Other code in the same file is not hashed.
"""

import dis
import functools
import inspect
import json
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from pathlib import Path, PurePath
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

from resnet_core.errors import UserError
from resnet_core.normal_form import codes_of, names_of, normal_form, normal_tree, parsed, text_of
from resnet_core.spec_model import digest
from resnet_core.users_code import folder_of, is_neighbour

PACKAGES = {Path(__file__).parents[1] / name for name in ("resnet_core", "ablations", "analysis", "search")}
INSTALLED = {
    Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")
} | PACKAGES
MOST_VALUES = 100_000  # that a block may refer to
RELEASED = {"resnet_core.nets.registry": "resnet_core.nets.blocks"}
"""Modules of this project that were moved, with their old names. Hashes use the old names, so that ids stay."""


def fingerprint(*values: Any) -> str:
    """Return the hash of functions, classes and plain values; 16 hexadecimal digits.

    Raises:
        UserError: A function refers to a value that cannot be hashed, such as an open file.
    """
    describe = _Description()
    return digest(json.dumps([describe(value) for value in values], sort_keys=True))


def is_users(value: Any) -> bool:
    """Return whether a function, a class, or the class of an object is neither installed nor of this project."""
    while isinstance(value, functools.partial | MethodType):
        value = value.func if isinstance(value, functools.partial) else value.__func__
    if isinstance(value, FunctionType):
        return _in_users_file(value.__globals__)
    kind = value if isinstance(value, type) else type(value)
    if isinstance(value, BuiltinFunctionType) or kind.__module__ == "builtins":
        return False
    return _in_users_file(vars(sys.modules.get(kind.__module__, sys)) if kind.__module__ in sys.modules else {})


def is_ours(value: Any) -> bool:
    """Return whether a function, or the class of an object, is of this project."""
    names = value.__globals__ if isinstance(value, FunctionType) else vars(sys.modules.get(type(value).__module__, sys))
    return _within(str(names.get("__file__") or ""))


@lru_cache(maxsize=4096)
def _within(file: str) -> bool:
    return bool(file) and any(Path(file).resolve().is_relative_to(place) for place in PACKAGES)


def _in_users_file(names: Mapping[str, Any]) -> bool:
    spec = names.get("__spec__")
    if getattr(spec, "origin", None) in ("built-in", "frozen"):
        return False
    return _outside(str(names.get("__file__") or ""))


@lru_cache(maxsize=4096)
def _outside(file: str) -> bool:
    path = Path(file).resolve()
    installed = {"site-packages", "dist-packages"} & {*path.parts}
    return not file or not (installed or any(path.is_relative_to(place) for place in INSTALLED))


class _Description:
    """Describes values as JSON. A value that was described before is given as its number."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: list[Any] = []  # so that no other value gets the same address

    def __call__(self, value: Any) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, Enum):
            return ["enum", type(value).__qualname__, value.name, repr(value.value)]
        if isinstance(value, int | float | complex | bytes | PurePath | type(...)):
            return [type(value).__name__, repr(value)]
        if id(value) in self._numbers:
            return ["again", self._numbers[id(value)]]
        if len(self._kept) >= MOST_VALUES:
            raise UserError(
                f"a block must refer to {MOST_VALUES} values at most, but this one refers to more; make them inside it"
            )
        self._numbers[id(value)] = len(self._kept)
        self._kept.append(value)
        return self._described(value)

    def _described(self, value: Any) -> Any:
        match value:
            case list() | tuple():
                return [type(value).__name__, [self(item) for item in value]]
            case set() | frozenset():
                return [type(value).__name__, sorted(json.dumps(_Description()(item)) for item in value)]
            case dict() | MappingProxyType():
                return [type(value).__name__, [[self(key), self(item)] for key, item in value.items()]]
            case ModuleType():
                tree = parsed(text_of(value.__file__))[0] if is_users_module(value) else None
                return ["module", value.__name__.rpartition(".")[2], normal_tree(tree)]
            case FunctionType():
                return self._function(value)
            case MethodType():
                return ["method", self(value.__func__), self(value.__self__)]
            case functools.partial():
                return ["partial", self(value.func), self(value.args), self(value.keywords)]
            case staticmethod() | classmethod():
                return [type(value).__name__, self(value.__func__)]
            case functools.cached_property():
                return ["property", self(value.func)]
            case property():
                return ["property", self(value.fget), self(value.fset), self(value.fdel)]
            case type():
                return self._class(value)
        return self._object(value)

    def _function(self, function: FunctionType) -> Any:
        cells = [_content(cell) for cell in function.__closure__ or ()]
        if not is_users(function):  # it may be an installed wrapper of a user's function
            inner = [cell for cell in cells if isinstance(cell, FunctionType | type) and is_users(cell)]
            return ["installed", _released(function.__module__), function.__qualname__, *map(self, inner)]
        names = names_of(function.__code__)
        source, changed = normal_form(function.__code__, function.__doc__)
        used: dict[str, Any] = {}
        for name in sorted(names & function.__globals__.keys() - {"__builtins__"}):
            used[name] = self._used(function.__globals__[name], names, name in changed)
        for module in _imported_inside(function):
            used[f"import {module.__name__.rpartition('.')[2]}"] = self._used(module, names, False)
        defaults = [self(function.__defaults__), self(function.__kwdefaults__)]
        return ["function", source, used, list(map(self, cells)), defaults]

    def _used(self, value: Any, names: set[str], is_changed: bool) -> Any:
        """Describe the value of a global name. A module is described by the attributes in use, a value that functions
        change by its type.
        """
        if isinstance(value, ModuleType):
            if not is_users_module(value):
                return ["module", value.__name__]
            used = sorted(names & vars(value).keys() - {"__builtins__"})
            if not used or names & {"getattr", "vars"}:
                return self(value)
            return ["of the module", {name: self._used(vars(value)[name], names, False) for name in used}]
        plain = isinstance(value, list | dict | set | int | float | str)
        return ["changes", type(value).__name__] if is_changed and plain else self(value)

    def _class(self, kind: type) -> Any:
        if not is_users(kind):
            return ["installed", _released(kind.__module__), kind.__qualname__]
        fields = [
            [field.name, str(field.type), self(_or_none(field.default)), self(_or_none(field.default_factory))]
            for field in vars(kind).get("__dataclass_fields__", {}).values()
        ]
        bases = list(map(self, kind.__bases__))  # before the members: the order of calls decides the numbers
        members = {name: self(value) for name, value in vars(kind).items() if _matters(name, value)}
        return ["class", kind.__name__, bases, fields, members]

    def _object(self, value: Any) -> Any:
        kind = type(value)
        if kind.__module__ == "numpy" and hasattr(value, "tobytes"):
            return ["array", str(value.dtype), list(value.shape), value.tobytes().hex()]
        for inside in ("__wrapped__", "python_function"):  # of functools' and TensorFlow's wrappers
            if callable(getattr(value, inside, None)):
                return ["wrapper", self(kind), self(getattr(value, inside))]
        if not is_users(kind) and callable(getattr(value, "get_config", None)):
            return ["configured", self(kind), self(value.get_config())]
        if callable(value) and isinstance(getattr(value, "__qualname__", None), str):
            return ["installed", _released(str(getattr(value, "__module__", ""))), value.__qualname__]
        if kind.__module__.startswith("tensorflow") and callable(getattr(value, "numpy", None)):
            return ["tensor", self(value.numpy())]
        if is_users(kind) or hasattr(value, "__dict__"):
            slots = [name for base in kind.__mro__ for name in _listed(vars(base).get("__slots__", ()))]
            state = {name: getattr(value, name) for name in slots if hasattr(value, name)}
            state |= getattr(value, "__dict__", {})
            return ["object", self(kind), {name: self(entry) for name, entry in sorted(state.items())}]
        if " at 0x" in repr(value):
            raise UserError(
                "a block must refer to functions, classes and plain values, which the ids of its runs depend on, "
                f"but got a {kind.__module__}.{kind.__qualname__}; make it inside the block"
            )
        return ["value", self(kind), repr(value)]


def is_users_module(module: ModuleType) -> bool:
    """Return whether a module is a user's own."""
    return getattr(module, "__file__", None) is not None and _in_users_file(vars(module))


def _released(module: str | None) -> str | None:
    """Return the name under which a module was first released."""
    return RELEASED.get(module or "", module)


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is not bound yet
        return None


def _or_none(value: Any) -> Any:
    return None if type(value).__name__ == "_MISSING_TYPE" else value


def _listed(slots: str | Iterable[str]) -> list[str]:
    return [slots] if isinstance(slots, str) else list(slots)


def _matters(name: str, value: Any) -> bool:
    """Return whether an attribute of a class was written by the user, not added by Python."""
    if name == "_abc_impl":
        return False
    if name.startswith("__") and name.endswith("__"):
        return isinstance(value, FunctionType | staticmethod | classmethod | property) and not _is_made(value)
    return not inspect.isdatadescriptor(value) or isinstance(value, property)


def _is_made(value: Any) -> bool:
    """Return whether a method was generated by a library, such as `dataclasses`."""
    return isinstance(value, FunctionType) and value.__code__.co_filename == "<string>"


def _imported_inside(function: FunctionType) -> Iterator[ModuleType]:
    """Yield the user's modules that a function imports in its body."""
    names = function.__globals__
    for code in codes_of(function.__code__):
        steps = list(dis.get_instructions(code))
        for i, step in enumerate(steps):
            if step.opname != "IMPORT_NAME":
                continue
            level, listed = steps[i - 2].argval, steps[i - 1].argval
            top, *inner = str(step.argval).split(".")
            known = sys.modules.get(top)
            if level or is_neighbour(folder_of(names), top) or (known and is_users_module(known)):
                module = names["__builtins__"]["__import__"](step.argval, names, None, listed, level)
                for name in inner if not listed else ():
                    module = getattr(module, name)
                yield module
