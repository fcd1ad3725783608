"""The forward pass of a kind over stacked weights. A segment of equal blocks is a loop."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.nets.opened.form import Kind, Segment
from resnet_core.nets.opened.words import Words

Stacks = Sequence[Sequence[Any]]
"""For each segment and slot, the values of all blocks as one tensor; the first axis is the blocks."""


class Passed(NamedTuple):
    """Results of a forward pass.

    Attributes:
        logits: Logits of each image.
        statistics: In training mode, means and variances of the batch by segment and slot, stacked over the blocks.
    """

    logits: Any
    statistics: list[list[Any]]


def forward(kind: Kind, stacks: Stacks, taps: Sequence[Any], images: Any, *, training: bool) -> Passed:
    """Return the logits of a batch.

    Args:
        kind: Kind of the network.
        stacks: Values of the slots. In training mode, moving statistics are not read.
        taps: For each segment a vector of zeros, one per block. The gradient by a tap is the L2 norm of the gradient by
            the block's output.
        images: (batch, height, width, channels), preprocessed.
        training: Whether normalisation and dropout are in training mode.
    """
    x, statistics = images, []
    for segment, stack, tap in zip(kind.segments, stacks, taps, strict=True):
        read = [value for slot, value in zip(segment.slots, stack) if not (training and slot.role == "statistic")]
        moving = [value for slot, value in zip(segment.slots, stack) if slot.role == "statistic" and training]
        compute = _loop if segment.rolled else _once
        x, of_batch = compute(_block(segment, training=training), x, [tap, *read], moving)
        statistics.append(of_batch)
    return Passed(x, statistics)


Block = Callable[[Any, Sequence[Any]], tuple[Any, list[Any]]]


def _block(segment: Segment, *, training: bool) -> Block:
    """Return the function that computes a block from its input, its tap and the values of its slots."""

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
    """Return `x`. The gradient by `tap` is the norm of the gradient by `x`."""

    def backward(upstream: Any) -> tuple[Any, Any]:
        return upstream, tf.sqrt(2.0 * tf.nn.l2_loss(upstream))

    return tf.identity(x), backward


def _once(block: Block, x: Any, stacks: Sequence[Any], batch: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Compute the only block of a segment."""
    y, statistics = block(x, [tf.squeeze(stack, 0) for stack in stacks])
    return y, [statistic[None] for statistic in statistics]


def _loop(block: Block, x: Any, stacks: Sequence[Any], batch: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Compute all blocks of a segment in a loop; `batch` has the shapes of each block's batch statistics."""
    count = tf.shape(stacks[0])[0]
    shelves = [_Shelf(stacks, dtype, count) for dtype in dict.fromkeys(stack.dtype for stack in stacks)]
    sizes = [tf.shape(like)[1] for like in batch]
    width = tf.reduce_sum(sizes) if batch else tf.constant(0)
    kept = tf.raw_ops.TensorListReserve(element_shape=width[None], num_elements=count, element_dtype=tf.float32)

    def body(i: Any, x: Any, kept: Any) -> tuple[Any, Any, Any]:
        read: dict[int, Any] = {}
        for shelf in shelves:
            read |= shelf.of_block(i)
        y, statistics = block(x, [read[place] for place in range(len(stacks))])
        if statistics:
            kept = tf.raw_ops.TensorListSetItem(input_handle=kept, index=i, item=tf.concat(statistics, 0))
        return i + 1, y, kept

    shapes = (tf.TensorShape([]), tf.TensorShape([None, *x.shape[1:3], None]), tf.TensorShape([]))
    start = (tf.constant(0), x, kept)
    _, x, kept = tf.while_loop(lambda i, *_: i < count, body, start, shapes, parallel_iterations=1)
    if not batch:
        return x, []
    rows = tf.raw_ops.TensorListStack(input_handle=kept, element_shape=width[None], element_dtype=tf.float32)
    return x, tf.split(tf.ensure_shape(rows, (None, None)), tf.stack(sizes), axis=1, num=len(batch))


class _Shelf:
    """The stacks of one dtype, concatenated so that a block's values are one row.

    Args:
        stacks: All stacks; those of other dtypes are left out.
        dtype: The dtype.
        count: Number of blocks.
    """

    def __init__(self, stacks: Sequence[Any], dtype: Any, count: Any) -> None:
        self._stacks = {place: stack for place, stack in enumerate(stacks) if stack.dtype == dtype}
        self._shapes = [tf.shape(stack)[1:] for stack in self._stacks.values()]
        sizes = [tf.reduce_prod(shape) for shape in self._shapes]
        flat = [tf.reshape(stack, (count, size)) for stack, size in zip(self._stacks.values(), sizes, strict=True)]
        self._sizes, self._width = tf.stack(sizes), tf.add_n(sizes)[None]
        self._items = tf.raw_ops.TensorListFromTensor(tensor=tf.concat(flat, 1), element_shape=self._width)
        self._dtype = dtype

    def of_block(self, i: Any) -> dict[int, Any]:
        """Return the values of the `i`-th block by the position of their stack."""
        item = tf.raw_ops.TensorListGetItem(
            input_handle=self._items, index=i, element_shape=self._width, element_dtype=self._dtype
        )  # fmt: skip
        parts = tf.split(tf.ensure_shape(item, (None,)), self._sizes, num=len(self._stacks))
        read = {}
        for (place, stack), shape, part in zip(self._stacks.items(), self._shapes, parts, strict=True):
            read[place] = part if stack.shape.rank == 2 else tf.reshape(part, shape)
        return read
