"""What a user got wrong, in one line."""

from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError


class UserError(ValueError):
    """A mistake of the user's: the message states the rule, then what was received, then what to do.

    The command-line programs print it as one line and end with exit code 2.
    """


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to `word`, or all of them if none is near."""
    names = sorted(known)
    close = get_close_matches(word.lower(), [name.lower() for name in names], n=1, cutoff=0.6)
    match = next((name for name in names if close and name.lower() == close[0]), None)
    return f"; did you mean '{match}'?" if match else f"; choose one of {', '.join(names)}"


def first_mistake(error: ValidationError) -> str:
    """Return the first problem of a validation as `field: rule, but got value`, in one line."""
    problem = error.errors()[0]
    field = ".".join(str(part) for part in problem["loc"])
    received = problem["input"]
    match problem["type"]:
        case "value_error":
            return str(problem["ctx"]["error"])
        case "extra_forbidden":
            return f"unknown field '{field}'"
        case "literal_error":
            rule = f"must be {problem['ctx']['expected']}"
            known = [word.strip("'") for word in problem["ctx"]["expected"].replace(" or ", ", ").split(", ")]
            return f"`{field}` {rule}, but got {received!r}{nearest(str(received), known)}"
        case _:
            rule = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
            return f"`{field}` must be {rule}, but got {received!r}"
