"""A finite `tf.data.Dataset` as arrays."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data.stored import Array

RULE = "a tf.data.Dataset must be finite and of (image, class)"
MOST_BYTES = 8 << 30
"""Maximum size of the images. A data set that exceeds it is refused, since its length may be infinite."""


def is_stream(data: Any) -> bool:
    """Return whether an object is a `tf.data.Dataset`, without loading TensorFlow."""
    return hasattr(data, "element_spec") and hasattr(data, "cardinality") and hasattr(data, "as_numpy_iterator")


def arrays_of(data: Any) -> tuple[Array, Array]:
    """Return all images and classes of a `tf.data.Dataset`, batched or not.

    Raises:
        UserError: The data set is infinite or too large, its elements are not (image, class), its images have several
            sizes, or it raises an error.
    """
    spec = data.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(hasattr(part, "shape") for part in spec):
        raise UserError(f"{RULE}, but its elements are {spec}")
    if int(data.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise UserError(f"{RULE}, but it repeats without end; remove `repeat`, or `take` the elements of one epoch")
    batched = spec[0].shape.rank == 4 or spec[1].shape.rank == 1
    images: list[Array] = []
    classes: list[Array] = []
    size = 0
    for x, y in _elements(data):
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
        has = f"images of {len(shapes)} shapes: {', '.join(map(str, sorted(shapes)[:3]))}" if shapes else "no images"
        raise UserError(f"images of a tf.data.Dataset must be of one size, but it has {has}; map a resize first")
    join = np.concatenate if batched else np.stack
    return join(images), join(classes)


def _elements(data: Any) -> Iterator[Any]:
    """Yield the elements; what the user's functions and files raise within TensorFlow is one line."""
    try:
        yield from data.as_numpy_iterator()
    except Exception as error:
        reason = re.sub(r"^(\{\{[^}]*\}\} ?)+", "", str(error).strip()).partition("\n")[0] or type(error).__name__
        raise UserError(f"a tf.data.Dataset must yield all of its elements, but it raises {reason}") from None
