"""The page of the commands, from their parsers: every program, every command, every option."""

import argparse
from collections.abc import Iterator
from typing import Any

import ablations.cli
import ablations.probing.cli
import analysis.cli
import search.cli

PARSERS = {
    "resnet-ablate": lambda: ablations.cli.parser({}),
    "resnet-report": analysis.cli.parser,
    "resnet-search": search.cli.parser,
    "resnet-probe": ablations.probing.cli.parser,
}
ABOUT = """These are the texts of `--help`. `make install` puts the programs into `.venv/bin`; `python -m ablations`,
`python -m analysis`, `python -m search` and `python -m ablations.probing` are the same.

The exit code is 0; 1 where a run or a file that was asked for is missing at the end; 2 for a mistake in what was asked
for, which is one line on standard error; 130 after Ctrl-C."""


def pages() -> dict[str, str]:
    """Return the text of the page by its path."""
    lines = ["# Commands", "", ABOUT, ""]
    for program, parser in PARSERS.items():
        lines += [f"## {program}", "", *help_of(parser())]
        for name, command in commands(parser()).items():
            lines += [f"### {program} {name}", "", *help_of(command)]
    return {"commands.md": "\n".join(lines)}


def commands(parser: Any) -> dict[str, Any]:
    """Return the parsers of the commands of a program, by name."""
    each = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {name: command for choices in each for name, command in choices.items()}


def help_of(parser: Any) -> Iterator[str]:
    """Yield the lines of a help text."""
    yield from ("```text", *parser.format_help().rstrip().splitlines(), "```", "")
