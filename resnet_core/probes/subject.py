"""`Subject`: a network as the probes see it, cut at the places between its blocks.

Every part is compiled once. A change to a block, a lesion or another value of a weight, runs the parts that follow it
and no others, and weights are handed to the compiled parts as arguments, so that nothing is written to the network.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import recursion_room
from resnet_core.probes.anatomy import Anatomy, Block, anatomy
from resnet_core.probes.graph import functional
from resnet_core.probes.surgery import branch_of, cut_block, segments

Array = npt.NDArray[Any]
Weights = Mapping[str, Any]
"""Values in place of those of variables, by the variable's path."""
BYTES_AT_PLACES = 256 * 2**20
"""Values between blocks are kept for as many images at once as fit into this."""


@dataclass
class Score:
    """Sums over images of the cross-entropy and of wrong answers."""

    images: int = 0
    total_loss: float = 0.0
    wrong: float = 0.0

    def add(self, other: "Score") -> None:
        """Add the sums of other images."""
        self.images += other.images
        self.total_loss += other.total_loss
        self.wrong += other.wrong

    @property
    def loss(self) -> float:
        """Mean cross-entropy."""
        return self.total_loss / self.images

    @property
    def error(self) -> float:
        """Share of wrong answers."""
        return self.wrong / self.images


@dataclass
class Part:
    """A part of a network with its compiled forward pass.

    Attributes:
        model: The part as a model; its weights are the network's.
    """

    model: keras.Model
    _compiled: dict[bool, Callable[..., Any]] = field(default_factory=dict)

    def __call__(self, x: Any, weights: Weights | None = None, *, training: bool = False) -> Any:
        """Return the part's output for a batch; in training mode batch statistics are used and not kept.

        Args:
            x: The batch.
            weights: Values in place of those of some variables.
            training: Whether normalisation and dropout are in training mode.
        """
        if training not in self._compiled:
            self._compiled[training] = tf.function(self._forward(training), autograph=False, reduce_retracing=True)
        changed = weights or {}
        # As tensors, so that a value in place of a variable's is no other kind of argument and traces nothing anew.
        values = [changed.get(variable.path, tf.convert_to_tensor(variable.value)) for variable in self.model.variables]
        return self._compiled[training](x, values)

    def _forward(self, training: bool) -> Callable[[Any, list[Any]], Any]:
        def forward(x: Any, values: list[Any]) -> Any:
            return stateless(self.model, x, values, training=training)

        return forward


def stateless(model: keras.Model, x: Any, values: list[Any], *, training: bool) -> Any:
    """Return a model's output at other values of its variables, without writing to any of them."""
    with keras.StatelessScope(state_mapping=zip(model.variables, values, strict=True)):
        return model(x, training=training)


class Subject:
    """A network as the probes see it.

    Attributes:
        model: The functional model.
        anatomy: Its parts by name.
        places, blocks, joins, layers: Those of the anatomy.
    """

    def __init__(self, model: Any) -> None:
        self.model = functional(model)
        with recursion_room(len(self.model.layers)):
            self.anatomy: Anatomy = anatomy(self.model)
        self.places, self.blocks = self.anatomy.places, self.anatomy.blocks
        self.joins, self.layers = self.anatomy.joins, self.anatomy.layers
        self._changed: dict[tuple[int, str], Part] = {}

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def layer_count(self) -> int:
        """Number of layers with a kernel."""
        return len(self.layers)

    @cached_property
    def parts(self) -> list[Part]:
        """The stem, every block, and the head."""
        with recursion_room(len(self.model.layers)):
            return [Part(segment) for segment in segments(self.model, self.anatomy)]

    @cached_property
    def whole(self) -> Part:
        """The network in one part."""
        return Part(self.model)

    def part_of(self, block: Block) -> Part:
        """Return the part that computes a block."""
        return self.parts[block.index + 1]

    def without(self, block: Block, taken_out: str) -> Part:
        """Return a block without its `branch`, its `skip`, or, if it is plain, without all of it.

        Raises:
            UserError: A plain block changes the shape, so that nothing can stand in its place.
        """
        key = (block.index, taken_out)
        if key not in self._changed:
            segment = self.part_of(block).model
            if block.join is not None:
                model = cut_block(segment, block, "skip" if taken_out == "branch" else "branch")
            elif block.changes_shape:
                raise UserError(f"a plain block can be taken out if it keeps the shape, but '{block.block}' changes it")
            else:
                model = keras.Model(segment.inputs, keras.layers.Identity()(segment.inputs[0]))
            self._changed[key] = Part(model)
        return self._changed[key]

    def branch(self, block: Block) -> Part:
        """Return what computes the end of a residual block's branch, before the addition, from the block's input."""
        key = (block.index, "branch alone")
        if key not in self._changed:
            assert block.join is not None
            self._changed[key] = Part(branch_of(self.part_of(block).model, block.join))
        return self._changed[key]

    def can_lose(self, block: Block) -> bool:
        """Return whether a block can be taken out: it has a skip, or keeps the shape."""
        return block.join is not None or not block.changes_shape

    def at_places(self, images: Any, *, training: bool = False) -> list[Any]:
        """Return the values at every place for one batch."""
        values, x = [], images
        for part in self.parts[:-1]:
            x = part(x, training=training)
            values.append(x)
        return values

    def onward(self, value: Any, place: int, *, training: bool = False) -> Any:
        """Return the outputs that follow from the value at a place for one batch."""
        for part in self.parts[place + 1 :]:
            value = part(value, training=training)
        return value

    def outputs(self, images: Any, weights: Weights | None = None, *, training: bool = False) -> Any:
        """Return the outputs for one batch."""
        return self.whole(images, weights, training=training)

    def score(self, outputs: Any, labels: Any) -> Score:
        """Return the sums of cross-entropy and of wrong answers for the outputs of a batch."""
        wrong = np.argmax(np.asarray(outputs), axis=-1) != np.asarray(labels)
        losses = self.losses(outputs, labels)
        return Score(len(wrong), float(tf.reduce_sum(losses)), float(wrong.sum()))

    def losses(self, outputs: Any, labels: Any) -> Any:
        """Return the cross-entropy of each image, in float32; outputs are logits, or probabilities after a softmax."""
        outputs = tf.cast(outputs, tf.float32)
        if not self.ends_in_softmax:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), outputs)
        return keras.losses.sparse_categorical_crossentropy(labels, outputs)

    @cached_property
    def ends_in_softmax(self) -> bool:
        """Whether the outputs are probabilities: the last layer is a softmax, or has one as its activation."""
        last = self.model.outputs[0]._keras_history.operation
        if isinstance(last, keras.layers.Softmax) or type(last).__name__ == "Softmax":
            return True
        return getattr(last, "activation", None) is keras.activations.softmax

    def scored(self, images: Any, labels: Any, weights: Weights | None = None) -> Score:
        """Return the score of all images in inference mode."""
        total = Score()
        for x, y in self.batches(images, labels):
            total.add(self.score(self.outputs(x, weights), y))
        return total

    @cached_property
    def batch_size(self) -> int:
        """How many images are taken at once: as many as fit into `BYTES_AT_PLACES`, at most 512."""
        floats = sum(np.prod(place.call.tensor.shape[1:]) for place in self.places) or 1
        return int(min(512, max(1, BYTES_AT_PLACES // (4 * floats))))

    def batches(self, *arrays: Any) -> Iterator[tuple[Any, ...]]:
        """Yield arrays of equal length in chunks of `batch_size`.

        Raises:
            UserError: They have no rows, or not equally many.
        """
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1 or lengths == {0}:
            raise UserError(f"images and labels must be equally many and some, but got {[len(a) for a in arrays]}")
        for start in range(0, lengths.pop(), self.batch_size):
            yield tuple(tf.convert_to_tensor(array[start : start + self.batch_size]) for array in arrays)


def subject_of(model: Any) -> Subject:
    """Return a model as the probes see it; a `Subject` is returned as it is."""
    return model if isinstance(model, Subject) else Subject(model)
