"""What was read of the data set, as the plan has it: tables and a section of a report."""

from collections.abc import Mapping

import pandas as pd

from analysis.page import MOST_ROWS
from analysis.sections import Part, table_of
from resnet_core.runs.records.plan import Plan

CLASSES, SKIPPED = "classes", "skipped"


def tables_of(plan: Plan) -> dict[str, pd.DataFrame]:
    """Return the classes with their numbers of images, and the files that were not read; none of an old plan."""
    if plan.data is None:
        return {}
    info = plan.data
    classes = [(name, *counts) for name, counts in zip(info.class_names, info.class_counts, strict=True)]
    skipped = [(one.reason, file) for one in info.skipped for file in one.files]
    skipped += [(one.reason, f"and {more} more") for one in info.skipped if (more := one.count - len(one.files))]
    return {
        CLASSES: pd.DataFrame(classes, columns=["class", "training", "test"]),
        SKIPPED: pd.DataFrame(skipped, columns=["reason", "file"]),
    }


def section_of(plan: Plan, by_name: Mapping[str, pd.DataFrame]) -> Part:
    """Return the section; there is nothing in it if the plan is an old one."""
    if plan.data is None:
        return Part("Data")
    captions = {
        CLASSES: ("The classes.", "Numbers of images, those for validation among those for training. The outputs of "
                  "the networks are in this order."),
        SKIPPED: ("What was not read.", ""),
    }  # fmt: skip
    tables = [
        table_of(name, by_name[name], caption, note, by_name[name], folded=len(by_name[name]) > MOST_ROWS // 10)
        for name, (caption, note) in captions.items()
    ]
    return Part("Data", words=[f"{plan.data.line.removeprefix('data: ')}."], tables=tables)
