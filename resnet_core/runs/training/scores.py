"""The accuracies of predicted classes: overall and, where classes are of unequal size, by class."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
BY_CLASS = ("balanced_accuracy", "f1_macro", "worst_class_accuracy")


def scores_of(labels: Array, predicted: Array, *, by_class: bool) -> dict[str, float]:
    """Return `accuracy` and, if `by_class`, the scores of `BY_CLASS`.

    The recall of a class is the share of its images that are predicted to be of it. `balanced_accuracy` is the mean of
    the recalls (Brodersen et al. 2010), `worst_class_accuracy` the smallest; classes without an image are left out.
    `f1_macro` is the mean of 2 · right / (images of the class + predictions of it), over the classes with either.

    Args:
        labels: Class of each image, (n,).
        predicted: Predicted class of each image, (n,).
        by_class: Whether the scores of `BY_CLASS` are computed.
    """
    right = labels == predicted
    scores = {"accuracy": float(np.count_nonzero(right) / len(labels))}
    if not by_class:
        return scores
    classes = int(max(labels.max(), predicted.max())) + 1
    hits, images, answers = (np.bincount(each, minlength=classes) for each in (labels[right], labels, predicted))
    recalls = hits[images > 0] / images[images > 0]
    either = images + answers > 0
    f1 = 2 * hits[either] / (images + answers)[either]
    values = recalls.mean(), f1.mean(), recalls.min()
    return scores | dict(zip(BY_CLASS, map(float, values), strict=True))
