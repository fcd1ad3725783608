"""The arms of each design against lists written by hand."""

from itertools import combinations

import pytest

from ablations.designs import grid, leave_out, one_at_a_time, paired, pairwise
from resnet_core.errors import UserError

BASE = {"depth": 20, "skip": "A", "norm": "batch"}

DESIGNS = {
    "grid": (
        grid(depth=(8, 20), skip=("none", "A")),
        [(8, "none"), (8, "A"), (20, "none"), (20, "A")],
    ),
    "one at a time": (
        one_at_a_time(BASE, depth=(8, 56), skip=("none",)),
        [(20, "A", "batch"), (8, "A", "batch"), (56, "A", "batch"), (20, "none", "batch")],
    ),
    "leave one out": (
        leave_out(BASE, skip="none", norm="none"),
        [(20, "A", "batch"), (20, "none", "batch"), (20, "A", "none")],
    ),
    "leave two out": (
        leave_out(BASE, most=2, skip="none", norm="none"),
        [(20, "A", "batch"), (20, "none", "batch"), (20, "A", "none"), (20, "none", "none")],
    ),
    "paired": (paired(depth=(16, 40), width=(64, 32)), [(16, 64), (40, 32)]),
    "sum": (
        grid(depth=(8, 20), skip=("A",)) + paired(depth=(20, 56), skip=("A", "none")),
        [(8, "A"), (20, "A"), (56, "none")],
    ),
    "product": (
        paired(depth=(16, 40), width=(64, 32)) * grid(skip=("none", "A")),
        [(16, 64, "none"), (16, 64, "A"), (40, 32, "none"), (40, 32, "A")],
    ),
    "a grid of no factor": (grid(), [()]),
}


@pytest.mark.parametrize(("design", "expected"), DESIGNS.values(), ids=DESIGNS)
def test_the_arms_are_these(design, expected):
    assert [tuple(arm.values()) for arm in design.arms()] == expected


def test_a_conditional_factor_is_absent_where_it_is_inactive_and_makes_no_arm_of_its_own():
    design = grid(skip=("none", "A", "B"), zero_pooling=("subsample", "average")).only("zero_pooling", skip="A")
    assert design.arms() == [
        {"skip": "none"},
        {"skip": "A", "zero_pooling": "subsample"},
        {"skip": "A", "zero_pooling": "average"},
        {"skip": "B"},
    ]


def test_a_condition_may_be_on_several_levels_and_on_a_factor_that_is_conditional_itself():
    design = grid(skip=("none", "A", "B"), gate=("no", "yes"), bias=(0, -6))
    arms = design.only("gate", skip=("A", "B")).only("bias", gate="yes").arms()
    assert [tuple(arm.values()) for arm in arms] == [
        ("none",), ("A", "no"), ("A", "yes", 0), ("A", "yes", -6), ("B", "no"), ("B", "yes", 0), ("B", "yes", -6),
    ]  # fmt: skip


def test_a_pairwise_design_has_every_two_levels_and_fewer_arms_than_the_grid():
    levels = {"depth": (8, 20, 56), "skip": ("none", "A", "B"), "norm": ("batch", "group", "none"), "width": (8, 16)}
    arms = pairwise(**levels).arms()
    for factor, other in combinations(levels, 2):
        wanted = {(a, b) for a in levels[factor] for b in levels[other]}
        assert {(arm[factor], arm[other]) for arm in arms} == wanted
    assert len(arms) < 54 / 3
    assert pairwise(depth=(8, 20)).arms() == [{"depth": 8}, {"depth": 20}]


@pytest.mark.parametrize(
    ("design", "given", "expected"),
    [
        (grid(depth=(8, 20), skip=("A",)), {"depth": [14]}, [(14, "A")]),
        (grid(depth=(8, 20), skip=("A",)) + grid(depth=(56,)), {"depth": [14]}, [(14, "A"), (14,)]),
        (one_at_a_time(BASE, depth=(8, 56)), {"depth": [20, 14]}, [(20, "A", "batch"), (14, "A", "batch")]),
        (paired(depth=(8,), width=(4,)) * grid(skip=("A",)), {"skip": ["B"]}, [(8, 4, "B")]),
        (grid(skip=("A", "B"), bias=(1, 2)).only("bias", skip="A"), {"bias": [3]}, [("A", 3), ("B",)]),
    ],
)
def test_given_levels_take_the_place_of_the_designs_own(design, given, expected):
    assert [tuple(arm.values()) for arm in design.with_levels(given).arms()] == expected


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: one_at_a_time(BASE, skip=("none", "A")), "must differ from the base, but `skip`=A is the base's"),
        (lambda: one_at_a_time(BASE, skp=("none",)), "`skp` has none; did you mean 'skip'"),
        (lambda: leave_out(BASE, skip="A"), "must differ from the base, but `skip`=A is the base's"),
        (lambda: leave_out(BASE, most=2, skip="none"), "`most` must be from 1 to the number of components, 1"),
        (lambda: paired(depth=(8, 20), width=(8,)), "the same number of levels, but got depth 2, width 1"),
        (lambda: grid(skip="none"), "a sequence of levels, but `skip` got 'none'"),
        (lambda: grid(depth=()), r"a sequence of levels, but `depth` got \(\)"),
        (lambda: grid(depth=(8, 8)), "must differ, but `depth` got 8 twice"),
        (lambda: grid(depth=(8,)) * grid(depth=(20,)), "no factor in common, but both have 'depth'"),
        (lambda: grid(depth=(8,)).only("skip", depth=8), "on factors of the design, but got 'skip'"),
        (lambda: paired(depth=(8,)).with_levels({"depth": [20]}), "that are paired belong to the design.*`depth`"),
        (lambda: leave_out(BASE, skip="none").with_levels({"skip": ["B"]}), "of a component.*`skip`"),
        (
            lambda: one_at_a_time(BASE, skip=("none",)).with_levels({"depth": [20]}),
            "of a base that are not varied.*`depth`",
        ),
    ],
)
def test_a_mistake_is_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_design_knows_the_line_it_was_written_on():
    first = grid(depth=(8,)).line
    assert grid(depth=(20,)).line == first + 1
