from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis import pareto

NUMBERS = st.integers(0, 6).map(float)


def tables(most_points=12, objectives=(1, 4), elements=NUMBERS):
    shapes = st.tuples(st.integers(1, most_points), st.integers(*objectives))
    return shapes.flatmap(lambda shape: hnp.arrays(float, shape, elements=elements))


def dominates(a, b):
    return bool((a <= b).all() and (a < b).any())


def ranks_by_hand(table):
    ranks, left, rank = np.full(len(table), -1), set(range(len(table))), 0
    while left:
        front = {i for i in left if not any(dominates(table[j], table[i]) for j in left)}
        ranks[list(front)] = rank
        left, rank = left - front, rank + 1
    return ranks


@given(tables())
def test_ranks_are_those_of_the_definition(table):
    assert pareto.front_ranks(table).tolist() == ranks_by_hand(table).tolist()


@given(tables(elements=st.sampled_from([0.0, 1.0, 2.0, np.nan, np.inf, -np.inf])))
def test_what_is_not_finite_is_as_bad_as_can_be(table):
    worst = np.where(np.isfinite(table), table, 9.0)
    assert pareto.front_ranks(table).tolist() == ranks_by_hand(worst).tolist()
    assert (
        pareto.front_ranks(table, ["max"] * table.shape[1]).tolist()
        == ranks_by_hand(np.where(np.isfinite(table), -table, 9.0)).tolist()
    )


@given(tables(), st.randoms(use_true_random=False))
def test_neither_order_nor_directions_matter(table, random):
    order = random.sample(range(len(table)), len(table))
    signs = np.array([random.choice([-1.0, 1.0]) for _ in table[0]])
    directions = ["max" if sign < 0 else "min" for sign in signs]
    ranks = pareto.front_ranks(table)
    assert pareto.front_ranks((table * signs)[order], directions).tolist() == ranks[order].tolist()
    reference = np.full(table.shape[1], 7.0)
    volume = pareto.hypervolume(table, None, reference)
    assert pareto.hypervolume((table * signs)[order], directions, reference * signs) == pytest.approx(volume)


def volume_by_hand(table, reference):
    """Return the union of boxes by inclusion and exclusion."""
    volume = 0.0
    for size in range(1, len(table) + 1):
        for chosen in combinations(table, size):
            volume -= (-1) ** size * np.prod(np.maximum(reference - np.max(chosen, axis=0), 0))
    return volume


@given(tables(most_points=6))
def test_the_hypervolume_is_that_of_a_union_of_boxes(table):
    reference = np.full(table.shape[1], 5.0)
    assert pareto.hypervolume(table, None, reference) == pytest.approx(volume_by_hand(table, reference))


@given(tables(most_points=8, objectives=(2, 4)))
def test_another_point_takes_no_hypervolume_away(table):
    reference = np.full(table.shape[1], 7.0)
    volumes = [pareto.hypervolume(table[: n + 1], None, reference) for n in range(len(table))]
    assert (np.diff(volumes) >= -1e-9).all()
    front = table[pareto.front_ranks(table) == 0]
    assert pareto.hypervolume(front, None, reference) == pytest.approx(volumes[-1])


def test_hypervolume_of_several_directions_and_of_points_that_are_nothing():
    assert pareto.hypervolume([[0.9, 2.0], [0.5, 1.0]], ["max", "min"], [0.0, 3.0]) == pytest.approx(0.9 + 0.5)
    assert pareto.hypervolume([[np.nan, 0.0], [1.0, np.inf], [4.0, 0.0]], None, [3.0, 3.0]) == 0.0
    assert pareto.hypervolume(np.zeros((0, 2)), None, [3.0, 3.0]) == 0.0


def test_crowding_by_hand():
    table = np.array([[0.0, 10.0], [1.0, 5.0], [3.0, 2.0], [4.0, 0.0], [9.0, 9.0], [9.0, 9.0]])
    ranks = pareto.front_ranks(table)
    assert ranks.tolist() == [0, 0, 0, 0, 1, 1]
    assert pareto.crowding(table, ranks).tolist() == pytest.approx(
        [np.inf, 3 / 4 + 8 / 10, 3 / 4 + 5 / 10, np.inf, np.inf, np.inf]
    )
    with_worst = pareto.crowding([[0.0, np.nan], [1.0, np.nan], [2.0, np.nan]], np.zeros(3, int))
    assert with_worst.tolist() == [np.inf, 1.0, np.inf]


def test_the_knee_is_where_the_front_bulges_most():
    front = [[0.0, 10.0], [1.0, 2.0], [5.0, 1.0], [10.0, 0.0], [9.0, 9.0]]
    assert pareto.knee(front) == 1
    assert pareto.knee([[-x, y] for x, y in front], ["max", "min"]) == 1
    assert pareto.knee([[np.nan, 0.0], [3.0, 4.0], [1.0, np.inf]]) == 1
    assert pareto.knee([[np.nan, 0.0]]) == -1
    assert pareto.knee([[2.0, 2.0], [2.0, 2.0]]) == 0


def test_shapes():
    assert pareto.front_ranks(np.zeros((0, 2))).tolist() == []
    assert pareto.crowding(np.zeros((0, 2)), np.zeros(0, int)).tolist() == []
    assert pareto.knee(np.zeros((0, 2))) == -1
    with pytest.raises(ValueError, match="each of 2 objectives needs a direction, but got 1"):
        pareto.front_ranks([[1.0, 2.0]], ["max"])
