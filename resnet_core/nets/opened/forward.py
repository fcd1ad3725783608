"""The forward pass of a kind over stacked weights: every run of equal blocks is one loop."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.nets.opened.form import Kind, Segment
from resnet_core.nets.opened.words import Words

Stacks = Sequence[Sequence[Any]]
"""For each segment, what its blocks have in each of its slots: a tensor whose first axis is the blocks."""


class Passed(NamedTuple):
    """What a pass gives.

    Attributes:
        logits: Of each image.
        statistics: Means and variances of the batch for each segment and slot of a statistic, stacked as the slots are;
            in inference mode none.
    """

    logits: Any
    statistics: list[list[Any]]


def forward(kind: Kind, stacks: Stacks, taps: Sequence[Any], images: Any, *, training: bool) -> Passed:
    """Return the logits of a batch.

    Args:
        kind: Of the network.
        stacks: Its weights and what else its slots hold; in training, those of statistics are not read.
        taps: A vector of zeros for each segment, one a block: the gradient by it is the L2 norm of the gradient by what
            the block returns.
        images: (batch, height, width, channels), preprocessed.
        training: Whether in training mode.
    """
    x, statistics = images, []
    for segment, stack, tap in zip(kind.segments, stacks, taps, strict=True):
        read = [value for slot, value in zip(segment.slots, stack) if not (training and slot.role == "statistic")]
        batch = [value for slot, value in zip(segment.slots, stack) if slot.role == "statistic" and training]
        go = _loop if segment.rolled else _once
        x, taken = go(_block(segment, training=training), x, [tap, *read], batch)
        statistics.append(taken)
    return Passed(x, statistics)


Block = Callable[[Any, Sequence[Any]], tuple[Any, list[Any]]]


def _block(segment: Segment, *, training: bool) -> Block:
    """Return what computes a block of a segment from its input and what it reads, its tap first."""

    def block(x: Any, read: Sequence[Any]) -> tuple[Any, list[Any]]:
        words, values = Words(training=training), [x]
        tap, *rest = read
        given = iter(rest)
        for call in segment.calls:
            slots = [slot for slot in call.slots if not (training and slot.role == "statistic")]
            inputs = (values[i] for i in call.inputs)
            named = {slot.name: next(given) for slot in slots}
            values.append(getattr(words, call.word)(*inputs, **named, **dict(call.settings)))
        y = values[-1]
        if training and segment.shape:
            y = _tapped(y, tap)
        return y, words.statistics

    return block


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _tapped(x: Any, tap: Any) -> Any:
    """Return `x`; the gradient by `tap` is the norm of that by `x`."""

    def backward(upstream: Any) -> tuple[Any, Any]:
        return upstream, tf.sqrt(2.0 * tf.nn.l2_loss(upstream))

    return tf.identity(x), backward


def _once(block: Block, x: Any, stacks: Sequence[Any], batch: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Compute the only block of a segment."""
    y, statistics = block(x, [tf.squeeze(stack, 0) for stack in stacks])
    return y, [statistic[None] for statistic in statistics]


def _loop(block: Block, x: Any, stacks: Sequence[Any], batch: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Compute all blocks of a segment, one after another; `batch` has the shapes of what is kept of each."""
    count = tf.shape(stacks[0])[0]
    lists = [(_list(stack), tf.shape(stack)[1:], stack) for stack in stacks]
    kept = [_reserved(like, count) for like in batch]

    def body(i: Any, x: Any, *kept: Any) -> tuple[Any, ...]:
        read = [_item(items, i, shape, stack) for items, shape, stack in lists]
        y, statistics = block(x, read)
        written = (
            tf.raw_ops.TensorListSetItem(input_handle=items, index=i, item=item)
            for items, item in zip(kept, statistics, strict=True)
        )
        return i + 1, y, *written

    start = (tf.constant(0), x, *kept)
    shape = tf.TensorShape([None, *x.shape[1:3], None])
    shapes = (tf.TensorShape([]), shape, *(tf.TensorShape(items.shape) for items in kept))
    _, x, *kept = tf.while_loop(lambda i, *_: i < count, body, start, shapes, parallel_iterations=1)
    return x, [_stack(items, like) for items, like in zip(kept, batch, strict=True)]


def _list(stack: Any) -> Any:
    return tf.raw_ops.TensorListFromTensor(tensor=stack, element_shape=tf.shape(stack)[1:])


def _item(items: Any, i: Any, shape: Any, stack: Any) -> Any:
    item = tf.raw_ops.TensorListGetItem(
        input_handle=items, index=i, element_shape=shape, element_dtype=stack.dtype
    )  # fmt: skip
    item.set_shape(stack.shape[1:])
    return item


def _reserved(like: Any, count: Any) -> Any:
    return tf.raw_ops.TensorListReserve(
        element_shape=tf.shape(like)[1:], num_elements=count, element_dtype=like.dtype
    )  # fmt: skip


def _stack(items: Any, like: Any) -> Any:
    stacked = tf.raw_ops.TensorListStack(
        input_handle=items, element_shape=tf.shape(like)[1:], element_dtype=like.dtype
    )  # fmt: skip
    stacked.set_shape(like.shape)
    return stacked
