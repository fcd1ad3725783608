"""The benchmark of searches, on tables and curves that are made up."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from benchmarks import curves, search, searchers
from benchmarks.curves import EPOCHS, Curves, curves_of, searched
from benchmarks.search import Job
from benchmarks.tables import Table
from search.pruning import RULES

SPACE = {"act": ["relu", "tanh"], "rate": [0.1, 0.2, 0.4], "width": [1.0, 2.0, 4.0, 8.0]}
POINTS = product(*(range(len(values)) for values in SPACE.values()))
TABLE = Table(SPACE, {"".join(map(str, digits)): np.array([sum(digits), sum(digits) + 0.5]) for digits in POINTS})


def test_a_table_has_the_trainings_of_a_point():
    assert TABLE.at({"width": 4.0, "act": "tanh", "rate": 0.1}).tolist() == [3.0, 3.5]
    assert TABLE.best == 0.25
    assert TABLE.noiseless().at({"width": 4.0, "act": "tanh", "rate": 0.1}).tolist() == [3.25]
    assert TABLE.noiseless().best == 0.25


@pytest.mark.parametrize(
    "name", ["gp", "gp, random first", "gp, replicates", "random", "KerasTuner random", "Optuna TPE"]
)
def test_a_search_proposes_points_of_the_space_and_ends_with_one_of_them(name):
    asked = []
    for _ in range(2):
        searcher = searchers.SEARCHERS[name](SPACE, 6, 3)
        points = []
        for number in range(6):
            values = searcher.ask()
            points.append([values[hyperparameter] for hyperparameter in SPACE])
            searcher.tell(values, float(TABLE.at(values)[number % 2]))
        assert [searcher.ends_with()[hyperparameter] for hyperparameter in SPACE] in points
        asked.append(points)
    assert asked[0] == asked[1]


def test_a_search_without_the_initial_design_has_the_points_of_random_first():
    points = {}
    for name in ("gp", "gp, random first", "random"):
        searcher = searchers.SEARCHERS[name](SPACE, 12, 0)
        points[name] = []
        for _ in range(searchers.RANDOM):
            points[name].append(searcher.ask())
            searcher.tell(points[name][-1], 0.0)
    assert points["gp, random first"] == points["random"] != points["gp"]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Two tables of a group, and a folder for results."""
    monkeypatch.setattr(search.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(search, "table", lambda group, name: TABLE)
    monkeypatch.setattr(search, "names", lambda group: ["a", "b"])
    monkeypatch.setattr(search, "SHOWN", (5, 10))
    return tmp_path


def test_what_was_measured_is_kept(kept):
    job = Job("random", "hpolib", "a", 4, 10)
    search.perform(job)
    assert json.loads(job.file().read_text())["regrets"].keys() == {"5", "10"}
    monkeyed = Job("random", "hpolib", "a", 4, 10, noiseless=True)
    search.perform(monkeyed)
    assert json.loads(monkeyed.file().read_text())["regrets"]["10"] >= 0
    assert len({job.file(), monkeyed.file()}) == 2


def rows_of(regrets):
    """Return rows of measurements from regrets by (search, table, seed), after 15 trials."""
    return pd.DataFrame(
        [(*key[:1], "hpolib", *key[1:], 15, regret, 0.1) for key, regret in regrets.items()],
        columns=["searcher", "group", "table", "seed", "trial", "regret", "seconds"],
    )


REGRETS = {
    ("gp", "a", 0): 1.0, ("gp", "a", 1): 3.0, ("gp", "b", 0): 0.3, ("gp", "b", 1): 0.1, ("gp", "b", 2): 9.0,
    ("random", "a", 0): 2.0, ("random", "a", 1): 6.0, ("random", "b", 0): 0.2, ("random", "b", 1): 0.2,
}  # fmt: skip


def test_regret_is_compared_with_that_of_random_by_the_seeds_of_both():
    (row,) = search.ratios(rows_of(REGRETS), "gp").to_dict("records")
    assert row["ratio"] == pytest.approx((0.5 + 1.0) / 2)
    assert (row["group"], row["trial"], row["seeds"]) == ("hpolib", 15, 2)
    assert (row["low"], row["high"]) == pytest.approx(((0.5 + 0.5) / 2, (0.5 + 1.5) / 2))  # one seed, twice


def test_a_table_has_no_row_of_a_search_that_was_not_measured():
    rows = rows_of(REGRETS)
    assert [line.split(" | ")[0] for line in search.of_group(rows, "hpolib")[2:]] == ["| gp"]
    assert search.ratios(rows, "SMAC3").empty
    assert search.ablation(rows)[2:] == []


def test_the_ablation_has_a_row_for_each_part_that_was_measured():
    regrets = {**REGRETS, **{("gp, random first", table, seed): 2.0 for table in "ab" for seed in range(2)}}
    (line,) = search.ablation(rows_of(regrets))[2:]
    assert line.startswith("| initial design | hpolib | 0.55 [")


def learning(learners=16, sizes=(16, 64, 256, 1024)):
    """Return rows of LCDB, in which learner i has an accuracy of i / 100 more at each size."""
    return pd.DataFrame(
        [
            (f"learner{i:02}", outer, 0, size, 0.5 + i / 100 + np.log(size) / 100, 0.6 + i / 100)
            for i, outer, size in product(range(learners), range(2), sizes)
        ],
        columns=["learner", "outer_seed", "inner_seed", "size_train", "score_valid", "score_test"],
    )


def test_a_curve_is_interpolated_over_the_logarithm_of_the_size():
    known = curves_of(learning())
    assert known.test == pytest.approx(60 + np.arange(16))
    expected = 0.5 + 3 / 100 + np.log(1024 * np.arange(1, EPOCHS + 1) / EPOCHS) / 100
    assert known.validation[3] == pytest.approx(np.array([expected] * 2))


@pytest.mark.parametrize("rows", [learning(learners=14), learning(sizes=(16, 64, 256))])
def test_a_data_set_with_few_curves_or_images_is_left_out(rows):
    assert curves_of(rows) is None


@pytest.mark.parametrize("rule", RULES)
def test_pruning_comes_to_the_same_in_fewer_epochs(rule):
    known = curves_of(learning())
    full, pruned = (searched(known, 0, each) for each in ("", rule))
    assert len(full) == len(pruned) == EPOCHS * curves.LEARNERS
    assert (pruned <= full).all()
    assert np.argmax(pruned == pruned[-1]) < np.argmax(full == full[-1])


def test_curves_that_cross_cost_what_was_pruned():
    """The best learner is the slowest."""
    rising = [np.linspace(0.5 - i / 100, 0.6 + i / 100, EPOCHS)[None] for i in range(16)]
    known = Curves(rising, 100 * np.array([curve[0, -1] for curve in rising]))
    regrets = [searched(known, seed, "median")[-1] for seed in range(5)]
    assert max(regrets) > 0
