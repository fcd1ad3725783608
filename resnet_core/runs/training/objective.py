"""What a training step sees of a batch, and what it is to do: augmentation, targets, loss and accuracy."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from resnet_core.runs.training.augmentation import crop_and_flip, cut_out, mix_up
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.step import StepSpec


class DrawnBatch(NamedTuple):
    """A `Batch` as tensors.

    Attributes:
        indices: Of the images among those that the step is given.
        offsets, flips, places: See `Batch`.
        mixing: Its `partners` and `share`, or None where images are not mixed.
    """

    indices: Any
    offsets: Any
    flips: Any
    places: Any
    mixing: tuple[Any, Any] | None

    @classmethod
    def of(cls, batch: Batch, *, is_read: bool) -> "DrawnBatch":
        """Return the tensors of a batch; `is_read`: the step is given its images and no others."""
        indices = np.arange(len(batch.indices)) if is_read else batch.indices
        places = None if batch.places is None else tf.constant(batch.places)
        mixing = None if batch.partners is None else (tf.constant(batch.partners), tf.constant(batch.share))
        return cls(tf.constant(indices), tf.constant(batch.offsets), tf.constant(batch.flips), places, mixing)


def augmented(step: StepSpec, x: Any, drawn: DrawnBatch) -> Any:
    """Return preprocessed images, augmented as the step has it."""
    if step.augmentation == "crop_flip":
        x = crop_and_flip(x, drawn.offsets, drawn.flips)
    if step.cutout:
        x = cut_out(x, drawn.places, step.cutout)
    return mix_up(x, *drawn.mixing) if drawn.mixing else x


def loss_of(step: StepSpec, labels: Any, logits: Any, mixing: Any) -> Any:
    """Return the mean cross-entropy with the labels, smoothed and mixed as the step has it."""
    if not (step.label_smoothing or step.mixes):
        return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    targets = targets_of(step, labels, logits.shape[-1], mixing)
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(targets, logits))


def targets_of(step: StepSpec, labels: Any, classes: int, mixing: Any) -> Any:
    """Return the labels as shares of the classes, smoothed and mixed as the step has it."""
    wrong = step.label_smoothing / classes
    targets = tf.one_hot(labels, classes, 1.0 - step.label_smoothing + wrong, wrong)
    return mix_up(targets, *mixing) if step.mixes else targets


def accuracy_of(labels: Any, logits: Any, mixing: Any) -> Any:
    """Return the share of right answers; of a mixed image each label counts by its share."""
    answers = tf.argmax(logits, -1)
    right = tf.reduce_mean(tf.cast(answers == labels, tf.float32))
    if mixing is None:
        return right
    partners, share = mixing
    others = tf.reduce_mean(tf.cast(answers == tf.gather(labels, partners), tf.float32))
    return share * right + (1.0 - share) * others
