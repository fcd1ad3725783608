"""The accuracy of a linear classifier on each block's output (Alain and Bengio 2016)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, register_probe, row

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[Any]


@register_probe("linear_probe", passes=lambda net: Passes(forward=2), best=1.0, worst=0.0)
def linear_probe(
    net: "Subject", images: Any, labels: Any, train_images: Any, train_labels: Any, strength: float = 1.0
) -> Iterator[Row]:
    """Accuracy of a linear classifier on the output of each block (Alain and Bengio 2016).

    The features are the standardised means of the channels. The classifier is a multinomial logistic regression with an
    L2 penalty. It is trained on training images and scored on other images. The network is in inference mode.

    Args:
        net: The network.
        images: (n, height, width, channels), on which the classifiers are scored.
        labels: (n,), integers.
        train_images: Images on which the classifiers are trained.
        train_labels: Their labels.
        strength: Inverse of the strength of the penalty.

    Yields:
        A row for each place: `value`, the accuracy; `train_accuracy`; `features`, the number of features.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seen, held_out = _features(net, train_images), _features(net, images)
    for place, x, x_held_out in zip(net.places, seen, held_out, strict=True):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
        classifier.fit(x, np.asarray(train_labels))
        yield row(
            place, value=float(classifier.score(x_held_out, np.asarray(labels))),
            train_accuracy=float(classifier.score(x, np.asarray(train_labels))), features=x.shape[1],
        )  # fmt: skip


def _features(net: "Subject", images: Any) -> list[Array]:
    """Return the means of the channels of every image at every place."""
    parts: list[list[Array]] = [[] for _ in net.places]
    for (x,) in net.batches(images):
        for part, value in zip(parts, net.at_places(x), strict=True):
            values = np.asarray(value, np.float64)
            part.append(values.reshape(len(values), -1, values.shape[-1]).mean(axis=1))
    return [np.concatenate(part) for part in parts]
