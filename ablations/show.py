"""`resnet-ablate show`: shows the stages and the cost of a network, or the differences of two networks."""

import argparse
import json
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError, nearest
from resnet_core.nets.cost import cost
from resnet_core.nets.counting import LayerCost
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import list_networks, network
from resnet_core.runs.execution.plugins import add_plugin_option, load_plugins
from resnet_core.runs.fields import NET_GROUPS, fields_described, grouped
from resnet_core.telling import console


def add_show_command(commands: Any) -> None:
    """Add the command to the subparsers of `resnet-ablate`."""
    show = commands.add_parser(
        "show",
        help="show a network, or how two networks differ",
        description="Show a network's stages and cost, from its spec alone.\nNames: " + ", ".join(list_networks()),
    )
    show.set_defaults(command=show_network)
    show.add_argument("name", nargs="?", help="a published network (default: the default NetSpec)")
    show.add_argument("other", nargs="?", help="a second network, to compare with the first")
    show.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="set a field of the first network"
    )
    add_plugin_option(show)
    show.add_argument("--json", action="store_true", help="print name, spec and counts as JSON")
    show.add_argument("--svg", type=Path, metavar="FILE", help="draw the first block of the last stage")
    for group, fields in grouped(fields_described(NetSpec), NET_GROUPS).items():
        options = show.add_argument_group(f"fields of the network, {group}")
        for field in fields:
            options.add_argument(
                f"--{field.name.replace('_', '-')}", dest=f"field_{field.name}", metavar=field.kind,
                help=f"{field.about} (default: {field.default})".replace("%", "%%").strip(),
            )  # fmt: skip


def show_network(options: argparse.Namespace) -> None:
    """Print the network that `options` describe.

    Raises:
        UserError: A name or a field is unknown or illegal.
    """
    load_plugins(options.plugin)
    if options.json and options.other:
        raise UserError(f"--json is for one network, but got {options.name} and {options.other}; leave one out")
    changes = _changes(options)
    spec = network(options.name).replace(**changes) if options.name else NetSpec(**changes)
    total = cost(spec)
    if options.svg:
        from ablations.diagram import block_svg

        _write(options.svg, block_svg(spec))
    if options.json:
        counts = {"trainable": total.trainable, "bn_running_stats": total.bn_running_stats, "macs": total.macs}
        print(json.dumps({"name": options.name, "spec": spec.model_dump(mode="json"), **counts}))
        return
    console().print(_stages(spec))
    if options.other:
        console().print(_difference(spec, network(options.other)))


def _changes(options: argparse.Namespace) -> dict[str, Any]:
    given = {field: getattr(options, f"field_{field}") for field in NetSpec.model_fields}
    texts = {field: text for field, text in given.items() if text is not None}
    for setting in options.set:
        field, equals, text = setting.partition("=")
        if not equals:
            raise UserError(f"--set takes FIELD=VALUE, but got '{setting}'")
        if field not in NetSpec.model_fields:
            raise UserError(f"--set knows no field '{field}'{nearest(field, NetSpec.model_fields)}")
        if field in texts:
            raise UserError(f"a field must be set once, but `{field}` is set again by --set {setting}")
        texts[field] = text
    return {field: NetSpec.parse_field(field, text) for field, text in texts.items()}


def _part(layer: LayerCost) -> str:
    return re.sub(r"_.*", "", layer.name)


def _stages(spec: NetSpec) -> Any:
    from rich.table import Table

    total = cost(spec)
    table = Table(box=None, header_style="bold", show_footer=True)
    table.add_column("", footer="all")
    table.add_column("blocks", justify="right", footer=str(sum(spec.depths)))
    table.add_column("output shape", justify="right")
    table.add_column("parameters", justify="right", footer=f"{total.trainable:,}")
    table.add_column("BN statistics", justify="right", footer=f"{total.bn_running_stats:,}")
    table.add_column("MACs", justify="right", footer=f"{total.macs:,}")
    table.add_column("activation bytes", justify="right", footer=f"{total.activation_bytes:,}")
    blocks = {f"stage{i}": str(depth) for i, depth in enumerate(spec.depths, start=1)}
    for part, group in groupby(total.layers, key=_part):
        layers = list(group)
        counts = ("trainable", "bn_running_stats", "macs", "kept_bytes")
        sums = (sum(getattr(layer, count) for layer in layers) for count in counts)
        shape = "×".join(map(str, layers[-1].output_shape))
        table.add_row(part, blocks.get(part, ""), shape, *(f"{total:,}" for total in sums))
    return table


def _difference(spec: NetSpec, other: NetSpec) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in ("field", "this", "other"):
        table.add_column(column)
    for field in NetSpec.model_fields:
        if getattr(spec, field) != getattr(other, field):
            table.add_row(field, str(getattr(spec, field)), str(getattr(other, field)))
    first, second = cost(spec), cost(other)
    for count in ("trainable", "bn_running_stats", "macs"):
        table.add_row(count, f"{getattr(first, count):,}", f"{getattr(second, count):,}")
    return table


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UserError(f"--svg must name a file that can be written, but {path} is not: {error.strerror}") from None
