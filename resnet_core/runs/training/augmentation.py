"""Augmentation of the images of a batch. The random draws are arguments; see `order.Batch`."""

from typing import Any

import tensorflow as tf

from resnet_core.runs.training.order import CROP_PADDING


def crop_and_flip(images: Any, offsets: Any, flips: Any) -> Any:
    """Return the images padded by zeros, each cropped at its offset and mirrored if `flips` says so.

    Args:
        images: (batch, height, width, channels).
        offsets: Row and column of each crop in its padded image, (batch, 2).
        flips: Whether each image is mirrored left to right, (batch,).
    """
    height, width = images.shape[1:3]
    margin = [CROP_PADDING, CROP_PADDING]
    padded = tf.pad(images, [[0, 0], margin, margin, [0, 0]])
    rows = offsets[:, :1] + tf.range(height, dtype=offsets.dtype)
    columns = tf.range(width, dtype=offsets.dtype)
    columns = offsets[:, 1:] + tf.where(flips[:, None], columns[::-1], columns)
    return tf.gather(tf.gather(padded, rows, axis=1, batch_dims=1), columns, axis=2, batch_dims=1)


def cut_out(images: Any, places: Any, side: int) -> Any:
    """Return the images with a square of zeros in each, clipped at the borders (DeVries and Taylor 2017).

    Args:
        images: (batch, height, width, channels).
        places: Row and column of the centre of each square, as fractions of height and width in [0, 1), (batch, 2).
            The centre of an even side is the second of the two middle pixels, as in the released code.
        side: Side of the square in pixels.
    """
    size = tf.constant([*images.shape[1:3]], places.dtype)
    starts = tf.cast(tf.floor(places * size), tf.int32) - side // 2

    def inside(start: Any, length: int) -> Any:
        distance = tf.range(length) - start[:, None]
        return (distance >= 0) & (distance < side)

    rows, columns = (inside(starts[:, axis], images.shape[1 + axis]) for axis in (0, 1))
    return tf.where((rows[:, :, None] & columns[:, None, :])[..., None], tf.zeros([], images.dtype), images)


def mix_up(values: Any, partners: Any, share: Any) -> Any:
    """Return share · values + (1 - share) · values[partners], over the first axis (Zhang et al. 2018)."""
    return share * values + (1.0 - share) * tf.gather(values, partners)
