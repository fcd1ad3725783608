"""Measure what the rules of pruning save on the learning curves of LCDB (Mohr et al. 2022).

`lcdb` has the accuracies of 20 learners of scikit-learn at 16, 23, 32, … training samples of 248 data sets, for splits
into training, validation and test data. A trial here is a learner with one split. It has `EPOCHS` epochs; its accuracy
after the e-th is that with e / `EPOCHS` of the data, interpolated over the logarithm of the number. A search tries the
learners in random order, each once, and ends with the trial of the best validation accuracy. Regret is what its mean
test accuracy with all data, over the splits, lacks of the best learner's, in points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from resnet_core.nets.spec import cifar
from resnet_core.runs.records.record import Outcome, Record
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.seeds import generator
from search.objectives import objectives
from search.pruning import RULES, thresholds_of

EPOCHS = 12
LEARNERS = 15  # with whole curves, without which a data set is left out
LEAST = 500  # training images
SPLITS = 5  # of training and validation data that all data sets have
SEEDS = 5
TRIALS = (5, 10, 15)  # at full length, after which searches are compared
TAKEN = Run(cifar(8, 4), TrainSpec(epochs=EPOCHS))
(ACCURACY,) = objectives("val_accuracy")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curves:
    """The learning curves of a data set.

    Attributes:
        validation: Validation accuracy after each epoch of each learner's splits: (splits, epochs) each.
        test: Mean test accuracy of each learner with all data, in percent.
    """

    validation: list[Array]
    test: Array


def curves_of(rows: pd.DataFrame) -> Curves | None:
    """Return the curves of a data set, or `None` if too few learners have whole ones.

    Args:
        rows: With the columns `learner`, `outer_seed`, `inner_seed`, `size_train`, `score_valid`, `score_test`.
    """
    trained = rows.groupby("size_train")["learner"].nunique()
    last = max(trained.index[trained >= LEARNERS], default=0)
    if last < LEAST:
        return None
    within = rows[rows["size_train"] <= last]
    wide = within.pivot_table("score_valid", ["learner", "outer_seed", "inner_seed"], "size_train").dropna()
    tests = rows[rows["size_train"] == last].groupby("learner")["score_test"].mean()
    sizes = np.log(wide.columns.to_numpy(dtype=float))
    shares = np.log(last * np.arange(1, EPOCHS + 1) / EPOCHS)
    weights = np.array([np.interp(shares, sizes, unit) for unit in np.eye(len(sizes))])
    kept = [name for name in wide.index.unique("learner") if name in tests.index]
    if len(kept) < LEARNERS:
        return None
    return Curves([wide.loc[name].to_numpy() @ weights for name in kept], 100 * tests[kept].to_numpy())


def data_sets() -> Iterator[Curves]:
    """Yield the curves of each data set that has enough."""
    spec = find_spec("lcdb")
    assert spec is not None
    assert spec.origin is not None
    columns = ["openmlid", "learner", "outer_seed", "inner_seed", "size_train", "score_valid", "score_test"]
    rows = pd.read_csv(Path(spec.origin).parent / "database-accuracy.csv", usecols=columns)
    for _, of_set in rows[rows["inner_seed"] < SPLITS].groupby("openmlid"):
        if curves := curves_of(of_set):
            yield curves


def searched(curves: Curves, seed: int, rule: str = "") -> Array:
    """Return the regret after each epoch of a search, in points; before the end of the first trial, of a random one.

    Args:
        curves: The curves.
        seed: Seed of the order of the learners and of their splits.
        rule: The rule of `search.pruning` by which trials end early; empty if none does.
    """
    rng = generator(seed, "order")
    best, reached, regrets = -np.inf, float(curves.test.mean()), []
    ended: list[Record] = []
    for learner in rng.permutation(len(curves.test)):
        splits = curves.validation[learner]
        curve = splits[rng.integers(len(splits))]
        thresholds = thresholds_of(rule, [ACCURACY], TAKEN.net, ended, EPOCHS) if rule else None
        missed = (epoch for epoch in range(1, EPOCHS) if thresholds and thresholds.missed(curve[:epoch], epoch))
        epochs = next(missed, EPOCHS)
        regrets += [curves.test.max() - reached] * epochs
        status = "completed" if epochs == EPOCHS else "pruned"
        ended.append(Record(TAKEN, Outcome(status, epochs), {}, [{"val_accuracy": value} for value in curve[:epochs]]))
        if status == "completed" and curve[-1] > best:
            best, reached = curve[-1], float(curves.test[learner])
            regrets[-1] = curves.test.max() - reached
    length = EPOCHS * len(curves.test)
    return np.array(regrets + regrets[-1:] * (length - len(regrets)))[: EPOCHS * LEARNERS]


def table(all_curves: list[Curves]) -> list[str]:
    """Return a row for each number of trials at full length: mean regrets after as many epochs, by rule."""
    regrets = {
        rule: np.mean([[searched(curves, seed, rule) for seed in range(SEEDS)] for curves in all_curves], axis=1)
        for rule in ("", *RULES)
    }
    lines = [f"| epochs | full length | {' | '.join(f'`{rule}` | until' for rule in RULES)} |"]
    lines.append("|---" * (2 + 2 * len(RULES)) + "|")
    for trials in TRIALS:
        epochs = trials * EPOCHS
        there = regrets[""][:, epochs - 1].mean()
        row = [str(epochs), f"{there:.2f}"]
        for rule in RULES:
            less = (regrets[rule] - regrets[""])[:, epochs - 1]
            error = 1.96 * less.std(ddof=1) / np.sqrt(len(less))
            until = 1 + int(np.argmax(regrets[rule].mean(axis=0) <= there))
            row += [f"{there + less.mean():.2f} ({less.mean():+.2f} ± {error:.2f})", f"{until / epochs:.2f}"]
        lines.append(f"| {' | '.join(row)} |")
    return lines


def page() -> list[str]:
    """Return the section of the page, or a line that says that `lcdb` is not installed."""
    lines = ["## Pruning on learning curves", ""]
    if find_spec("lcdb") is None:
        return [*lines, "Left out, since `lcdb` is not installed.", ""]
    all_curves = list(data_sets())
    return [*lines, ABOUT.format(sets=len(all_curves)), *table(all_curves), ""]


ABOUT = f"""LCDB (Mohr et al. 2022) has the accuracies of 20 learners by the size of the training data. A trial is a
learner with one split; its {EPOCHS} epochs stand for {EPOCHS} equal parts of the data. Searches try learners in the
same random order, each once, in full length or with a rule of `--prune`, and are compared after equal epochs in all.
Regret is in points of test accuracy; mean of {{sets}} data sets and {SEEDS} seeds, with a 95 % interval of the
difference to full length over data sets. *Until*: the share of these epochs after which the search with the rule has
the regret that the other has at their end.
"""


if __name__ == "__main__":
    print("\n".join(page()))
