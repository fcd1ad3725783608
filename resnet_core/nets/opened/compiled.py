"""The passes of a kind of network. Their variables are filled with the values of one network after another."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.nets.opened.form import Kind, Opened
from resnet_core.nets.opened.forward import Layout, forward
from resnet_core.nets.opened.initial import initial
from resnet_core.nets.opened.layout import (
    Array,
    are_kernels,
    kernel_places,
    layout_of,
    of_role,
    places,
    shelves,
    stacks,
)
from resnet_core.nets.opened.tape import Role


class Backward(NamedTuple):
    """Results of a pass in training mode.

    Attributes:
        loss: Mean cross-entropy.
        logits: Logits of each image.
        gradients: Gradients of the loss by the weights, in the order of `Variables.with_role`.
        statistics: Statistics of the batch, in the order of the variables.
        norms: For each segment, the L2 norms of the gradients by the outputs of its blocks.
    """

    loss: Any
    logits: Any
    gradients: list[Any]
    statistics: list[Any]
    norms: list[Any]


class Variables:
    """The variables of a kind of network: for each segment a matrix for each shelf, with a row per block.

    Attributes:
        matrices: The matrices of each segment by their shelves.
        layouts: The layout of each segment, see `layout.layout_of`.
        are_kernels: For each segment, see `layout.are_kernels`.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.matrices = [
            {shelf: _open((None, None), shelf.dtype) for shelf in shelves(segment)} for segment in kind.segments
        ]
        with tf.device("CPU"):  # sizes and shapes are read there, with a GPU too
            self.layouts = [_open((None,), "int32") for _ in kind.segments]
        self.are_kernels = [_open((None,), "float32") for _ in kind.segments]

    def take(self, net: Opened, init: str, seed: int) -> None:
        """Take the shapes and the initial values of a network; for `init` and `seed` see `initial`."""
        for segment, values in enumerate(initial(net, init, seed)):
            for shelf, value in values.items():
                self.matrices[segment][shelf].assign(value)
            self.layouts[segment].assign(layout_of(net, segment))
            self.are_kernels[segment].assign(are_kernels(net, segment))

    def with_role(self, role: Role) -> list[tf.Variable]:
        """Return the variables of a role, by segment."""
        return [self.matrices[segment][shelf] for segment, shelf in of_role(self._kind, role)]

    def by_layer(self, net: Opened) -> dict[str, Array]:
        """Return the values of the current network by their names in Keras, `layer/variable`."""
        values: dict[str, Array] = {}
        for role in ("weight", "statistic", "draw"):
            of_slots = stacks(net, role, [variable.numpy() for variable in self.with_role(role)])
            for (segment, slot), stack in zip(places(self._kind, role), of_slots, strict=True):
                for cell, value in zip(net.cells(segment, slot), stack, strict=True):
                    values[f"{cell.layer}/{cell.slot.name}"] = value
        return values


def _open(shape: tuple[None, ...], dtype: str) -> tf.Variable:
    """Return a variable of open shape."""
    return tf.Variable(tf.zeros([0 for _ in shape], dtype), trainable=False, shape=shape)


class Compiled:
    """The passes of a kind, the same operations for every network of it.

    Attributes:
        variables: The variables of the passes.
        signature: Signature of images, to trace the passes with.
        infer: Function from images to logits, in inference mode. It is traced once, whatever the network.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.variables = Variables(kind)
        self.signature = tf.TensorSpec((None, *kind.shape, None))
        self.infer = tf.function(self._infer, autograph=False, input_signature=(self.signature,))

    def _read(self) -> tuple[list[dict[Any, Any]], list[Any]]:
        variables = self.variables
        matrices = [{shelf: each.read_value() for shelf, each in held.items()} for held in variables.matrices]
        return matrices, [layout.read_value() for layout in variables.layouts]

    def backward(self, images: Any, targets: Any) -> Backward:
        """Return the results of a pass in training mode, without writing a variable.

        Args:
            images: (batch, height, width, channels), preprocessed.
            targets: Probabilities of the classes, (batch, classes).
        """
        matrices, layouts = self._read()
        tapped = []
        for segment, held in zip(self._kind.segments, matrices, strict=True):
            weights = shelves(segment)[0]
            held[weights] = tf.pad(held[weights], [[0, 0], [1, 0]])
            tapped.append(held[weights])
        with tf.GradientTape() as tape:
            tape.watch(tapped)
            logits, statistics = forward(self._kind, matrices, layouts, images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, tapped, unconnected_gradients="zero")
        return Backward(
            loss, logits, [each[:, 1:] for each in gradients], statistics, [each[:, 0] for each in gradients]
        )

    def _infer(self, images: Any) -> Any:
        return forward(self._kind, *self._read(), images, training=False).logits

    def move_on(self, statistics: Sequence[Any]) -> None:
        """Update the moving averages and the random states after a training pass with these statistics."""
        moving = zip(self.variables.with_role("statistic"), statistics, self._momenta(), strict=True)
        for average, batch, momentum in moving:
            average.assign(average * momentum + batch * (1.0 - momentum))
        for state in self.variables.with_role("draw"):
            state.assign(state + tf.tile(tf.constant([[0, 1]], state.dtype), [1, tf.shape(state)[1] // 2]))

    def _momenta(self) -> list[float]:
        """Return the momentum of the moving statistics of each segment that has them."""
        norms = ([c for c in segment.calls if c.word == "batch_norm"] for segment in self._kind.segments)
        return [dict(calls[0].settings)["momentum"] for calls in norms if calls]  # type: ignore[misc]

    def kernel_norms(self, gradients: Sequence[Any]) -> list[Any]:
        """Return the L2 norms of the gradients by the kernels: (blocks, kernels) for each segment."""
        norms = []
        for segment, layout, rows in zip(self._kind.segments, self.variables.layouts, gradients, strict=True):
            weights = shelves(segment)[0]
            sizes = Layout(segment, layout.read_value(), tapped=False).sizes[weights]
            parts = tf.split(tf.square(rows), sizes, axis=1, num=len(weights.slots)) if weights.slots else []
            of_slots = dict(zip(weights.slots, parts, strict=True))
            sums = [tf.reduce_sum(of_slots[place], 1) for place in kernel_places(segment)]
            norms.append(tf.sqrt(tf.stack(sums, 1)) if sums else tf.zeros((tf.shape(rows)[0], 0)))
        return norms


@lru_cache(maxsize=8)
def compiled(kind: Kind) -> Compiled:
    """Return the compiled passes of a kind; the last few are cached."""
    return Compiled(kind)
