"""`resnet-ablate extensions`: what is registered, by this project or by a user's file."""

import argparse
from collections.abc import Iterator
from typing import Any

from resnet_core.command_line import Parser
from resnet_core.nets.registry import BLOCKS
from resnet_core.runs.data.named import registered_sources
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.loggers import LOGGERS
from resnet_core.runs.execution.plugins import add_plugin_option, load_plugins
from resnet_core.telling import console


def add_extensions_command(commands: Any) -> None:
    """Add the command to the subparsers of `resnet-ablate`."""
    about = "list the blocks, data sets, executors and loggers that are registered"
    parser: Parser = commands.add_parser("extensions", help=about, description=f"{about[0].upper()}{about[1:]}.")
    add_plugin_option(parser)
    parser.set_defaults(command=list_extensions)


def list_extensions(options: argparse.Namespace) -> None:
    """Print a row for each."""
    from rich.table import Table

    load_plugins(options.plugin)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", "registered in"):
        table.add_column(column)
    for kind, name, value in extensions():
        module = getattr(value, "__module__", None) or type(value).__module__
        table.add_row(kind, name, module)
    console().print(table)


def extensions() -> Iterator[tuple[str, str, Any]]:
    """Yield kind, name and function of all that is registered."""
    yield from (("block", name, block.branch) for name, block in BLOCKS.items())
    yield from (("data set", name, source[0]) for name, source in registered_sources().items())
    yield from (("executor", name, executor) for name, executor in EXECUTORS.items())
    yield from (("logger", name, logger.open) for name, logger in LOGGERS.items())
