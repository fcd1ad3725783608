"""Messages during runs: to a terminal, below a notebook's cell, or suppressed.

Only `say`, `warn` and `show` write to the standard streams during runs.
"""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TextColumn
    from rich.table import Column
    from rich.text import Text

Audience = Literal["terminal", "notebook", "nobody"]
PLAIN_WIDTH = 160
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_audience: ContextVar[Audience] = ContextVar("audience", default="terminal")
_warnings: ContextVar[list[str]] = ContextVar("warnings")


def audience() -> Audience:
    """Return the current audience of messages."""
    return _audience.get()


@contextmanager
def said_to(audience: Audience) -> Iterator[list[str]]:
    """Context manager that sends messages to this audience. For `nobody`, nothing is printed.

    Yields:
        The list to which every warning is added, whether it is printed or not.
    """
    warnings: list[str] = []
    before = _audience.set(audience), _warnings.set(warnings)
    try:
        yield warnings
    finally:
        _audience.reset(before[0])
        _warnings.reset(before[1])


def surrounding() -> Audience:
    """Return `notebook` in the kernel of a notebook, else `terminal`."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return "notebook" if getattr(shell, "kernel", None) is not None else "terminal"


def say(line: str) -> None:
    """Print a line of progress. A closed pipe, as after `head`, does not end the program."""
    if audience() == "nobody":
        return
    try:
        print(printable(line), flush=True)
    except BrokenPipeError:
        discard_output()


def warn(line: str) -> None:
    """Print a line to standard error, and keep it for the caller of `said_to`."""
    _warnings.get([]).append(line)
    if audience() != "nobody":
        print(printable(line), file=sys.stderr)


def show(table: Any) -> None:
    """Print a `rich` table."""
    if audience() != "nobody":
        console().print(table)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Context manager that shows on a terminal what is being done, until it is done."""
    if audience() != "terminal" or not sys.stdout.isatty():
        yield
        return
    with console().status(what):
        yield


def discard_output() -> None:
    """Discard standard output after its reader has closed it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def console() -> "Console":
    """Return the console of standard output; wide where that is not a terminal.

    Text is shown literally, also in tables: brackets and colons have no meaning, and control characters are escaped.
    """
    from rich.console import Console

    class Plain(Console):
        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(printable(text), **options)

        def on_broken_pipe(self) -> None:  # rich would end the program with 1
            discard_output()

    literal: dict[str, Any] = {"highlight": False, "markup": False, "emoji": False}
    if sys.stdout.isatty():
        return Plain(**literal)
    return Plain(width=PLAIN_WIDTH, force_terminal=False, color_system=None, **literal)


def text_column(form: str, column: "Column | None" = None) -> "TextColumn":
    """Return a column of progress bars with this text, such as `{task.description}`, which is shown literally."""
    from rich.progress import Task, TextColumn
    from rich.text import Text

    class Plain(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(printable(form.format(task=task)))

    return Plain(form, table_column=column)


def printable(text: str) -> str:
    """Return text in which control characters of a terminal and lone surrogates are written as escapes."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
