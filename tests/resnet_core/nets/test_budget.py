from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_core.errors import UserError
from resnet_core.nets.budget import with_budget
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec, cifar


def spent(spec, cost_name):
    return cost(spec).trainable if cost_name == "parameters" else cost(spec).macs


@given(st.sampled_from(["parameters", "macs"]), st.sampled_from([8, 20, 56]), st.integers(1, 40), st.integers(0, 10**7))
def test_no_other_width_comes_nearer_to_the_budget(cost_name, depth, width, budget):
    spec = with_budget(cifar(depth, width), cost_name, budget)
    widest = spec.widths[-1]
    distance = abs(spent(spec, cost_name) - budget)
    for other in {max(1, widest - 1), widest, widest + 1}:
        widths = tuple(max(1, round(part * other / 4)) for part in (1, 2, 4))
        assert (other == widest) <= (widths == spec.widths)
        assert abs(spent(spec.replace(widths=widths), cost_name) - budget) >= distance


def test_its_own_cost_gives_the_network_back():
    for spec in (cifar(20), cifar(20, 12, stem_width=6), NetSpec(depths=(2, 1), widths=(6, 10), skip="B")):
        assert with_budget(spec, "macs", cost(spec).macs) == spec


def test_a_wide_shallow_network_for_the_parameters_of_a_deep_thin_one():
    spec = with_budget(cifar(8, 8), "parameters", cost(cifar(56, 8)).trainable)
    assert spec.widths == (27, 54, 109)
    assert cost(spec).trainable == pytest.approx(cost(cifar(56, 8)).trainable, rel=0.003)


@pytest.mark.parametrize(
    "spec",
    [
        NetSpec(widths=(32, 64, 128), norm="group", norm_groups=32, skip="B"),
        NetSpec(widths=(16, 32, 64), stem="deep"),
        NetSpec(widths=(12, 24), depths=(1, 1), stem="tiered", stem_width=6),
        NetSpec(widths=(16, 32), depths=(1, 1), block="bottleneck", kernels=(3, 3, 3), cardinality=4, skip="B"),
        NetSpec(widths=(64, 128), depths=(1, 1), block="bottleneck", group_width=4, cardinality=2),
        NetSpec(widths=(16, 32), depths=(1, 1), se_reduction=16),
    ],
    ids=["groups", "deep", "tiered", "cardinality", "group_width", "se"],
)
@pytest.mark.parametrize("budget", [1, 100_000])
def test_widths_that_are_illegal_are_passed_over(spec, budget):
    """The result is legal, and no legal one of the same proportions comes nearer."""
    widened = with_budget(spec, "parameters", budget)
    assert NetSpec(**widened.given()) == widened
    widest, distance = widened.widths[-1], abs(spent(widened, "parameters") - budget)
    for k in range(max(1, widest - 33), widest + 34):
        stem = {} if spec.stem_width is None else {"stem_width": max(1, round(spec.stem_width * k / spec.widths[-1]))}
        with suppress(UserError):
            other = spec.replace(widths=tuple(max(1, round(w * k / spec.widths[-1])) for w in spec.widths), **stem)
            assert abs(spent(other, "parameters") - budget) >= distance
