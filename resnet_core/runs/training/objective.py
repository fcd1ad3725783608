"""The parts of a training step besides the network: augmentation, targets, loss and accuracy."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from resnet_core.runs.training.augmentation import crop_and_flip, cut_out, mix_up
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.step import StepSpec


class DrawnBatch(NamedTuple):
    """A `Batch` as tensors.

    Attributes:
        indices: Indices of the images among those that the step gets.
        offsets, flips, places: See `Batch`.
        mixing: `partners` and `share` of the batch, or `None` if images are not mixed.
        weights: See `Batch`.
    """

    indices: Any
    offsets: Any
    flips: Any
    places: Any
    mixing: tuple[Any, Any] | None
    weights: Any = None

    @classmethod
    def from_batch(cls, batch: Batch, *, is_read: bool) -> "DrawnBatch":
        """Return the tensors of a batch. If `is_read`, the step gets only the images of the batch."""
        indices = np.arange(len(batch.indices)) if is_read else batch.indices
        places = None if batch.places is None else tf.constant(batch.places)
        mixing = None if batch.partners is None else (tf.constant(batch.partners), tf.constant(batch.share))
        weights = None if batch.weights is None else tf.constant(batch.weights)
        return cls(tf.constant(indices), tf.constant(batch.offsets), tf.constant(batch.flips), places, mixing, weights)


def augmented(step: StepSpec, x: Any, drawn: DrawnBatch) -> Any:
    """Return preprocessed images with the augmentation of the step."""
    if step.augmentation == "crop_flip":
        x = crop_and_flip(x, drawn.offsets, drawn.flips)
    if step.cutout:
        x = cut_out(x, drawn.places, step.cutout)
    return mix_up(x, *drawn.mixing) if drawn.mixing else x


def loss_of(step: StepSpec, labels: Any, logits: Any, mixing: Any, weights: Any = None) -> Any:
    """Return the mean cross-entropy with the labels, which are smoothed and mixed as in the step.

    With `weights`, the cross-entropy of each image is multiplied by its weight, that of a mixed image by the mixed
    weight.
    """
    if not (step.label_smoothing or step.mixes):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    else:
        targets = targets_of(step, labels, logits.shape[-1], mixing)
        losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
    if weights is not None:
        losses *= mix_up(weights, *mixing) if step.mixes else weights
    return tf.reduce_mean(losses)


def targets_of(step: StepSpec, labels: Any, classes: int, mixing: Any) -> Any:
    """Return the labels as probabilities of the classes, smoothed and mixed as in the step."""
    wrong = step.label_smoothing / classes
    targets = tf.one_hot(labels, classes, 1.0 - step.label_smoothing + wrong, wrong)
    return mix_up(targets, *mixing) if step.mixes else targets


def accuracy_of(labels: Any, logits: Any, mixing: Any) -> Any:
    """Return the accuracy. Each label of a mixed image counts by its share."""
    predictions = tf.argmax(logits, -1)
    right = tf.reduce_mean(tf.cast(predictions == labels, tf.float32))
    if mixing is None:
        return right
    partners, share = mixing
    others = tf.reduce_mean(tf.cast(predictions == tf.gather(labels, partners), tf.float32))
    return share * right + (1.0 - share) * others
