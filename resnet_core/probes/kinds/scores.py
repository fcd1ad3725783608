"""Accuracy, accuracy of each class, confusion matrix, top-5 accuracy, and calibration."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, register_probe, whole

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject

Array = npt.NDArray[np.float64]


@register_probe("scores", passes=lambda net: Passes(forward=1))
def scores(net: "Subject", images: Any, labels: Any, bins: int = 15) -> Iterator[Row]:
    """Accuracy, overall and of each class, accuracy among the first five, and expected calibration error (Guo 2017).

    The confidence of an image is the largest of its probabilities. Images are grouped by confidence into bins of equal
    width. The calibration error is the mean over the images of |accuracy - mean confidence| of their bin (Guo et al.
    2017, equation 3). The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        bins: Number of bins of the confidence.

    Yields:
        Rows of the whole network with a `quantity`: `accuracy`, `top5_accuracy`, `calibration_error`, `class_accuracy`
        with the `class` and its `count` of images, and `confusion` with the `class`, the `predicted` class and the
        `count` of images of the one that are taken for the other, where there are any. All values are fractions.
    """
    import tensorflow as tf

    parts = []
    for (x,) in net.batches(images):
        outputs = tf.cast(net.outputs(x), tf.float32)
        parts.append(np.asarray(outputs if net.ends_in_softmax else tf.nn.softmax(outputs), np.float64))
    probabilities, y = np.concatenate(parts), np.asarray(labels)
    predicted = probabilities.argmax(axis=1)
    right = predicted == y
    among = (probabilities > probabilities[np.arange(len(y)), y][:, None]).sum(axis=1) < 5
    yield whole(value=float(right.mean()), quantity="accuracy")
    yield whole(value=float(among.mean()), quantity="top5_accuracy")
    yield whole(value=calibration_error(probabilities.max(axis=1), right, bins), quantity="calibration_error")
    for label in np.unique(y):
        in_class = right[y == label]
        yield whole(
            value=float(in_class.mean()), quantity="class_accuracy", **{"class": int(label)}, count=len(in_class)
        )
    for label in np.unique(y):
        answers = predicted[y == label]
        for answer, count in zip(*np.unique(answers, return_counts=True), strict=True):
            yield whole(
                value=float(count / len(answers)), quantity="confusion",
                **{"class": int(label), "predicted": int(answer), "count": int(count)},
            )  # fmt: skip


def calibration_error(confidence: Array, right: npt.NDArray[np.bool_], bins: int) -> float:
    """Return the expected calibration error, with bins of equal width that are closed on the right."""
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    count = np.bincount(places, minlength=bins)
    gaps = np.bincount(places, right, bins) - np.bincount(places, confidence, bins)
    return float(np.abs(gaps[count > 0]).sum() / len(right))
