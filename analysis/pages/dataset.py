"""The data set of a plan: tables and a section of a report."""

from collections.abc import Mapping

import pandas as pd

from analysis.pages.page import MOST_ROWS
from analysis.pages.sections import Part, table_of
from resnet_core.runs.records.outcomes import constant
from resnet_core.runs.records.plan import Plan

CLASSES, SKIPPED = "classes", "skipped"
MOST_NAMED = 12


def tables_of(plan: Plan) -> dict[str, pd.DataFrame]:
    """Return the classes with their numbers of images, and the skipped files; no tables for an old plan."""
    if plan.data is None:
        return {}
    info = plan.data
    classes = [(name, *counts) for name, counts in zip(info.class_names, info.class_counts, strict=True)]
    skipped = [(skip.reason, file) for skip in info.skipped for file in skip.files]
    skipped += [(skip.reason, f"and {more} more") for skip in info.skipped if (more := skip.count - len(skip.files))]
    return {
        CLASSES: pd.DataFrame(classes, columns=["class", "training", "test"]),
        SKIPPED: pd.DataFrame(skipped, columns=["reason", "file"]),
    }


def lead(plan: Plan, runs: pd.DataFrame) -> list[str]:
    """Return sentences on the data and on the length of the training; an empty list for an old plan.

    Args:
        plan: The plan.
        runs: The recorded runs. Their specs contain the name of the data.
    """
    info = plan.data
    if info is None:
        return []
    names = " and ".join(map(str, runs["train.data"].unique())) if "train.data" in runs else "unknown"
    classes = ", ".join(info.class_names[:MOST_NAMED])
    more = f", and {info.classes - MOST_NAMED} more" if info.classes > MOST_NAMED and info.class_names else ""
    share, _ = constant(info.training_counts or [1] * info.classes)
    steps, epochs = plan.base.get("train.steps"), plan.base.get("train.epochs")
    size = plan.base.get("train.batch_size")
    trained = ""
    if isinstance(steps, int) and isinstance(size, int):
        trained = f" Training: {steps:,} steps of {size:,} images."
    elif isinstance(epochs, int):
        trained = f" Training: {epochs:,} epochs."
    return [
        f"Data: {names}, {info.train_images:,} training, {info.validation_images:,} validation and "
        f"{info.test_images:,} test images of {info.classes} classes{f' ({classes}{more})' if classes else ''}. "
        f"Always predicting the most frequent class has an accuracy of {share:.3f}.{trained}"
    ]


def section_of(plan: Plan, by_name: Mapping[str, pd.DataFrame]) -> Part:
    """Return the section; it is empty for an old plan."""
    if plan.data is None:
        return Part("Data")
    captions = {
        CLASSES: ("Classes and their numbers of images.", "Validation images are counted as training images. The "
                  "outputs of the networks are in this order."),
        SKIPPED: ("Files that were not read.", ""),
    }  # fmt: skip
    tables = [
        table_of(name, by_name[name], caption, note, by_name[name], folded=len(by_name[name]) > MOST_ROWS // 10)
        for name, (caption, note) in captions.items()
    ]
    return Part("Data", words=[f"{plan.data.line.removeprefix('data: ')}."], tables=tables)
