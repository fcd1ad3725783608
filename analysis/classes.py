"""Tables of how a network does on each class, from the rows `confusion` of the probe `scores`."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.of_probes import usual

RECALL, CONFUSION = "recall", "confusion"
"""Names of the tables."""
Counts = npt.NDArray[np.int64]


def tables_of(probed: pd.DataFrame | None, names: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Return the tables by name; no tables without such rows.

    `recall` has a row for each arm and class: the number of images, the mean recall over the n runs with the lowest and
    the highest, and the means of precision and F1. `confusion` has the same rows and a column for each predicted class,
    with the number of images, summed over the runs.

    Args:
        probed: Rows of probes with `label` and `seed`, as `analysis.study.read` returns them.
        names: Names of the classes, in the order of the outputs; empty if unknown.
    """
    if probed is None or probed.empty or "predicted" not in probed:
        return {}
    rows = usual(probed[probed["probe"] == "scores"])
    rows = rows[rows["quantity"] == "confusion"]
    if rows.empty:
        return {}
    classes = int(rows[["class", "predicted"]].astype(int).to_numpy().max()) + 1
    known = [*names, *map(str, range(len(names), classes))]
    recalls, confusions = [], []
    for label, of_arm in rows.groupby("label", sort=False, observed=True):
        counts = np.stack([_matrix(of_run, len(known)) for _, of_run in of_arm.groupby("run", sort=False)])
        arms = pd.DataFrame({"arm": str(label), "class": known})
        recalls.append(pd.concat([arms, _scores(counts)], axis=1))
        predicted = pd.DataFrame(counts.sum(axis=0), columns=[f"as {name}" for name in known])
        confusions.append(pd.concat([arms, predicted], axis=1))
    return {RECALL: pd.concat(recalls, ignore_index=True), CONFUSION: pd.concat(confusions, ignore_index=True)}


def _matrix(rows: pd.DataFrame, classes: int) -> Counts:
    """Return the confusion matrix of a run, (classes, predicted classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    counts[rows["class"].astype(int), rows["predicted"].astype(int)] = rows["count"].astype(int)
    return counts


def _scores(counts: Counts) -> pd.DataFrame:
    """Return the columns of `recall` from the confusion matrices, (runs, classes, classes). A ratio 0/0 is NaN."""
    hits, images, answers = np.diagonal(counts, axis1=1, axis2=2), counts.sum(axis=2), counts.sum(axis=1)
    with np.errstate(invalid="ignore"):
        recalls, precisions, f1 = hits / images, hits / answers, 2 * hits / (images + answers)
    return pd.DataFrame({
        "images": images[0], "n": len(counts), "recall": recalls.mean(axis=0), "lowest": recalls.min(axis=0),
        "highest": recalls.max(axis=0), "precision": precisions.mean(axis=0), "f1": f1.mean(axis=0),
    })  # fmt: skip
