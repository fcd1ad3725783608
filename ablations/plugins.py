"""The user's own code: files that register blocks."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from resnet_core.command_line import Parser
from resnet_core.errors import UserError
from resnet_core.runs.runtime import set_variables, without_notices
from resnet_core.spec_model import digest


def add_plugin_option(parser: Parser) -> None:
    """Add `--plugin FILE` to a command."""
    parser.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE",
        help="a Python file of yours that registers blocks, which the field `block` then takes",
    )  # fmt: skip


def load_plugins(files: Sequence[Path]) -> str:
    """Run `files`, so that what they register is known; return a hash of them, empty if there is none.

    Raises:
        UserError: A file is not there, or raises an error.
    """
    texts = []
    if files:
        set_variables()
    for file in files:
        try:
            texts.append(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"a plugin must be a readable Python file, but {file} is not: {error}") from None
        spec = importlib.util.spec_from_file_location(file.stem, file)
        if spec is None or spec.loader is None:
            raise UserError(f"a plugin must be a Python file, with a name that ends in .py, but got {file}")
        try:
            with without_notices():
                spec.loader.exec_module(importlib.util.module_from_spec(spec))
        except UserError:
            raise
        except Exception as error:  # whatever a user's file may raise
            raise UserError(f"a plugin must load, but {file}{_line(error, file)}: {error!r}") from None
    return digest(*texts) if texts else ""


def _line(error: BaseException, file: Path) -> str:
    """Return where in `file` the error was raised, as `, line 3,`."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}, raises"
    line, trace = None, error.__traceback__
    while trace:
        if Path(trace.tb_frame.f_code.co_filename).resolve() == file.resolve():
            line = trace.tb_lineno
        trace = trace.tb_next
    return f", line {line}, raises" if line else " raises"
