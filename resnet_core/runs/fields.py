"""The fields of the specs for `--help`, in groups. Types, defaults and descriptions are read from the specs."""

import inspect
import re
import types
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from resnet_core.spec_model import Spec

NET_GROUPS: Mapping[str, Sequence[str]] = {
    "data": ("input_shape", "classes"),
    "size": ("depths", "widths", "stem", "stem_width", "stem_pool", "pool_padding"),
    "block": (
        "block", "kernels", "expansion", "cardinality", "group_width", "stride_in", "stride_block", "antialias",
        "se_reduction", "se_divisor", "eca", "dropout", "order", "first_split", "activation", "padding",
    ),
    "skip": (
        "skip", "skip_mask", "zero_padding", "zero_pooling", "skip_transform", "skip_factor", "branch_factor",
        "gate_bias", "skip_dropout",
    ),
    "scale of the branch": ("branch_scale", "layer_scale", "survival", "survival_decay", "drop_unit"),
    "normalisation": ("norm", "norm_groups", "norm_epsilon", "bn_momentum"),
    "weights": ("init", "conv_bias", "standardize_weights", "weight_epsilon"),
}  # fmt: skip
"""The fields of `NetSpec` by group. Every field is in a group."""
WORDS = {int: "N", float: "X", str: "TEXT", bool: "true|false"}


@dataclass(frozen=True)
class Described:
    """A field in a help: name, legal values, default, and the first sentence of its description."""

    name: str
    kind: str
    default: str
    about: str


def fields_described(spec: type[Spec], hidden: frozenset[str] = frozenset()) -> list[Described]:
    """Return the fields of a spec."""
    about = dict(_attributes(inspect.getdoc(spec) or ""))
    return [
        Described(name, kind_of(field.annotation), _shown(field.default), about.get(name, ""))
        for name, field in spec.model_fields.items()
        if name not in hidden
    ]


def grouped(fields: Sequence[Described], groups: Mapping[str, Sequence[str]]) -> dict[str, list[Described]]:
    """Return the fields by group; fields that are in no group come last, as `others`."""
    known = {name: group for group, names in groups.items() for name in names}
    by_group: dict[str, list[Described]] = {group: [] for group in (*groups, "others")}
    for field in fields:
        by_group[known.get(field.name, "others")].append(field)
    return {group: fields_of_group for group, fields_of_group in by_group.items() if fields_of_group}


def table_of(title: str, fields: Sequence[Described], prefix: str = "") -> str:
    """Return a section of a help: each field, with its description beside it or, if it is long, below it."""
    lines = [f"{title}:"]
    for field in fields:
        head = f"  {prefix}{field.name}={field.kind}"
        text = wrap(f"{field.about} (default: {field.default})".strip(), 76)
        if len(head) < 30:
            lines.append(f"{head:<32}{text[0]}")
            text = text[1:]
        else:
            lines.append(head)
        lines += [f"{'':<32}{line}" for line in text]
    return "\n".join(lines) + "\n"


def kind_of(annotation: Any) -> str:
    """Return the legal values of a type as text, such as `N`, `X`, `a|b`, `N|none` or `N,N,...`."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_of(parts[0])
    if origin is Literal:
        return "|".join(map(str, parts))
    if origin is tuple:
        inner = [kind_of(part) for part in parts if part is not Ellipsis]
        return ",".join(inner) if Ellipsis not in parts else f"{inner[0]},..."
    if origin in (Union, types.UnionType):
        return "|".join(dict.fromkeys(kind_of(part) for part in parts))
    return "none" if annotation is type(None) else WORDS.get(annotation, "VALUE")


def _shown(default: Any) -> str:
    if isinstance(default, tuple):
        return ",".join(map(str, default)) or "empty"
    return "none" if default is None else str(default).lower() if isinstance(default, bool) else str(default) or "empty"


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    """Yield the names in the section `Attributes` of a docstring, with the first sentence of each description."""
    section = docstring.partition("Attributes:\n")[2]
    for entry in re.split(r"\n(?=    \w)", f"\n{section}"):
        names, colon, text = entry.strip().partition(": ")
        sentence = re.split(r"(?<=[.])(?<!et al[.])\s", " ".join(text.split()), maxsplit=1)[0]
        if colon:
            yield from ((name.strip(), sentence) for name in names.split(","))
