"""Plugins: a user's files that register blocks, data sets or probes, in every process that executes runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from resnet_core.command_line import Parser
from resnet_core.fingerprint import is_users
from resnet_core.nets.registry import BLOCKS, NETWORKS
from resnet_core.probes.registry import PROBES
from resnet_core.runs.data.named import registered_sources
from resnet_core.runs.runtime import without_notices
from resnet_core.users_code import load, load_as_they_were, sources

KIND = "plugin"


@dataclass(frozen=True)
class Plugins:
    """Loaded plugins. An instance can be sent to another process. Called there, it loads the same code.

    Attributes:
        files: The files.
        texts: Texts of the files and of the modules of their folders in the process that sent them; `None` in that
            process.
    """

    files: tuple[Path, ...]
    texts: Mapping[Path, str] | None = None

    def __call__(self) -> None:
        """Load the files, unless they are loaded."""
        if self.texts is not None:
            with without_notices():
                load_as_they_were(list(self.files), self.texts, KIND)

    def __reduce__(self) -> tuple[Any, ...]:
        texts = sources(list(self.files)) if self.texts is None else self.texts
        return Plugins, (tuple(file.absolute() for file in self.files), texts)


def load_plugins(files: Sequence[Path]) -> Plugins:
    """Execute plugins, so that their extensions are registered.

    Returns:
        The plugins, which can be sent to another process.

    Raises:
        UserError: A file is missing, or raises an error.
    """
    for file in files:
        with without_notices():
            load(file, KIND)
    return Plugins(tuple(files))


def registrations() -> dict[str, Any]:
    """Return the registered blocks, networks and data sets, and the user's probes, by kind and name."""
    kinds = ("block", BLOCKS), ("network", NETWORKS), ("data", registered_sources())
    known: dict[str, Any] = {f"{kind} {name}": value for kind, registry in kinds for name, value in registry.items()}
    return known | {f"probe {name}": each for name, each in PROBES.items() if is_users(each.measure)}


def add_plugin_option(parser: Parser) -> None:
    """Add `--plugin FILE` to a command."""
    parser.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE",
        help="your Python file with extensions, such as blocks, probes, data sets or executors; may be repeated",
    )  # fmt: skip
