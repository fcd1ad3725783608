"""The order of the images and the draws of their augmentation, as functions of seed and epoch, without state."""

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
    """The images of one step, with the draws of their augmentation.

    Attributes:
        epoch: Number of the epoch, counted from 1.
        ends_epoch: Whether the batch is the last of its epoch.
        indices: Indices of the training images, (batch,).
        offsets: Row and column at which the crop of each image begins in the padded image, (batch, 2).
        flips: Whether each image is mirrored left to right, (batch,).
        places: Centre of the square that is cut out of each image, (batch, 2), as fractions of height and width in
            [0, 1).
        partners: Position in the batch of the image with which each image is mixed, (batch,).
        share: Weight of each image in the mixture; its partner has the weight 1 - `share`.
        weights: Weight of each image in the loss, (batch,); `None` if all weigh the same.
    """

    epoch: int
    ends_epoch: bool
    indices: Array
    offsets: Array
    flips: Array
    places: Array | None = None
    partners: Array | None = None
    share: float = 1.0
    weights: Array | None = None


def batches(
    seed: int, images: int, batch_size: int, steps: int, start: int = 0, *, cutout: bool = False, mixup: float = 0.0,
    labels: Array | None = None, balance: str = "none",
) -> Iterator[Batch]:  # fmt: skip
    """Yield the batches of `steps` steps over `images` images, from the `start`-th step on, counted from 0.

    Every epoch has its own permutation of the images; its last, partial batch is dropped. `places` are drawn if
    `cutout` is true. If `mixup` is not 0, `partners` are drawn, and `share` from Beta(mixup, mixup). For `balance`, see
    `TrainSpec`; it needs the `labels` of the images.
    """
    per_epoch = images // batch_size
    weights = class_weights(labels)[labels] if balance == "class_weights" and labels is not None else None
    for epoch in count(1 + start // per_epoch):
        shuffle = generator(seed, "order", epoch)
        if balance == "sampling" and labels is not None:
            order = equal_shares(labels, shuffle)
        else:
            order = shuffle.permutation(images)
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
            if weights is not None:
                batch = replace(batch, weights=weights[order[part]])
            if mixup:
                mix = generator(seed, "mixup", epoch, i)
                batch = replace(batch, partners=mix.permutation(batch_size), share=float(mix.beta(mixup, mixup)))
            yield batch
            start += 1


def class_weights(labels: Array) -> Array:
    """Return n / (classes · n_c) for each class c, where n_c of the n labels are c, as float32. A class without
    labels has the weight 0 and is not counted.
    """
    counts = np.bincount(labels)
    present = np.maximum(counts, 1) * np.count_nonzero(counts)
    return np.where(counts > 0, len(labels) / present, 0.0).astype(np.float32)


def equal_shares(labels: Array, rng: np.random.Generator) -> Array:
    """Return as many indices as there are labels, in random order, with equally many of each class, or one more.

    The indices of a class are consecutive random permutations of its images, so no image is drawn again before all
    others of its class have been drawn.
    """
    classes = rng.permutation(np.unique(labels))
    shares = np.full(len(classes), len(labels) // len(classes))
    shares[: len(labels) % len(classes)] += 1
    drawn = []
    for label, share in zip(classes, shares, strict=True):
        (members,) = np.nonzero(labels == label)
        turns = -(-share // len(members))
        drawn.append(np.concatenate([rng.permutation(members) for _ in range(turns)])[:share])
    return rng.permutation(np.concatenate(drawn))


def probed_batch(seed: int, images: int, batch_size: int) -> Array:
    """Return the indices of the training images for the probes, which are equal for all runs of one data seed."""
    return generator(seed, "probe").permutation(images)[:batch_size]
