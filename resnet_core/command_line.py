"""What the command-line programs share: one line and exit code 2 for a user's mistake."""

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from multiprocessing import current_process
from pathlib import Path
from typing import Any, NoReturn

from resnet_core.errors import UserError, nearest
from resnet_core.surroundings import set_for_program
from resnet_core.telling import discard_output, printable

USER_ERROR = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser that raises `UserError`, with the nearest known word, in place of exiting.

    Args:
        more: Function that returns the text at the end of the help.
        version: Whether it has the option `--version`.
        options: Arguments of `argparse.ArgumentParser`.
    """

    def __init__(self, *, more: Callable[[], str] | None = None, version: bool = False, **options: Any) -> None:
        super().__init__(**options, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.set_defaults(_parser=self)
        for action in (None, "store"):
            self.register("action", action, _Once)
        self._more = more
        if version:
            self.add_argument("--version", action=_Version, nargs=0, help="print the version of this program")

    def format_help(self) -> str:
        return printable(super().format_help() + ("\n" + self._more() if self._more else ""))

    def parse(self, arguments: Sequence[str] | None, *, intermixed: bool = False) -> argparse.Namespace:
        """Parse `arguments`.

        Args:
            arguments: Words of the command line.
            intermixed: Whether options may stand between positional arguments; impossible with subcommands.

        Raises:
            UserError: An argument is unknown, missing or illegal.
        """
        parsed, unknown = (self.parse_known_intermixed_args if intermixed else self.parse_known_args)(arguments)
        if unknown:
            parser: Parser = parsed._parser
            known = [option for action in parser._actions for option in action.option_strings]
            first = next((word for word in unknown if word.startswith("-")), None)
            if first is None:
                raise UserError(f"{parser.prog} takes no further argument, but got '{unknown[0]}'")
            raise UserError(f"{parser.prog} has no option '{first}'{nearest(first.split('=')[0], known)}")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Raise the error instead of printing usage and exiting."""
        choice = re.fullmatch(
            r"argument (?P<name>.+): invalid choice: '(?P<got>.*)' \(choose from (?P<known>.*)\)", message
        )
        if choice:
            known = [word.strip("'") for word in choice["known"].split(", ")]
            if choice["name"] == "study" and choice["got"] and not choice["got"].startswith("-"):
                known = [word for word in known if not word.endswith(".py")]
            raise UserError(f"unknown {choice['name']} '{choice['got']}'{nearest(choice['got'], known)}")
        raise UserError(f"{self.prog}: {message} (see {self.prog} --help)")


class _Once(argparse.Action):
    """Stores the value of an option. The option may be repeated only with the same value."""

    def __call__(
        self, parser: argparse.ArgumentParser, options: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        given: dict[str, Any] = vars(options).setdefault("_given", {})
        if option and given.setdefault(self.dest, values) != values:
            raise UserError(f"an option must be given once, but {option} was given {given[self.dest]} and {values}")
        setattr(options, self.dest, values)


class _Version(argparse.Action):
    """Prints the version, and ends the program."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "dest": argparse.SUPPRESS, "default": argparse.SUPPRESS})

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> NoReturn:
        from importlib.metadata import version

        print(f"{parser.prog} {version('resnet-ablation')}")
        parser.exit()


def run_program(main: Callable[[Sequence[str] | None], None], arguments: Sequence[str] | None = None) -> NoReturn:
    """Run `main` and exit with code 0, with 2 after a user's mistake or an error of a file, with 130 after Ctrl-C."""
    end_if_imported_by_a_worker()
    _repair_streams()
    set_for_program()
    try:
        main(arguments)
    except UserError as error:
        print(f"error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        discard_output()
    except OSError as error:
        place = error.filename or "the output"
        print(f"error: {printable(f'{error.strerror or error}: {place}')}", file=sys.stderr)
        sys.exit(USER_ERROR)
    sys.exit(0)


def end_if_imported_by_a_worker() -> None:
    """End this process if it is a new worker that imports the script of its launcher."""
    if getattr(current_process(), "_inheriting", False):
        os._exit(1)


def _repair_streams() -> None:
    """Replace closed standard streams, and write characters that a stream's encoding lacks as escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - open as long as the program runs
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def folder(text: str) -> Path:
    """Return the path of a folder given as text; a `type` for `argparse`."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"it must name a folder, but got {text!r}")
    return Path(text)


def assigned(word: str, option: str, form: str = "NAME=VALUE") -> tuple[str, str]:
    """Return the name and the text of a word such as `depth=8`.

    Args:
        word: The argument, as given.
        option: Name of the option for error messages, such as `--fix`.
        form: What the option takes, for error messages.

    Raises:
        UserError: The word has no `=`.
    """
    name, equals, text = word.partition("=")
    if not equals:
        raise UserError(f"{option} takes {form}, but got '{word}'")
    return name, text
