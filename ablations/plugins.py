"""The option `--plugin`."""

from pathlib import Path

from resnet_core.command_line import Parser


def add_plugin_option(parser: Parser) -> None:
    """Add `--plugin FILE` to a command."""
    parser.add_argument(
        "--plugin", action="append", default=[], type=Path, metavar="FILE",
        help="a Python file of yours that registers blocks, which the field `block` then takes",
    )  # fmt: skip
