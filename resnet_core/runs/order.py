"""Which images a step sees, and how they are augmented: functions of (seed, epoch), no state."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from resnet_core.seeds import generator

Array = np.ndarray[Any, np.dtype[Any]]
CROP_PADDING = 4


@dataclass(frozen=True)
class Batch:
    """One step's images.

    Attributes:
        epoch: Counted from 1.
        ends_epoch: Whether it is the last of its epoch.
        indices: Which training images, (batch,).
        offsets: Where the crop of each starts in its padded image, (batch, 2), row and column.
        flips: Whether each is mirrored left to right, (batch,).
    """

    epoch: int
    ends_epoch: bool
    indices: Array
    offsets: Array
    flips: Array


def batches(seed: int, images: int, batch_size: int, steps: int, start: int = 0) -> Iterator[Batch]:
    """Yield the batches of `steps` steps over `images` images, from the `start`-th step on, counted from 0.

    Every epoch is a permutation of its own, without its last, partial batch.
    """
    per_epoch = images // batch_size
    for epoch in count(1 + start // per_epoch):
        order = generator(seed, "order", epoch).permutation(images)
        augment = generator(seed, "augmentation", epoch)
        offsets = augment.integers(0, 2 * CROP_PADDING + 1, (images, 2))
        flips = augment.integers(0, 2, images).astype(bool)
        for i in range(start % per_epoch, per_epoch):
            if start == steps:
                return
            part = slice(i * batch_size, (i + 1) * batch_size)
            yield Batch(epoch, i == per_epoch - 1, order[part], offsets[part], flips[part])
            start += 1


def probed_batch(seed: int, images: int, batch_size: int) -> Array:
    """Return which training images the probes see: the same for all runs of one data seed."""
    return generator(seed, "probe").permutation(images)[:batch_size]
