"""Commands that take the folder of a study."""

from pathlib import Path
from typing import Any

from ablations.suites import suites
from resnet_core.command_line import Parser
from resnet_core.errors import UserError, nearest
from resnet_core.folders import DEFAULT_OUT
from resnet_core.runs.records.store import Store


def add_folder_command(commands: Any, name: str, help_: str, function: Any) -> Parser:
    """Add a command that takes the folder of a study."""
    parser: Parser = commands.add_parser(name, help=help_, description=f"{help_[0].upper()}{help_[1:]}.")
    parser.add_argument("study", metavar="STUDY", help=f"folder of the study, or its name if it is in {DEFAULT_OUT}")
    parser.set_defaults(command=function)
    return parser


def study_folder(text: str) -> Path:
    """Return the folder of a study, given by its path or its name.

    Raises:
        UserError: There is no such study, or its plan cannot be read.
    """
    for path in (Path(text), DEFAULT_OUT / text):
        if text and Store(path).plan():
            return path
    raise UserError(
        f"STUDY must be the folder of a study, with a study.json, but '{text}' is not one{nearest(text, suites())}"
    )
