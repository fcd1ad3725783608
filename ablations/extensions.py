"""`resnet-ablate extensions`: lists the registered extensions of this project and of a user's files."""

import argparse
from collections.abc import Iterator
from typing import Any

from ablations.suites import suites
from analysis.measures import MEASURES
from resnet_core.command_line import Parser
from resnet_core.nets.registry import BLOCKS, ORDERS
from resnet_core.nets.skips import OPTIONS
from resnet_core.probes.registry import probes
from resnet_core.runs.data.named import registered_sources
from resnet_core.runs.execution.executors import EXECUTORS
from resnet_core.runs.execution.loggers import LOGGERS
from resnet_core.runs.execution.plugins import add_plugin_option, load_plugins
from resnet_core.runs.exports import FORMATS
from resnet_core.telling import console, say

ELSEWHERE = "spaces and oracles: resnet-search list"


def add_extensions_command(commands: Any) -> None:
    """Add the command to the subparsers of `resnet-ablate`."""
    about = (
        "list the blocks, orders, skips, probes, measures, studies, data sets, executors, loggers, formats of exports "
        "and sections"
    )
    parser: Parser = commands.add_parser("extensions", help=about, description=f"{about[0].upper()}{about[1:]}.")
    add_plugin_option(parser)
    parser.set_defaults(command=list_extensions)


def list_extensions(options: argparse.Namespace) -> None:
    """Print a row for each extension."""
    from rich.table import Table

    load_plugins(options.plugin)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", "registered in"):
        table.add_column(column)
    for kind, name, value in extensions():
        module = getattr(value, "__module__", None) or type(value).__module__
        table.add_row(kind, name, module)
    console().print(table)
    say(ELSEWHERE)


def extensions() -> Iterator[tuple[str, str, Any]]:
    """Yield the kind, the name and the registered function of every extension."""
    from analysis.pages.study_sections import SECTIONS  # loads matplotlib

    yield from (("block", name, block.branch) for name, block in BLOCKS.items())
    yield from (("order", name, order) for name, order in ORDERS.items())
    yield from (("skip", name, option) for name, option in OPTIONS.items())
    yield from (("probe", name, probe.measure) for name, probe in probes().items())
    yield from (("measure", name, measure.compute) for name, measure in MEASURES.items())
    yield from (("study", name, study.net) for name, study in suites().items())
    yield from (("data set", name, source[0]) for name, source in registered_sources().items())
    yield from (("executor", name, executor) for name, executor in EXECUTORS.items())
    yield from (("logger", name, logger.open) for name, logger in LOGGERS.items())
    yield from (("format", name, each.write) for name, each in FORMATS.items())
    yield from (("section", name, build) for name, build in SECTIONS.items())
