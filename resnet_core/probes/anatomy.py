"""Anatomy: the residual joins, the layers and the places between blocks of any functional Keras model.

The anatomy is derived from the graph of the model, not from the names of its layers. The exception: in a network of
this project, the places between blocks are the outputs of the layers named `…_out`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import keras

from resnet_core.probes.graph import (
    Call,
    activates,
    between,
    calls,
    common_name,
    dominators,
    functional,
    normalises,
    trunk_to,
)

MAIN, SKIP = "main", "skip"
OUR_PLACES = re.compile(r"(stem|stage\d+_block\d+)_out")


@dataclass(frozen=True)
class Layer:
    """A layer with a kernel.

    Attributes:
        layer: Name of the layer.
        block: Name of its block; empty in the stem and in the head.
        index: Number of the layer among those of the main path, counted from 0 at the input. A layer of a skip has the
            index of the layer of the main path beside it.
        path: `main` or `skip`.
    """

    layer: str
    block: str
    index: int
    path: str


@dataclass(frozen=True, eq=False)
class Join:
    """A residual join: an addition of a skip and a branch.

    Attributes:
        layer: Name of the adding layer or operation.
        block: Name of the block.
        index: Number of the join, counted from 0 at the input.
        path: `main`.
        split: The call whose output both sides start from.
        call: The addition.
        skip_input: Position of the skip among the inputs of the addition.
        changes_shape: Whether the sum has another shape than the value at the split.
    """

    layer: str
    block: str
    index: int
    path: str
    split: Call
    call: Call
    skip_input: int
    changes_shape: bool


@dataclass(frozen=True, eq=False)
class Place:
    """A value between blocks. Everything that the network computes afterwards depends on this value alone.

    Attributes:
        layer: Name of the layer with this output.
        block: Name of the block that ends here; empty after the stem.
        index: Number of the place, counted from 0 at the input.
        path: `main`.
        call: The call with this output.
    """

    layer: str
    block: str
    index: int
    path: str
    call: Call


@dataclass(frozen=True, eq=False)
class Block:
    """The part of a network between two consecutive places.

    Attributes:
        layer: Name of the layer that adds, or of the last layer if none does.
        block: Name of the block.
        index: Number of the block, counted from 0 at the input.
        path: `main`.
        start, end: The places before and after the block.
        join: The residual join of the block; `None` in a plain network.
        changes_shape: Whether the output has another shape than the input.
    """

    layer: str
    block: str
    index: int
    path: str
    start: Place
    end: Place
    join: Join | None
    changes_shape: bool


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The parts of a model.

    Attributes:
        layers: Layers with a kernel, from the input on.
        joins: Residual joins, from the input on; joins inside a branch are included.
        places: Values between blocks, from the input on.
        blocks: Parts between consecutive places; one fewer than there are places.
    """

    layers: tuple[Layer, ...]
    joins: tuple[Join, ...]
    places: tuple[Place, ...]
    blocks: tuple[Block, ...]


def anatomy(model: keras.Model) -> Anatomy:
    """Return the parts of a model.

    A *join* is an addition of two or more values that are computed from one value. The path to one of them, the skip,
    has fewer layers with a kernel than the other paths.

    A *place* is a value on every path from the input to the output. In a network of this project, the places are the
    outputs of the layers named `…_out`. In another network with joins, they are the value at which the first outermost
    join splits, and the output of every outermost join, after the activations that follow it. In a network without
    joins, they are the outputs of the layers with a kernel, after the normalisation and activations that follow.

    Args:
        model: A functional model with one input and one output; see `functional`.

    Raises:
        UserError: The model is not functional, or has several inputs or outputs.
    """
    model = functional(model)
    graph = calls(model)
    nearest = dominators(graph)
    trunk = trunk_to(graph[-1], nearest)
    joins = tuple(_joins(graph, nearest))
    places = tuple(_places(trunk, joins))
    blocks = tuple(_blocks(places, joins))
    return Anatomy(tuple(_layers(model, graph, joins, blocks)), joins, places, blocks)


def _adds(call: Call) -> bool:
    return type(call.operation).__name__ == "Add" and len(call.inputs) > 1


def _size(side: list[Call]) -> tuple[int, int, int]:
    """Return the size of one side of an addition: its numbers of layers with a kernel, parameters and operations."""
    parameters = sum(call.operation.count_params() for call in side if isinstance(call.operation, keras.layers.Layer))
    return sum(call.has_kernel for call in side), parameters, len(side)


def _joins(graph: list[Call], nearest: dict[Call, Call]) -> Iterator[Join]:
    index = 0
    for call in filter(_adds, graph):
        split = nearest[call]
        sides = [between(each, split) for each in call.inputs]
        sizes = [_size(side) for side in sides]
        skip = sizes.index(min(sizes))
        others = [size for i, size in enumerate(sizes) if i != skip]
        if sizes[skip] in others or not any(size[0] for size in others):
            continue
        branch = [each.name for i, side in enumerate(sides) if i != skip for each in side]
        name = common_name([*branch, call.name]) or call.name
        changes = tuple(split.tensor.shape) != tuple(call.tensor.shape)
        yield Join(call.name, name, index, MAIN, split, call, skip, changes)
        index += 1


def _places(trunk: list[Call], joins: tuple[Join, ...]) -> Iterator[Place]:
    ends = [call for call in trunk if OUR_PLACES.fullmatch(call.name)]
    if ends:
        names = [re.sub("_out$", "", call.name) if "block" in call.name else "" for call in ends]
    elif joins:
        by_call = {join.call: join for join in joins}
        outermost = [by_call[call] for call in trunk if call in by_call]
        first = outermost[0].split
        ends = [first, *(_end(trunk, join.call, outermost) for join in outermost)]
        names = ["", *(join.block for join in outermost)]
    else:
        ends, names = _plain_ends(trunk)
    for index, (call, name) in enumerate(zip(ends, names, strict=True)):
        yield Place(call.name, name, index, MAIN, call)


def _end(trunk: list[Call], call: Call, outermost: list[Join]) -> Call:
    """Return the last of the activations that follow a join, up to the split of the next join."""
    splits = {join.split for join in outermost}
    at = trunk.index(call)
    while trunk[at] not in splits and at + 1 < len(trunk) and activates(trunk[at + 1]):
        at += 1
    return trunk[at]


def _plain_ends(trunk: list[Call]) -> tuple[list[Call], list[str]]:
    """Return the ends of the parts of a plain network, with their names. A part is a layer with a kernel and the
    operations after it.
    """
    heads = [i for i, call in enumerate(trunk) if call.has_kernel][:-1]
    ends = []
    for at in heads:
        while activates(trunk[at + 1]) or normalises(trunk[at + 1]):
            at += 1
        ends.append(trunk[at])
    return ends, ["", *(trunk[at].name for at in heads[1:])][: len(ends)]


def _blocks(places: tuple[Place, ...], joins: tuple[Join, ...]) -> Iterator[Block]:
    for index, (start, end) in enumerate(pairwise(places)):
        inside = [join for join in joins if start.call.order < join.call.order <= end.call.order]
        join = inside[-1] if inside else None
        changes = tuple(start.call.tensor.shape) != tuple(end.call.tensor.shape)
        layer = join.layer if join else end.layer
        yield Block(layer, end.block, index, MAIN, start, end, join, changes)


def _layers(
    model: keras.Model, graph: list[Call], joins: tuple[Join, ...], blocks: tuple[Block, ...]
) -> Iterator[Layer]:
    """Yield the layers with a kernel, in the order of `keras.Model.layers`, which is that of their depth."""
    sides = {call.operation for join in joins for call in between(join.call.inputs[join.skip_input], join.split)}
    block_of = {call.operation: block.block for block in blocks for call in between(block.end.call, block.start.call)}
    with_kernel = {call.operation for call in graph if call.has_kernel}
    index = -1
    for layer in model.layers:
        if layer in with_kernel:
            path = SKIP if layer in sides else MAIN
            index += path == MAIN
            yield Layer(layer.name, block_of.get(layer, ""), index, path)
