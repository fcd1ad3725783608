"""Checks of the script that starts worker processes. Each worker imports this script, as always in Python."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from types import FrameType
from typing import Any

from resnet_core.command_line import end_if_imported_by_a_worker
from resnet_core.errors import UserError
from resnet_core.fingerprint import is_users_module

GUARD = (
    'put what it does under `if __name__ == "__main__":`, or run in this process, by --executor serial or, from '
    "Python, execution=Execution(executor='serial')"
)


@contextmanager
def importable() -> Iterator[None]:
    """Context manager in which workers can be started: they can import the script, or there is no script.

    Raises:
        UserError: Each worker would execute the script again.
    """
    end_if_imported_by_a_worker()
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if file is None or not is_users_module(main):
        yield
    elif not Path(file).is_file():  # it was read from standard input
        del main.__file__
        try:
            yield
        finally:
            main.__file__ = file
    else:
        _check(vars(main), Path(file))
        yield


def _check(names: dict[str, Any], file: Path) -> None:
    line = _line(sys._getframe(), names)
    if line and _is_reached(ast.parse(file.read_bytes()), line, names):
        raise UserError(
            f"a script must be importable by the workers that it starts, but {file}, line {line}, would start its runs "
            f"again in each of them; {GUARD}"
        )
    trial = get_context("spawn").Process(target=int, daemon=True)
    trial.start()
    trial.join()
    if trial.exitcode:
        raise UserError(
            f"a script must be importable by the workers that it starts, but a process that imported {file} ended with "
            f"exit code {trial.exitcode}; {GUARD}"
        )


def _line(frame: FrameType | None, names: dict[str, Any]) -> int:
    """Return the line of the script that is being executed, or 0 if the call does not come from the script."""
    line = 0
    while frame:
        if frame.f_globals is names and frame.f_code.co_name == "<module>":
            line = frame.f_lineno
        frame = frame.f_back
    return line


def _is_reached(tree: ast.AST, line: int, names: dict[str, Any]) -> bool:
    """Return whether a worker that imports the script reaches a line of it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or node.lineno):
            if isinstance(node, ast.If):
                inside = any(part.lineno <= line <= (part.end_lineno or part.lineno) for part in node.body)
                if _holds(node.test, names) != inside:
                    return False
            return _is_reached(node, line, names)
    return True


def _holds(test: ast.expr, names: dict[str, Any]) -> bool | None:
    """Return whether a condition is true in a worker; `None` if this is unknown."""
    if "process" in ast.unparse(test):  # `multiprocessing.parent_process() is None`, and the like
        return None
    try:
        return bool(eval(compile(ast.Expression(test), "", "eval"), {**names, "__name__": "__mp_main__"}))
    except Exception:  # whatever a user's condition may raise
        return None
