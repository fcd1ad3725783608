"""Surgery: copies of a `keras.Model` with one change.

The copy shares the weights of the original, so training one trains both. The graph of the original is not changed.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import keras

from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest
from resnet_core.probes.anatomy import Anatomy, Block, Join, anatomy
from resnet_core.probes.graph import functional


@checked
def without_branch(model: keras.Model, block: str) -> keras.Model:
    """Return the model with y = S(x) in one block: the branch is removed (Veit et al. 2016, section 4.1).

    Args:
        model: A functional model with one input and one output.
        block: Name of a block, or of the layer that adds in it.

    Raises:
        UserError: There is no residual join of this name.
    """
    model = functional(model)
    return with_join(model, join_of(anatomy(model), block), _skip_alone)


@checked
def without_skip(model: keras.Model, block: str) -> keras.Model:
    """Return the model with y = F(x) in one block: the skip is removed. For the arguments see `without_branch`."""
    model = functional(model)
    return with_join(model, join_of(anatomy(model), block), _branch_alone)


@checked
def in_order(model: keras.Model, blocks: Sequence[str]) -> keras.Model:
    """Return the model with its blocks in another order. Blocks may be repeated or left out; stem and head stay.

    Args:
        model: A functional model with one input and one output.
        blocks: Names of blocks, from the input on. The output of each must have the shape of the next one's input.

    Raises:
        UserError: There is no block of a name, or the output of a block does not fit the next block.
    """
    model = functional(model)
    parts = anatomy(model)
    known = {block.block: block for block in parts.blocks}
    for name in blocks:
        if name not in known:
            raise UserError(f"a block must be one of the network's, but got '{name}'{nearest(name, known)}")
    stem, *middle, head = segments(model, parts)
    inputs = keras.Input(batch_shape=stem.inputs[0].shape, dtype=stem.inputs[0].dtype, name=stem.inputs[0].name)
    x = _applied(stem, inputs)
    for name in blocks:
        segment = middle[known[name].index]
        if tuple(segment.inputs[0].shape) != tuple(x.shape):
            raise UserError(
                f"the blocks of a network must fit each other, but '{name}' takes values of shape "
                f"{tuple(segment.inputs[0].shape[1:])} and gets {tuple(x.shape[1:])}"
            )
        x = _applied(segment, x)
    if tuple(head.inputs[0].shape) != tuple(x.shape):
        raise UserError(
            f"the last block must fit the head, which takes values of shape {tuple(head.inputs[0].shape[1:])}, "
            f"but '{blocks[-1] if blocks else 'the stem'}' gives {tuple(x.shape[1:])}"
        )
    return keras.Model(inputs, _applied(head, x), name=model.name)


def join_of(parts: Anatomy, block: str) -> Join:
    """Return the residual join of a block, by the name of the block or of the layer that adds.

    Raises:
        UserError: There is no such join.
    """
    for join in parts.joins:
        if block in (join.block, join.layer):
            return join
    if not parts.joins:
        raise UserError("a network to remove a branch or a skip from must have residual joins, but this one has none")
    names = {join.block for join in parts.joins}
    raise UserError(f"a block must be one with a residual join, but got '{block}'{nearest(block, names)}")


def segments(model: keras.Model, parts: Anatomy) -> list[keras.Model]:
    """Return the stem up to the first place, each block, and the head after the last place, with shared weights."""
    cuts = [model.inputs[0], *(place.call.tensor for place in parts.places), model.outputs[0]]
    return [keras.Model(start, end) for start, end in pairwise(cuts)]


def cut_block(segment: keras.Model, block: Block, keep: str) -> keras.Model:
    """Return a block with only the `skip`, or only the `branch`, of its join."""
    if block.join is None:
        raise UserError(f"a block to remove a branch or a skip from must have a join, but '{block.block}' has none")
    return with_join(segment, block.join, _skip_alone if keep == "skip" else _branch_alone)


def branch_of(segment: keras.Model, join: Join) -> keras.Model:
    """Return the model from a block's input to the end of its branch."""
    ends: list[Any] = []

    def keep(join: Join, operation: Any, values: list[Any]) -> Any:
        ends.append(_branch_alone(join, operation, values))
        return ends[-1]

    cut = with_join(segment, join, keep)
    return keras.Model(cut.inputs[0], ends[0])


def back_through(segment: keras.Model, join: Join, side: str) -> keras.Model:
    """Return a block with unchanged values, but with a gradient that flows only through the `skip` or the `branch`."""

    def change(join: Join, operation: Any, values: list[Any]) -> Any:
        open_side = [(i == join.skip_input) == (side == "skip") for i in range(len(values))]
        total, *others = (
            value if is_open else keras.ops.stop_gradient(value)
            for value, is_open in zip(values, open_side, strict=True)
        )
        for value in others:
            total = keras.ops.add(total, value)
        return total

    return with_join(segment, join, change)


def with_join(model: keras.Model, join: Join, change: Callable[[Join, Any, list[Any]], Any]) -> keras.Model:
    """Return the model with another value in place of a join's sum.

    Args:
        model: A model with the join.
        join: The join.
        change: Function from the join, the adding operation and the list of added values to the value that replaces
            the sum.
    """

    def call(operation: Any, *args: Any, **named: Any) -> Any:
        if operation is not join.call.operation:
            return operation(*args, **named)
        return change(join, operation, list(args[0]) if isinstance(args[0], list | tuple) else list(args))

    return keras.models.clone_model(model, clone_function=_same, call_function=call)


def _skip_alone(join: Join, operation: Any, values: list[Any]) -> Any:
    return values[join.skip_input]


def _branch_alone(join: Join, operation: Any, values: list[Any]) -> Any:
    branches = [value for i, value in enumerate(values) if i != join.skip_input]
    return branches[0] if len(branches) == 1 else keras.ops.sum(keras.ops.stack(branches), axis=0)


def _applied(segment: keras.Model, x: Any) -> Any:
    """Apply the layers of a model to a value one by one, so that the model is not nested."""
    return segment.call(x)


def _same(layer: Any) -> Any:
    return layer
