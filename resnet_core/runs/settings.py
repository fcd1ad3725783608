"""The option `--set` and the options of the data set, which `resnet-ablate` and `resnet-search` share."""

import argparse
from collections.abc import Collection, Mapping
from typing import Any

from resnet_core.command_line import Parser, assigned
from resnet_core.errors import UserError, nearest
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data.named import NAMED as NAMED_DATA
from resnet_core.runs.fields import NET_GROUPS, fields_described, grouped, table_of
from resnet_core.runs.reading import FIELDS as READING
from resnet_core.runs.recipes import DATA, RECIPES, recipe
from resnet_core.runs.records.plan import SPECS
from resnet_core.runs.spec import TrainSpec
from resnet_core.spec_model import Spec

DECIDED = frozenset({"input_shape", "classes", "data_sha256", "initial_weights_sha256", "test"})
"""Fields that follow from the data set or a file, or are set by the program."""
SETS = "--set"
NAMED: Mapping[str, type[Spec]] = {"net": NetSpec, "train": TrainSpec}
"""The specs whose fields are arguments of a call from Python, by kind."""


def settable() -> set[str]:
    """Return the names of the fields of `NAMED` that a user may set."""
    return {name for spec in NAMED.values() for name in spec.model_fields} - DECIDED


def field_named(name: str, value: Any) -> tuple[str, Any] | None:
    """Return the kind of the spec with a field of this name, and the checked value; `None` if there is no such field.

    Raises:
        UserError: The value is illegal.
    """
    if name not in settable():
        return None
    kind = next(kind for kind, spec in NAMED.items() if name in spec.model_fields)
    return kind, NAMED[kind].checked_field(name, value)


def add_setting_options(parser: Parser, data: str | None = None) -> None:
    """Add the options; `data` is the default of `--data`."""
    parser.add_argument(
        "--data", default=data,
        help=f"data set: {', '.join(NAMED_DATA)}, an .npz file, a folder of images, hf:NAME or tfds:NAME",
    )  # fmt: skip
    parser.add_argument("--image-size", help="height and width to which images are resized")
    parser.add_argument(
        "--background", metavar="COLOUR",
        help="colour behind transparent images of a folder: white, black, #rrggbb (default: white)",
    )  # fmt: skip
    parser.add_argument(
        "--skip-damaged", action="store_const", const="true",
        help="leave out and list images of a folder that cannot be decoded; otherwise the first one is an error",
    )  # fmt: skip
    parser.add_argument(
        "--data-format", metavar="FORMAT",
        help="position of the channels of an .npz file: channels_last, or channels_first, which are transposed "
        "(default: as their shape says; what is not plainly channels_last is refused)",
    )  # fmt: skip
    parser.add_argument("--train-size", help="number of training images, chosen with stratification")
    parser.add_argument("--recipe", help=f"training of a paper to start from: {', '.join(RECIPES)}")
    parser.add_argument(
        SETS, action="append", default=[], metavar="FIELD=VALUE",
        help="set a field of the network (norm=none), of the training (steps=500) or of the probe "
        "(probe.batch_size=64); `run --help` lists them",
    )  # fmt: skip


def fields_of(options: argparse.Namespace, taken: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """Return the fields that the options set, for each kind of spec.

    Args:
        options: The parsed options.
        taken: Names of fields that have an option of their own.

    Raises:
        UserError: A field does not exist, is set twice, or has an illegal value.
    """
    fields: dict[str, dict[str, Any]] = {kind: {} for kind in SPECS}
    for option in ("data", "image_size", *READING, "train_size"):
        if getattr(options, option) is not None:
            fields["train"][option] = TrainSpec.parse_field(option, getattr(options, option))
    for setting in options.set:
        path, text = assigned(setting, SETS, "FIELD=VALUE")
        kind, dot, name = path.rpartition(".")
        if name in taken:
            raise UserError(f"{SETS} takes fields that have no own option, but got '{path}'; take --{name} {text}")
        if not dot:
            kind = "net" if name in NetSpec.model_fields else "train"
        if kind not in SPECS or name not in SPECS[kind].model_fields or name in DECIDED:
            raise UserError(f"{SETS} knows no field '{path}'{nearest(path, _settable(with_kind=bool(dot)))}")
        if name in fields[kind]:
            raise UserError(f"a field must be set once, but `{name}` is set again by {SETS} {setting}")
        fields[kind][name] = SPECS[kind].parse_field(name, text)
    return fields


def _settable(*, with_kind: bool) -> set[str]:
    """Return the names of the fields that can be set. Those of the probe, or all if `with_kind`, have a prefix."""
    return {
        f"{kind}.{name}" if with_kind or kind == "probe" else name
        for kind, spec in SPECS.items()
        for name in {*spec.model_fields} - DECIDED
    }


def settings_help() -> str:
    """Return the text on the fields that `--set` takes, in groups, for the end of a help."""
    net = grouped(fields_described(NetSpec, DECIDED), NET_GROUPS)
    tables = [table_of(f"settings of the network, {group}", fields) for group, fields in net.items()]
    tables.append(table_of("settings of the training", fields_described(TrainSpec, DECIDED)))
    tables.append(table_of("settings of the probe", fields_described(ProbeSpec), "probe."))
    return "\n".join([f"{SETS} FIELD=VALUE takes these; help(resnet_core.NetSpec) explains them:\n", *tables])


def probing(start: ProbeSpec, given: Mapping[str, Any]) -> ProbeSpec:
    """Return `start` with the given fields.

    Raises:
        UserError: `batch_size` is given, but no step is probed.
    """
    probe = start.replace(**given)
    if "batch_size" in given and not (probe.steps or probe.each_epoch):
        raise UserError(
            f"`probe.batch_size` needs steps that are probed, but got {probe.batch_size} and no step; set probe.steps=0"
        )
    return probe


def training(start: TrainSpec, name: str | None) -> TrainSpec:
    """Return `start`, or the recipe of this name with the data set of `start`."""
    return start if name is None else recipe(name, **{field: getattr(start, field) for field in DATA})
