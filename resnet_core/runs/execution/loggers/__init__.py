"""Loggers, which log each epoch of a run when it ends, and the results. `register_logger` registers them.

Logs are for watching; only records count. A logger that fails is dropped with a warning, and the runs continue. The
package of a logger is imported when the logger is used.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import resnet_core.runs.execution.loggers.mlflow
import resnet_core.runs.execution.loggers.tensorboard
import resnet_core.runs.execution.loggers.wandb  # noqa: F401 - they register themselves
from resnet_core.errors import UserError, nearest
from resnet_core.runs.execution.loggers.base import LOGGERS, Logger, register_logger
from resnet_core.runs.records.claims import gone
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from resnet_core.runs.training.loop import Progress
from resnet_core.telling import warn

__all__ = ["LOGGERS", "Logger", "Loggers", "check_loggers", "open_loggers", "register_logger"]


class Loggers:
    """Several loggers as one. After its first error, a logger is dropped with a warning.

    Args:
        loggers: Loggers by name.
        root: The study's folder. If it no longer exists, nothing is logged, so that no logger creates it again.
    """

    def __init__(self, loggers: Mapping[str, Logger], root: Path) -> None:
        self._loggers = dict(loggers)
        self._root = root

    def _each(self, call: Callable[[Logger], None]) -> None:
        if self._loggers and not self._root.is_dir():
            raise gone(self._root)
        for name, logger in list(self._loggers.items()):
            try:
                call(logger)
            except Exception as error:  # whatever a server, a disk or a package may raise
                del self._loggers[name]
                reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
                warn(f"warning: {name} failed, and the study continues without it: {reason}")

    def progress(self, run: Run, progress: Progress) -> None:
        self._each(lambda logger: logger.progress(run, progress))

    def end(self, record: Record) -> None:
        self._each(lambda logger: logger.end(record))

    def close(self) -> None:
        if self._root.is_dir():
            self._each(lambda logger: logger.close())
            return
        for logger in self._loggers.values():
            with suppress(Exception):  # open files can still be written
                logger.close()


def check_loggers(names: Sequence[str]) -> None:
    """Check that loggers exist and that their packages are installed, without loading them.

    Raises:
        UserError: A logger does not exist, or its package is not installed.
    """
    for name in names:
        if name not in LOGGERS:
            raise UserError(f"unknown --log '{name[:40]}'{nearest(name, LOGGERS)}")
        package = LOGGERS[name].package
        spec = find_spec(package) if package else None
        if package and (spec is None or spec.origin is None):  # a folder of that name has no origin
            raise UserError(
                f"--log {name} needs the package {package}, but it is not installed; "
                f"pip install 'resnet-ablation[{package}]'"
            )


def open_loggers(names: Sequence[str], study: str, folder: Path) -> Loggers:
    """Return the loggers of these names. Nothing is written before a run has begun.

    Args:
        names: Names in `LOGGERS`.
        study: The study's name.
        folder: Subfolder of the study for the files of loggers. Each logger has a subfolder with its name.

    Raises:
        UserError: A package is missing, or no user is logged in to Weights & Biases.
    """
    check_loggers(names)
    return Loggers({name: LOGGERS[name].open(study, folder / name) for name in dict.fromkeys(names)}, folder.parent)
