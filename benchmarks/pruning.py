"""The rules of `search.pruning` on learning curves of others: what they save, and what they miss.

`python -m benchmarks.pruning FILE` reads `database-accuracy.csv` of the package `lcdb` (Mohr et al. 2022): validation
accuracies of learners of scikit-learn by the number of training examples. The learners of a data set are the trials of
a search, in random order, and the numbers of examples of a curve are its epochs.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from search.objectives import objectives
from search.pruning import RULES

ORDERS = 10
LEAST = 9  # of epochs, and of learners
NEAR = 0.001  # of accuracy


@dataclass(frozen=True)
class Ended:
    """A trial that has ended, as the rules see it."""

    status: str
    epochs: list[dict[str, float]]


def curves_in(path: str) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the curves of each data set: (learners, epochs)."""
    columns = ["openmlid", "learner", "size_train", "outer_seed", "inner_seed", "score_valid"]
    table = pd.read_csv(path, usecols=columns)
    table = table[(table.outer_seed == 0) & (table.inner_seed == 0)]
    for _, rows in table.groupby("openmlid"):
        curves = rows.pivot_table("score_valid", "learner", "size_train").dropna(thresh=LEAST, axis=1).dropna()
        if min(curves.shape) >= LEAST:
            yield curves.to_numpy()


def searched(curves: np.ndarray[Any, Any], order: Sequence[int], rule: str) -> list[tuple[int, float]]:
    """Return the epochs until each completed trial, and the best final value until then."""
    (objective,), length = objectives("val_accuracy"), curves.shape[1]
    ended: list[Any] = []
    spent, best, steps = 0, -np.inf, []
    for i in order:
        values = RULES[rule][0](objective, ended, length) if rule != "none" else ()
        reached = np.maximum.accumulate(curves[i])
        last = next((e for e, least in enumerate(values) if least is not None and reached[e] < least), length - 1)
        whole = last == length - 1
        ended.append(Ended("completed" if whole else "pruned", [{"val_accuracy": v} for v in curves[i][: last + 1]]))
        spent += last + 1
        if whole:
            best = max(best, curves[i][-1])
        steps.append((spent, best))
    return steps


def main() -> None:
    """Print, for each rule, what is spent and what is missed, as means over data sets and orders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    sets = list(curves_in(parser.parse_args().file))
    print(f"{len(sets)} data sets, {ORDERS} orders of the learners")
    for rule in ("none", *RULES):
        rows = []
        for number, curves in enumerate(sets):
            half = curves.size / 2
            for seed in range(ORDERS):
                order = np.random.default_rng([number, seed]).permutation(len(curves)).tolist()
                steps = searched(curves, order, rule)
                in_half = max((best for spent, best in steps if spent <= half), default=0.0)
                full = curves[:, -1].max()
                rows.append((steps[-1][0] / curves.size, full - in_half, full - in_half <= NEAR, full - steps[-1][1]))
        share, missed, near, at_end = np.mean(rows, axis=0)
        print(f"{rule}: {share:.2f} of the epochs; in half of the epochs {missed:.4f} below the best, within {NEAR} in "
              f"{near:.2f}; with all trials {at_end:.4f} below it")  # fmt: skip


if __name__ == "__main__":
    main()
