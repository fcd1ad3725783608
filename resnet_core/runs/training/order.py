"""Which images a step sees, and how they are augmented: functions of (seed, epoch), no state."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
        places: Centre of the square that is cut out of each, (batch, 2), as shares of its height and width in [0, 1).
        partners: The image that each is mixed with, as a place in the batch, (batch,).
        share: The images' own share of the mixture.
    """

    epoch: int
    ends_epoch: bool
    indices: Array
    offsets: Array
    flips: Array
    places: Array | None = None
    partners: Array | None = None
    share: float = 1.0


def batches(
    seed: int, images: int, batch_size: int, steps: int, start: int = 0, *, cutout: bool = False, mixup: float = 0.0
) -> Iterator[Batch]:
    """Yield the batches of `steps` steps over `images` images, from the `start`-th step on, counted from 0.

    Every epoch is a permutation of its own, without its last, partial batch. `places` are drawn with `cutout`;
    `partners` and, from Beta(mixup, mixup), `share` where `mixup` is not 0.
    """
    per_epoch = images // batch_size
    for epoch in count(1 + start // per_epoch):
        order = generator(seed, "order", epoch).permutation(images)
        augment = generator(seed, "augmentation", epoch)
        offsets = augment.integers(0, 2 * CROP_PADDING + 1, (images, 2))
        flips = augment.integers(0, 2, images).astype(bool)
        places = generator(seed, "cutout", epoch).random((images, 2), np.float32) if cutout else None
        for i in range(start % per_epoch, per_epoch):
            if start == steps:
                return
            part = slice(i * batch_size, (i + 1) * batch_size)
            batch = Batch(epoch, i == per_epoch - 1, order[part], offsets[part], flips[part])
            if places is not None:
                batch = replace(batch, places=places[part])
            if mixup:
                mix = generator(seed, "mixup", epoch, i)
                batch = replace(batch, partners=mix.permutation(batch_size), share=float(mix.beta(mixup, mixup)))
            yield batch
            start += 1


def probed_batch(seed: int, images: int, batch_size: int) -> Array:
    """Return which training images the probes see: the same for all runs of one data seed."""
    return generator(seed, "probe").permutation(images)[:batch_size]
