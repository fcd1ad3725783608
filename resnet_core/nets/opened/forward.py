"""The forward pass of a kind over matrices of values. A segment of equal blocks is a loop."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.nets.opened.form import Kind, Segment
from resnet_core.nets.opened.layout import Shelf, shaped, shelves
from resnet_core.nets.opened.words import Words

Matrices = Sequence[Mapping[Shelf, Any]]
"""For each segment, the matrix of each shelf, with a row per block."""


class Passed(NamedTuple):
    """Results of a forward pass.

    Attributes:
        logits: Logits of each image.
        statistics: In training mode, means and variances of the batch, a matrix for each segment that has them.
    """

    logits: Any
    statistics: list[Any]


TAP = -1
"""The place of the tap among the values of a block, whose others have those of their slots."""


class Layout:
    """Sizes and shapes of the slots of a segment, which are data; see `layout.layout_of`.

    Attributes:
        sizes: For each shelf, the sizes of its slots.
    """

    def __init__(self, segment: Segment, layout: Any, *, tapped: bool) -> None:
        self._slots, held = segment.slots, shelves(segment)
        shapes = shaped(segment)
        lengths = [*(len(shelf.slots) for shelf in held), *(len(self._slots[place].shape) for place in shapes)]
        parts = tf.split(tf.ensure_shape(layout, (sum(lengths),)), lengths)
        self._places = {shelf: shelf.slots for shelf in held}
        self.sizes: dict[Shelf, Any] = dict(zip(held, parts[: len(held)], strict=True))
        self._shapes = dict(zip(shapes, parts[len(held) :], strict=True))
        if tapped:
            self._places[held[0]] = (TAP, *held[0].slots)
            self.sizes[held[0]] = tf.concat([[1], self.sizes[held[0]]], 0)

    def values(self, shelf: Shelf, row: Any) -> dict[int, Any]:
        """Return the values of a shelf in one block by their places."""
        places = self._places[shelf]
        if not places:
            return {}
        parts = tf.split(row, self.sizes[shelf], num=len(places))
        return {place: self._shaped(place, part) for place, part in zip(places, parts, strict=True)}

    def _shaped(self, place: int, part: Any) -> Any:
        shape = (1,) if place == TAP else self._slots[place].shape
        value = part if len(shape) == 1 else tf.reshape(part, self._shapes.get(place, shape))
        value.set_shape(shape)
        return value


def forward(kind: Kind, matrices: Matrices, layouts: Sequence[Any], images: Any, *, training: bool) -> Passed:
    """Return the logits of a batch.

    Args:
        kind: Kind of the network.
        matrices: Values of the slots. In training mode, the moving statistics are not read, and the matrix of the
            weights has a first column of zeros: its gradient is the L2 norm of the gradient by each block's output.
        layouts: The layout of each segment, see `layout.layout_of`.
        images: (batch, height, width, channels), preprocessed.
        training: Whether normalisation and dropout are in training mode.
    """
    x, statistics = images, []
    for segment, values, layout in zip(kind.segments, matrices, layouts, strict=True):
        block = _Block(segment, Layout(segment, layout, tapped=training), training=training)
        x, of_batch = (_loop if segment.rolled else _once)(block, x, [values[shelf] for shelf in block.shelves])
        statistics += [] if of_batch is None else [of_batch]
    return Passed(x, statistics)


class _Block:
    """A block of a segment.

    Attributes:
        shelves: The shelves that it reads.
        statistics: Size of its batch statistics, or `None` without any.
    """

    def __init__(self, segment: Segment, layout: Layout, *, training: bool) -> None:
        self._segment, self._layout, self._training = segment, layout, training
        moving = [shelf for shelf in shelves(segment) if training and shelf.role == "statistic"]
        self.shelves = [shelf for shelf in shelves(segment) if shelf not in moving]
        self.statistics = tf.reduce_sum(layout.sizes[moving[0]]) if moving else None

    def __call__(self, x: Any, rows: Sequence[Any]) -> tuple[Any, Any]:
        """Return the output, and in training mode the statistics of the batch as a vector.

        Args:
            x: The input.
            rows: The block's row of each shelf.
        """
        named: dict[int, Any] = {}
        for shelf, row in zip(self.shelves, rows, strict=True):
            named |= self._layout.values(shelf, row)
        words, values, place = Words(training=self._training), [x], 0
        for call in self._segment.calls:
            slots = {slot.name: named[place + i] for i, slot in enumerate(call.slots) if place + i in named}
            place += len(call.slots)
            inputs = (values[i] for i in call.inputs)
            values.append(getattr(words, call.word)(*inputs, **slots, **dict(call.settings)))
        y = values[-1]
        if self._training and self._segment.shape:
            y = _tapped(y, named[TAP])
        return y, tf.concat(words.statistics, 0) if words.statistics else None


@tf.custom_gradient  # type: ignore[untyped-decorator]
def _tapped(x: Any, tap: Any) -> Any:
    """Return `x`. The gradient by `tap` is the norm of the gradient by `x`."""

    def backward(upstream: Any) -> tuple[Any, Any]:
        return upstream, tf.sqrt(2.0 * tf.nn.l2_loss(upstream))[None]

    return tf.identity(x), backward


def _once(block: _Block, x: Any, matrices: Sequence[Any]) -> tuple[Any, Any]:
    """Compute the only block of a segment."""
    y, statistics = block(x, [tf.squeeze(matrix, 0) for matrix in matrices])
    return y, None if statistics is None else statistics[None]


def _loop(block: _Block, x: Any, matrices: Sequence[Any]) -> tuple[Any, Any]:
    """Compute all blocks of a segment in a loop."""
    count = tf.shape(matrices[0])[0]
    lists = [_List(matrix) for matrix in matrices]
    kept_width = tf.constant([0]) if block.statistics is None else block.statistics[None]
    kept = tf.raw_ops.TensorListReserve(element_shape=kept_width, num_elements=count, element_dtype=tf.float32)

    def body(i: Any, x: Any, kept: Any) -> tuple[Any, Any, Any]:
        y, statistics = block(x, [rows.row(i) for rows in lists])
        if statistics is not None:
            kept = tf.raw_ops.TensorListSetItem(input_handle=kept, index=i, item=statistics)
        return i + 1, y, kept

    shapes = (tf.TensorShape([]), tf.TensorShape([None, *x.shape[1:3], None]), tf.TensorShape([]))
    start = (tf.constant(0), x, kept)
    _, x, kept = tf.while_loop(lambda i, *_: i < count, body, start, shapes, parallel_iterations=1)
    if block.statistics is None:
        return x, None
    rows = tf.raw_ops.TensorListStack(input_handle=kept, element_shape=kept_width, element_dtype=tf.float32)
    return x, tf.ensure_shape(rows, (None, None))


class _List:
    """The rows of a matrix as a list. Its gradient is made row by row, too."""

    def __init__(self, matrix: Any) -> None:
        self._width, self._dtype = tf.shape(matrix)[1:], matrix.dtype
        self._items = tf.raw_ops.TensorListFromTensor(tensor=matrix, element_shape=self._width)

    def row(self, i: Any) -> Any:
        """Return the `i`-th row."""
        read = tf.raw_ops.TensorListGetItem(
            input_handle=self._items, index=i, element_shape=self._width, element_dtype=self._dtype
        )  # fmt: skip
        return tf.ensure_shape(read, (None,))
