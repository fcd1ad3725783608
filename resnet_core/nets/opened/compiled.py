"""The compiled passes of a kind of network. Their variables are filled with the values of one network after another."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import tensorflow as tf

from resnet_core.nets.opened.form import Kind, Opened
from resnet_core.nets.opened.forward import forward
from resnet_core.nets.opened.initial import Array, initial
from resnet_core.nets.opened.tape import Operand, Role


class Backward(NamedTuple):
    """Results of a pass in training mode.

    Attributes:
        loss: Mean cross-entropy.
        logits: Logits of each image.
        gradients: Gradients of the loss by the weights, in the order of `Variables.of`.
        statistics: Statistics of the batch, in the order of the variables.
        norms: For each segment, the L2 norms of the gradients by the outputs of its blocks.
    """

    loss: Any
    logits: Any
    gradients: list[Any]
    statistics: list[Any]
    norms: list[Any]


class Variables:
    """The variables of a kind of network, one per slot. The first axis is the blocks of the segment.

    Attributes:
        stacks: The variables by segment and slot.
        taps: For each segment a vector of zeros, one per block; see `forward`.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.stacks = [
            [
                tf.Variable(
                    tf.zeros((0, *(side or 1 for side in slot.shape)), slot.dtype), trainable=False,
                    shape=(None, *slot.shape),
                )
                for slot in segment.slots
            ]
            for segment in kind.segments
        ]  # fmt: skip
        self.taps = [tf.Variable(tf.zeros(0), trainable=False, shape=(None,)) for _ in kind.segments]

    def take(self, net: Opened, init: str, seed: int) -> None:
        """Take the shapes and the initial values of a network; for `init` and `seed` see `initial`."""
        for variables, values in zip(self.stacks, initial(net, init, seed), strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        for tap, blocks in zip(self.taps, net.blocks, strict=True):
            tap.assign(tf.zeros(len(blocks)))

    def of(self, role: Role) -> list[tf.Variable]:
        """Return the variables of a role, by segment and slot."""
        return [self.stacks[i][j] for i, j in self.places(role)]

    def slots(self, role: Role) -> list[Operand]:
        """Return the slots of a role, by segment and slot."""
        return [self._kind.segments[i].slots[j] for i, j in self.places(role)]

    def places(self, role: Role) -> Iterator[tuple[int, int]]:
        """Yield segment and slot of the variables of a role."""
        for i, segment in enumerate(self._kind.segments):
            yield from ((i, j) for j, slot in enumerate(segment.slots) if slot.role == role)

    def by_layer(self, net: Opened) -> dict[str, Array]:
        """Return the values of the current network by their names in Keras, `layer/variable`."""
        values: dict[str, Array] = {}
        for role in ("weight", "statistic", "draw"):
            for i, j in self.places(role):
                stack = self.stacks[i][j].numpy()
                for cell, value in zip(net.cells(i, j), stack, strict=True):
                    values[f"{cell.layer}/{cell.slot.name}"] = value
        return values


class Compiled:
    """The passes of a kind; each is traced once, whatever the network.

    Attributes:
        variables: The variables of the passes.
        backward: Function from images and targets, (batch, classes), to a `Backward`. It writes no variable.
        infer: Function from images to logits, in inference mode.
    """

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.variables = Variables(kind)
        images = tf.TensorSpec((None, *kind.shape, None))
        targets = tf.TensorSpec((None, None))
        self.backward = tf.function(self._backward, autograph=False, input_signature=(images, targets))
        self.infer = tf.function(self._infer, autograph=False, input_signature=(images,))

    def _read(self) -> tuple[list[list[Any]], list[Any]]:
        stacks = [[variable.read_value() for variable in variables] for variables in self.variables.stacks]
        return stacks, [tap.read_value() for tap in self.variables.taps]

    def _backward(self, images: Any, targets: Any) -> Backward:
        stacks, taps = self._read()
        weights = [stacks[i][j] for i, j in self.variables.places("weight")]
        with tf.GradientTape() as tape:
            tape.watch([*weights, *taps])
            logits, statistics = forward(self._kind, stacks, taps, images, training=True)
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))
        gradients = tape.gradient(loss, [*weights, *taps], unconnected_gradients="zero")
        by_weights, norms = gradients[: len(weights)], gradients[len(weights) :]
        return Backward(loss, logits, by_weights, [each for value in statistics for each in value], norms)

    def _infer(self, images: Any) -> Any:
        stacks, taps = self._read()
        return forward(self._kind, stacks, taps, images, training=False).logits

    def move_on(self, statistics: Sequence[Any]) -> None:
        """Update the moving averages and the random states after a training pass with these statistics."""
        moving = zip(self.variables.of("statistic"), statistics, self._momenta(), strict=True)
        for average, batch, momentum in moving:
            average.assign(average * momentum + batch * (1.0 - momentum))
        for state in self.variables.of("draw"):
            state.assign(state + tf.constant([[0, 1]], state.dtype))

    def _momenta(self) -> list[Any]:
        """Return the momentum of each moving statistic, in their order."""
        calls = (call for segment in self._kind.segments for call in segment.calls)
        slots = ((dict(call.settings), slot) for call in calls for slot in call.slots)
        return [settings["momentum"] for settings, slot in slots if slot.role == "statistic"]


@lru_cache(maxsize=4)
def compiled(kind: Kind) -> Compiled:
    """Return the compiled passes of a kind; the last few are cached."""
    return Compiled(kind)


def stacked_norms(stack: Any) -> Any:
    """Return the L2 norm of each tensor in a stack."""
    return tf.sqrt(tf.reduce_sum(tf.square(stack), axis=tuple(range(1, stack.shape.rank))))
