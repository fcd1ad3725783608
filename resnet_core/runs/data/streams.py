"""A finite `tf.data.Dataset` as arrays."""

from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.stored import Array

RULE = "a tf.data.Dataset must be finite and of (image, class)"
MOST_BYTES = 8 << 30
"""Of images: a data set whose length is not known is refused beyond them, as it may have no end."""


def is_stream(data: Any) -> bool:
    """Return whether it is a `tf.data.Dataset`; TensorFlow is not loaded for it."""
    return hasattr(data, "element_spec") and hasattr(data, "cardinality") and hasattr(data, "as_numpy_iterator")


def arrays_of(data: Any) -> tuple[Array, Array]:
    """Return all images and classes of a `tf.data.Dataset`, whether it is batched or not.

    Raises:
        UserError: It has no end, is not of (image, class), or its images are of several sizes.
    """
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(hasattr(part, "shape") for part in spec):
        raise UserError(f"{RULE}, but its elements are {spec}")
    if int(data.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise UserError(f"{RULE}, but it repeats without end; leave `repeat` away, or `take` what is an epoch")
    batched = spec[0].shape.rank == 4 or spec[1].shape.rank == 1
    images: list[Array] = []
    classes: list[Array] = []
    size = 0
    for x, y in data.as_numpy_iterator():
        images.append(np.asarray(x))
        classes.append(np.asarray(y))
        size += images[-1].nbytes
        if size > MOST_BYTES:
            raise UserError(
                f"{RULE}, but its images take more than {MOST_BYTES >> 30} GiB and it does not say how many there are; "
                "`take` some, or write them as a folder of images or an .npz file, which are read from disk"
            )
    shapes = {image.shape[1:] if batched else image.shape for image in images}
    if len(shapes) != 1:
        what = f"of {len(shapes)} shapes: {', '.join(map(str, sorted(shapes)[:3]))}" if shapes else "none"
        raise UserError(f"images of a tf.data.Dataset must be of one size, but there are {what}; map a resize first")
    join = np.concatenate if batched else np.stack
    return join(images), join(classes)
