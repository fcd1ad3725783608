"""`checked`: the arguments of functions and classes of the Python interface are of the annotated types."""

import functools
import inspect
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationError,
    create_model,
)

from resnet_core.errors import UserError, first_mistake

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
OF_VALUES = ("value_error", "literal_error", "greater_than", "less_than", "finite_number")
"""Errors of pydantic about a value of the right type."""
MOST_LETTERS = 80
"""Maximum length of a value in a message."""


def checked(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorator for functions of the Python interface: an argument of another type raises `UserError`.

    Values are passed on as they are. A NumPy scalar counts as a number, and a list as a tuple. Annotations in quotes
    are not checked, since their modules may not be loaded.
    """

    @functools.cache  # types are examined at the first call, and not when the module is imported
    def expected() -> tuple[inspect.Signature, Mapping[str, type[BaseModel]]]:
        signature = inspect.signature(function)
        strict = ConfigDict(strict=True, arbitrary_types_allowed=True)
        return signature, {
            name: create_model(name, __config__=strict, value=(parameter.annotation, ...))
            for name, parameter in signature.parameters.items()
            if parameter.annotation is not parameter.empty
            and not isinstance(parameter.annotation, str)
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        }

    @functools.wraps(function)
    def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        signature, models = expected()
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError:  # Python says which argument is missing or unknown
            return function(*args, **kwargs)
        for name in models.keys() & given.keys():
            _check(name, given[name], models[name])
        return function(*args, **kwargs)

    return called


def checked_class(cls: type[Result]) -> type[Result]:
    """Decorator for classes of the Python interface; see `checked`."""
    cls.__init__ = checked(cls.__init__)  # type: ignore[method-assign]
    return cls


def line_of_caller(*files: str) -> int:
    """Return the number of the nearest calling line that is in none of `files`, nor in this module."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename in (__file__, *files):
        frame = frame.f_back
    return frame.f_lineno


def _check(name: str, value: Any, model: type[BaseModel]) -> None:
    try:
        model.model_validate({"value": _plain(value)})
    except ValidationError as error:
        if error.errors()[0]["type"].startswith(OF_VALUES):
            raise UserError(first_mistake(error, name)) from None
        words, text = _words(model.model_fields["value"].annotation), " ".join(repr(value).split())
        cut = f"{text[:MOST_LETTERS]}…" if len(text) > MOST_LETTERS else text
        raise UserError(f"`{name}` must be {words}, but got {cut}") from None


def _plain(value: Any) -> Any:
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _words(annotation: Any) -> str:
    """Return a type as in Python, without modules and bounds: `str | Path`, `Sequence[float]`."""
    without_modules = re.sub(r"(?:\w+\.)+(\w)", r"\1", inspect.formatannotation(annotation))
    return re.sub(r"Annotated\[(\w+),[^]]*\]", r"\1", without_modules)


def _of_a_folder(path: str | Path) -> str | Path:
    if not str(path).strip():
        raise ValueError(f"a folder must have a name, but got {path!r}")
    return path


Folder = Annotated[str | Path, AfterValidator(_of_a_folder)]
"""The path of a folder; an empty text is none."""

Rate = Annotated[PositiveFloat, AllowInfNan(False)]
"""A learning rate."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A share of a whole, above 0."""
