"""`Subject`: a network that is probed, cut at the places between its blocks.

Every part is compiled once. After a change of a block, such as a lesion or other weights, only this part and the later
ones are computed. Weights are arguments of the compiled parts, so probes do not write to the network.
"""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import initialise, recursion_room
from resnet_core.probes.anatomy import Anatomy, Block, Join, anatomy
from resnet_core.probes.graph import functional
from resnet_core.probes.part import NetworkPart, Weights
from resnet_core.probes.score import Score
from resnet_core.probes.surgery import back_through, branch_of, cut_block, segments

Array = npt.NDArray[Any]
BYTES_AT_PLACES = 256 * 2**20
"""Memory limit for the values between blocks, which determines the batch size."""


class Subject:
    """A network that is probed, the first argument of every probe.

    Attributes:
        model: The functional model.
        anatomy: The anatomy of the model.
        places, blocks, joins, layers: Those of the anatomy.
    """

    def __init__(self, model: Any) -> None:
        self.model = functional(model)
        self._as_given = list(getattr(model, "weights", self.model.weights))  # a nested model's may have another order
        with recursion_room(len(self.model.layers)):
            self.anatomy: Anatomy = anatomy(self.model)
        self.places, self.blocks = self.anatomy.places, self.anatomy.blocks
        self.joins, self.layers = self.anatomy.joins, self.anatomy.layers
        self._changed: dict[tuple[int, str], NetworkPart] = {}

    @cached_property
    def _full(self) -> "Subject":
        return Subject(keras.models.clone_model(self.model, clone_function=_float32))

    def in_float32(self) -> "Subject":
        """Return a copy with the same weights that computes in float32; the network itself if it does so already."""
        if all(layer.compute_dtype not in ("float16", "bfloat16") for layer in self.model.layers):
            return self
        self._full.model.set_weights(self.model.get_weights())
        return self._full

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return len(self.blocks)

    @property
    def layer_count(self) -> int:
        """Number of layers with a kernel."""
        return len(self.layers)

    @property
    def _share(self) -> float:
        """The share of the network that a part counts for: blocks, stem and head count alike."""
        return 1 / (len(self.blocks) + 2)

    @cached_property
    def parts(self) -> list[NetworkPart]:
        """The stem, every block, and the head."""
        with recursion_room(len(self.model.layers)):
            return [NetworkPart(segment, self._share) for segment in segments(self.model, self.anatomy)]

    @cached_property
    def whole(self) -> NetworkPart:
        """The whole network as one part."""
        return NetworkPart(self.model)

    def part_of(self, block: Block) -> NetworkPart:
        """Return the part that computes a block."""
        return self.parts[block.index + 1]

    def without(self, block: Block, taken_out: str) -> NetworkPart:
        """Return a block without its `branch` or its `skip`. A plain block is removed as a whole.

        Raises:
            UserError: A plain block changes the shape, so it cannot be removed.
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
            self._changed[key] = NetworkPart(model, self._share)
        return self._changed[key]

    def branch(self, block: Block) -> NetworkPart:
        """Return the part from a residual block's input to the end of its branch, before the addition."""
        return self._part(block, "end of the branch", branch_of)

    def back_through(self, block: Block, side: str) -> NetworkPart:
        """Return a residual block with unchanged values whose gradient flows through one side only.

        Args:
            block: The block.
            side: `skip` or `branch`.
        """
        return self._part(block, f"back through the {side}", partial(back_through, side=side))

    def _part(self, block: Block, name: str, change: Callable[[keras.Model, Join], keras.Model]) -> NetworkPart:
        if block.join is None:
            raise UserError(f"a block must have a residual join, but '{block.block}' has none")
        key = (block.index, name)
        if key not in self._changed:
            self._changed[key] = NetworkPart(change(self.part_of(block).model, block.join), self._share)
        return self._changed[key]

    def can_lose(self, block: Block) -> bool:
        """Return whether a block can be taken out: it has a skip, or keeps the shape."""
        return block.join is not None or not block.changes_shape

    def at_places(self, images: Any, *, training: bool = False) -> list[Any]:
        """Return the values at every place for one batch.

        Raises:
            UserError: There is no place, or the images have another shape than the network takes.
        """
        if not self.places:
            raise UserError(
                f"a network must have residual joins, or two layers with a kernel, but '{self.model.name}' has "
                f"{len(self.layers)} layers with a kernel and no join"
            )
        self._check(images)
        values, x = [], images
        for part in self.parts[:-1]:
            x = part(x, training=training)
            values.append(x)
        return values

    def onward(self, value: Any, place: int, weights: Weights | None = None, *, training: bool = False) -> Any:
        """Return the outputs for one batch, computed from the value at a place; at -1, from the images."""
        for part in self.parts[place + 1 :]:
            value = part(value, weights, training=training)
        return value

    def outputs(self, images: Any, weights: Weights | None = None, *, training: bool = False) -> Any:
        """Return the outputs for one batch."""
        return self.whole(images, weights, training=training)

    def gradients(self, images: Any, labels: Any, *, training: bool = False) -> tuple[list[Any], list[Any]]:
        """Return the values at every place, and the gradients of the mean cross-entropy by them, for one batch."""
        values = self.at_places(images, training=training)
        upstream = self.loss_gradient(self.parts[-1](values[-1], training=training), labels)
        gradients = []
        for part, value in zip(reversed(self.parts), reversed(values)):
            upstream = part.vjp(value, upstream, training=training)
            gradients.append(upstream)
        return values, gradients[::-1]

    def loss_gradient(self, outputs: Any, labels: Any) -> Any:
        """Return the gradient of the mean cross-entropy of a batch by its outputs."""
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            loss = tf.reduce_mean(self.losses(outputs, labels))
        return tape.gradient(loss, outputs)

    def weights_of(self, source: Any) -> Weights:
        """Return the weights of a model of the same layers, or a list of arrays, by the paths of the variables.

        Raises:
            UserError: The number or the shapes of the weights differ.
        """
        values = source.get_weights() if isinstance(source, keras.Model) else list(source)
        variables = self._as_given
        if [np.shape(value) for value in values] != [tuple(variable.shape) for variable in variables]:
            raise UserError(
                f"weights given to a probe must have the shapes of the network's {len(variables)} weights, but got "
                f"{len(values)} weights, or other shapes"
            )
        return {variable.path: value for variable, value in zip(variables, values, strict=True)}

    def with_weights(self, weights: Weights) -> "Subject":
        """Return a copy of the network with other weights."""
        copy = keras.models.clone_model(self.model)
        copy.set_weights([weights[variable.path] for variable in self.model.weights])
        return Subject(copy)

    def redrawn(self, seed: int) -> Weights:
        """Return weights drawn anew from the initialisers of the layers."""
        fresh = keras.models.clone_model(self.model)
        initialise(fresh, seed)
        return self.weights_of(fresh)

    def batch_statistics(self, images: Any, weights: Weights | None = None) -> Weights:
        """Return recomputed moving statistics: the mean over batches of the statistics of each batch.

        Args:
            images: The images.
            weights: Values that replace those of some variables.
        """
        layers = [x for x in self.model.layers if isinstance(x, keras.layers.BatchNormalization)]
        kept = [(s, layer.momentum) for layer in layers for s in (layer.moving_mean, layer.moving_variance)]
        if not kept:
            return {}
        from_zero = {**(weights or {}), **{statistic.path: tf.zeros(statistic.shape) for statistic, _ in kept}}
        values = [from_zero.get(v.path, tf.convert_to_tensor(v.value)) for v in self.model.variables]
        sums, count = [0.0] * len(kept), 0
        for (x,) in self.batches(images):
            count += 1
            with keras.StatelessScope(state_mapping=zip(self.model.variables, values, strict=True)) as scope:
                self.model(x, training=True)
            for i, (statistic, momentum) in enumerate(kept):
                sums[i] = sums[i] + scope.get_current_value(statistic) / (1.0 - momentum)
        return {statistic.path: total / count for (statistic, _), total in zip(kept, sums, strict=True)}

    def score(self, outputs: Any, labels: Any) -> Score:
        """Return the score of the outputs of a batch."""
        wrong = np.argmax(np.asarray(outputs), axis=-1) != np.asarray(labels)
        losses = self.losses(outputs, labels)
        return Score(len(wrong), float(tf.reduce_sum(losses)), float(wrong.sum()))

    def losses(self, outputs: Any, labels: Any) -> Any:
        """Return the cross-entropy of each image, in float32, from logits or, after a softmax, from probabilities."""
        outputs = tf.cast(outputs, tf.float32)
        if not self.ends_in_softmax:
            return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), outputs)
        return keras.losses.sparse_categorical_crossentropy(labels, outputs)

    @cached_property
    def ends_in_softmax(self) -> bool:
        """Whether the outputs are probabilities: the last layer is a softmax, or has a softmax as its activation."""
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

    def _check(self, images: Any) -> None:
        expected, given = tuple(self.model.inputs[0].shape[1:]), tuple(np.shape(images)[1:])
        if len(expected) != len(given) or any(a not in (None, b) for a, b in zip(expected, given)):
            raise UserError(f"images must have the shape that the network takes, {expected}, but got {given}")

    @cached_property
    def batch_size(self) -> int:
        """Number of images whose values at all places fit into `BYTES_AT_PLACES`; at most 512."""
        floats = sum(np.prod(place.call.tensor.shape[1:]) for place in self.places) or 1
        return int(min(512, max(1, BYTES_AT_PLACES // (4 * floats))))

    def batches(self, *arrays: Any) -> Iterator[tuple[Any, ...]]:
        """Yield arrays of equal length in chunks of `batch_size`.

        Raises:
            UserError: The arrays are empty, or their lengths differ.
        """
        lengths = {len(array) for array in arrays}
        if len(lengths) != 1 or lengths == {0}:
            raise UserError(f"there must be images, and a label for each, but got {[len(a) for a in arrays]}")
        self._check(arrays[0])
        for start in range(0, lengths.pop(), self.batch_size):
            yield tuple(tf.convert_to_tensor(array[start : start + self.batch_size]) for array in arrays)


def subject_of(model: Any) -> Subject:
    """Return the `Subject` of a model. A `Subject` is returned unchanged."""
    return model if isinstance(model, Subject) else Subject(model)


def _float32(layer: Any) -> Any:
    """Return a copy of a layer that computes in float32. Another operation, which has no weights, is not copied."""
    if not isinstance(layer, keras.layers.Layer):
        return layer
    return type(layer).from_config({**layer.get_config(), "dtype": "float32"})
