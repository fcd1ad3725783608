"""`UserError`, and helpers for one-line error messages."""

import functools
import re
from collections.abc import Callable, Iterable
from difflib import SequenceMatcher, get_close_matches
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pydantic import ValidationError

MOST_NAMES = 20
"""Maximum number of names that a message lists."""


class UserError(ValueError):
    """A user's mistake. The message states the rule, then the value received, then what to do.

    The command-line programs print it as one line and end with exit code 2.

    Attributes:
        line: Line in the user's file, if known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


def line_in(file: Path, error: BaseException) -> int | None:
    """Return the innermost line of `file` in the traceback of an error."""
    line, trace = None, error.__traceback__
    while trace:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == file.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, or a list of the known words if none is
    near. A long list is cut to the three nearest.
    """
    names = sorted(known)
    if did_you_mean(word, names) or len(names) <= MOST_NAMES:
        return did_you_mean(word, names) or f"; choose one of {', '.join(names)}"
    likeness = {name: SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in names}
    first, second, third = sorted(names, key=lambda name: -likeness[name])[:3]
    return f"; the nearest of {len(names)} are {first}, {second} and {third}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, or nothing if none is near."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[close[0]]}'?" if close else ""


def one_line(error: Exception) -> str:
    """Return the message of an error in one line, or the name of its class if the message is empty."""
    return " ".join(str(error).split()) or type(error).__name__


def first_mistake(error: ValidationError, field: str = "") -> str:
    """Return the first problem of a validation error in one line: the rule of the field, then the value received."""
    problem = error.errors()[0]
    field = field or str(next(iter(problem["loc"]), ""))
    received = problem["input"]
    match problem["type"]:
        case "value_error":
            return str(problem["ctx"]["error"])
        case "missing":
            return f"`{field}` is missing"
        case "extra_forbidden":
            return f"unknown field '{field}'"
        case "literal_error":
            rule = f"must be {problem['ctx']['expected']}"
            known = [word.strip("'") for word in problem["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"`{field}` {rule}, but got {received!r}{did_you_mean(str(received), known)}"
        case "too_short" | "string_too_short":
            return f"`{field}` must not be empty, but got {received!r}"
        case _:
            rule = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            return f"`{field}` must be {rule}, but got {received!r}"


Named = Callable[..., str]
"""Formats an argument for error messages: `as_option` for the command line, `as_argument` for Python."""


def as_option(name: str, *values: Any) -> str:
    """Return an argument as it is given on the command line: `--most-seeds 20`."""
    return " ".join([f"--{name.rstrip('_').replace('_', '-')}", *map(str, values)])


def as_argument(name: str, *values: Any) -> str:
    """Return an argument as it is given in Python: `most_seeds=20`, or its name alone."""
    return f"{name}={', '.join(map(repr, values))}" if values else f"`{name}`"


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_OPTION = re.compile(
    r"--(?:(?P<choice>data-format|executor|stream|until) (?P<word>[a-z_]+)|(?P<name>[a-z][a-z-]*[a-z]))"
    r"(?P<setting> \w[\w.]*=[^\s;]+)?"
)
"""An option in a message; of one with choices, the choice as well."""


def in_arguments(
    by_execution: Iterable[str] = (),
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorator for functions of the Python interface: errors name their arguments in place of command-line options.

    Args:
        by_execution: Options that are fields of the argument `execution`.
    """
    fields = {*by_execution}

    def argument(option: re.Match[str]) -> str:
        name = (option["choice"] or option["name"]).replace("-", "_")
        if name == "set":
            return (option["setting"] or "an argument").strip()
        given = f"{name}={option['word']!r}" if option["word"] else name
        if name in fields:
            given = f"execution=Execution({given if option['word'] else f'{name}=…'})"
        return f"`{given}`{option['setting'] or ''}"

    def decorate(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @functools.wraps(function)
        def called(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            try:
                return function(*args, **kwargs)
            except UserError as error:
                words = _OPTION.sub(argument, str(error))
                if words == str(error):
                    raise
                raise UserError(words, error.line) from None

        return called

    return decorate
