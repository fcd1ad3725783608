"""The user's own code: files that register blocks."""

import importlib.util
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path

from resnet_core.command_line import Parser
from resnet_core.errors import UserError, line_in
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
        texts.append(_text(file))
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


def plugin_setup(files: Sequence[Path]) -> Callable[[], str]:
    """Return `load_plugins` of what is in `files` now, for any process of any machine.

    Raises:
        UserError: A file cannot be read.
    """
    return partial(_load_as_read, [(file.absolute(), _text(file)) for file in files])


def _load_as_read(read: Sequence[tuple[Path, str]]) -> str:
    return load_plugins([file if _is(file, text) else _copy(file.name, text) for file, text in read])


def _is(file: Path, text: str) -> bool:
    try:
        return file.read_text() == text
    except (OSError, UnicodeDecodeError):
        return False


def _copy(name: str, text: str) -> Path:
    """Return a file with this text in the user's cache folder, where what TensorFlow compiles finds its source."""
    copy = user_cache_path("resnet-ablation") / "plugins" / digest(text) / name
    if not _is(copy, text):
        copy.parent.mkdir(parents=True, exist_ok=True)
        aside = copy.with_name(f".writing-{uuid.uuid4().hex}")
        aside.write_text(text)
        aside.replace(copy)
    return copy


def _text(file: Path) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"a plugin must be a readable Python file, but {file} is not: {error}") from None


def _line(error: BaseException, file: Path) -> str:
    """Return where in `file` the error was raised, as `, line 3,`."""
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}, raises"
    line = line_in(file, error)
    return f", line {line}, raises" if line else " raises"
