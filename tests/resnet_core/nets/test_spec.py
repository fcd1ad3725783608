import math
from contextlib import suppress
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet_core.errors import UserError
from resnet_core.nets.spec import (
    Activation,
    BranchScale,
    Init,
    NetSpec,
    Norm,
    Order,
    Skip,
    SkipTransform,
    Stem,
    cifar,
)  # fmt: skip
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import Run, TrainSpec

stages = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 3, 4, 8, 12, 16])), min_size=1, max_size=3)
AXES = {
    "block": ["basic", "bottleneck"],
    "kernels": [(), (1,), (3,), (2, 2), (5, 1), (3, 1, 3), (1, 3, 1), (3, 3, 3), (1, 7, 1)],
    "expansion": [None, 1, 2, 3],
    "cardinality": [1, 2, 3],
    "group_width": [64, 32, 100],
    "stride_in": ["spatial", "first"],
    "stride_block": ["first", "last"],
    "antialias": ["none", "blur", "average"],
    "eca": [False, True],
    "se_reduction": [0, 2],
    "se_divisor": [1, 3],
    "dropout": [0.0, 0.3],
    "order": list(get_args(Order)),
    "skip": list(get_args(Skip)),
    "zero_padding": ["append", "both"],
    "zero_pooling": ["subsample", "average"],
    "skip_transform": list(get_args(SkipTransform)),
    "skip_dropout": [0.0, 0.5],
    "branch_scale": list(get_args(BranchScale)),
    "survival": [1.0, 0.5],
    "survival_decay": ["linear", "constant"],
    "drop_unit": ["batch", "sample"],
    "norm": list(get_args(Norm)),
    "conv_bias": [False, True, "unnormalised"],
    "standardize_weights": [False, True],
    "activation": list(get_args(Activation)),
    "init": list(get_args(Init)),
    "stem": list(get_args(Stem)),
    "stem_width": [None, 1, 2, 4],
    "stem_pool": ["max", "conv"],
    "pool_padding": ["lowest", "zeros"],
    "padding": ["explicit", "same"],
}


@st.composite
def specs(draw):
    """Draw a legal spec: of any axes whose values are legal together."""
    drawn = draw(stages)
    fields = {
        "depths": tuple(depth for depth, _ in drawn),
        "widths": tuple(sorted(width for _, width in drawn)),
        "input_shape": draw(st.tuples(st.integers(1, 17), st.integers(1, 17), st.integers(1, 3))),
        "classes": draw(st.integers(2, 12)),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(AXES)), max_size=8, unique=True))
    if "norm" in chosen:
        fields["norm_groups"] = 4
    for axis in chosen:
        fields[axis] = draw(st.sampled_from(AXES[axis]))
    if draw(st.booleans()) and fields.get("skip") != "none":
        fields["skip_mask"] = tuple("".join(draw(st.sampled_from("01")) for _ in range(d)) for d in fields["depths"])
    try:
        return NetSpec(**fields)
    except UserError:
        fields = {name: value for name, value in fields.items() if name not in ("norm_groups", "skip_mask")}
        for axis in reversed(chosen):  # take axes back until it is legal
            fields.pop(axis, None)
            with suppress(UserError):
                return NetSpec(**fields)
        raise


@given(specs())
def test_a_spec_round_trips_through_json(spec):
    assert NetSpec.from_json(spec.model_dump_json()) == spec
    assert NetSpec.from_json(spec.canonical_json()) == spec
    assert hash(NetSpec.from_json(spec.canonical_json())) == hash(spec)


@pytest.mark.parametrize("depth", [8, 20, 56, 110, 1202])
def test_cifar_depth_is_its_layers(depth):
    assert cifar(depth).depth == depth


@pytest.mark.parametrize(
    ("depth", "near"), [(21, "20 or 26"), (2, "take 8"), (0, "take 8"), (9, "8 or 14"), (-4, "take 8")]
)
def test_a_depth_that_is_not_6n_plus_2_names_the_nearest(depth, near):
    with pytest.raises(UserError, match=rf"6n \+ 2.*but got {depth}; .*{near}$"):
        cifar(depth)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"skip": "a1"}, "`skip` must be 'none', 'A', 'B', 'C' or 'D', but got 'a1'"),
        ({"order": "orignal"}, "did you mean 'original'"),
        ({"wdths": (1,)}, "NetSpec has no field 'wdths'; did you mean 'widths'"),
        ({"classes": 1}, "`classes` must be greater than or equal to 2, but got 1"),
        ({"depths": (3, 3)}, "one entry for each stage, but got depths=\\(3, 3\\) and widths=\\(16, 32, 64\\)"),
        ({"depths": (3, 0, 3)}, "`depths` must be greater than 0, but got 0"),
        ({"widths": (64, 32, 16)}, "must not fall with skip='A'"),
        ({"bn_momentum": float("nan")}, "`bn_momentum` must be"),
    ],
)
def test_an_illegal_field_is_one_clear_error(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        NetSpec(**fields)
    assert "\n" not in str(caught.value)


def test_a_spec_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        cifar(20).skip = "none"


def test_replace_validates():
    assert cifar(20).replace(skip="B") == cifar(20, skip="B")
    with pytest.raises(UserError):
        cifar(20).replace(skip="Q")


@pytest.mark.parametrize("budget", [{}, {"steps": 1, "epochs": 1}])
def test_the_budget_is_in_steps_or_in_epochs(budget):
    with pytest.raises(UserError, match="exactly one of `steps` and `epochs`"):
        TrainSpec(**budget)


@pytest.mark.parametrize(("budget", "steps"), [({"steps": 7}, 7), ({"epochs": 3}, 30)])
def test_total_steps(budget, steps):
    assert TrainSpec(batch_size=10, **budget).total_steps(109) == steps


def test_learning_rate_of_he_2015():
    """Section 4.2: 0.1, divided by 10 at 32k and 48k of 64k steps; 110 layers warm up at 0.01 for 400."""
    train = TrainSpec(steps=64_000, learning_rate=0.1, learning_rate_drops=(0.5, 0.75), warmup_steps=400)
    rates = {step: train.learning_rate_at(step, 64_000) for step in (0, 399, 400, 31_999, 32_000, 47_999, 48_000)}
    expected = {0: 0.01, 399: 0.01, 400: 0.1, 31_999: 0.1, 32_000: 0.01, 47_999: 0.01, 48_000: 0.001}
    assert rates == pytest.approx(expected)


T = 64  # updates of the schedules below
SCHEDULES = {
    "drops of WRN": (
        {"learning_rate_drops": (0.25, 0.5), "drop_factor": 0.2},
        lambda s: 0.8 if s < 16 else 0.16 if s < 32 else 0.032,
    ),
    "cosine": ({"schedule": "cosine"}, lambda s: 0.4 * (1 + math.cos(math.pi * s / T))),
    "cosine after a linear warm-up": (
        {"schedule": "cosine", "warmup_steps": 16, "warmup": "linear", "warmup_learning_rate": 0.1},
        lambda s: 0.1 + 0.7 * s / 16 if s < 16 else 0.4 * (1 + math.cos(math.pi * (s - 16) / 48)),
    ),
    "one cycle": (
        {"schedule": "one_cycle", "peak": 0.2},
        lambda s: 0.8 * (s + 1) / 13 if s < 12 else 0.8 * (65 - (s + 1)) / 52,
    ),
    "one cycle with half a cosine": (
        {"schedule": "one_cycle", "peak": 0.2, "descent": "cosine"},
        lambda s: 0.8 * (s + 1) / 13 if s < 12 else 0.4 * (1 + math.cos(math.pi * (s - 12) / 52)),
    ),
}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_schedule_is_its_formula(schedule):
    fields, expected = SCHEDULES[schedule]
    train = TrainSpec(steps=T, learning_rate=0.8, **fields)
    rates = [train.learning_rate_at(step, T) for step in range(T)]
    assert rates == pytest.approx([expected(step) for step in range(T)], rel=1e-12)
    assert min(rates) > 0
    assert max(rates) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schedule": "cosine", "drop_factor": 0.2}, "`drop_factor` is read with learning_rate_drops only, but got"),
        ({"schedule": "cosine", "learning_rate_drops": (0.5,)}, "read with schedule='steps' only, .* leave it at ()"),
        ({"optimizer": "adamw", "nesterov": True}, "`nesterov` is read with optimizer='sgd' and a momentum only"),
        ({"optimizer": "adamw", "momentum": 0.8}, "`momentum` is read with optimizer='sgd' only, .* leave it at 0.9"),
        ({"momentum": 0.0, "nesterov": True}, "but got nesterov=True; leave it at False"),
        ({"beta_1": 0.8}, "`beta_1` is read with optimizer='adamw' only"),
        ({"weight_decay": 0.0, "weight_decay_of": "all"}, "`weight_decay_of` is read with a weight_decay only"),
        ({"peak": 0.3}, "`peak` is read with schedule='one_cycle' only"),
        ({"schedule": "one_cycle", "warmup_steps": 5}, "`warmup_steps` is read with a schedule that does not rise"),
        ({"warmup": "linear"}, "`warmup` is read with warmup_steps or warmup_share only, but got warmup='linear'"),
    ],
)
def test_training_settings_that_contradict_each_other_are_one_clear_error(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        TrainSpec(steps=1, **fields)
    assert "\n" not in str(caught.value)


def test_replace_takes_back_what_it_leaves_without_a_reader():
    wrn = TrainSpec(epochs=200, nesterov=True, learning_rate_drops=(0.3, 0.6), drop_factor=0.2)
    assert wrn.replace(optimizer="adamw", schedule="cosine") == TrainSpec(
        epochs=200, optimizer="adamw", schedule="cosine"
    )
    assert wrn.replace(steps=10).replace(epochs=200) == wrn
    with pytest.raises(UserError, match="`drop_factor` is read with learning_rate_drops only"):
        wrn.replace(schedule="cosine", drop_factor=0.5)


class TestRunId:
    run = Run(cifar(20), TrainSpec(steps=10, data="digits", data_sha256="ab"))

    def test_is_the_same_in_every_version(self):
        """A released default must not change: it would give another run the id of an old one."""
        assert self.run.id == "7bfa7324a6674c0e"

    @pytest.mark.parametrize(
        "other",
        [
            Run(cifar(20, skip="none"), run.train),
            Run(run.net, run.train.replace(steps=11)),
            Run(run.net, run.train.replace(data_sha256="cd")),
            Run(run.net, run.train, ProbeSpec(steps=(0,))),
            Run(run.net, run.train, seed=1),
        ],
    )
    def test_differs_with_what_it_runs(self, other):
        assert other.id != self.run.id

    @pytest.mark.parametrize(
        "same",
        [Run(run.net, run.train.replace(data="/elsewhere/digits.npz")), Run(run.net, run.train, factors={"depth": 20})],
    )
    def test_does_not_depend_on_where_data_lie_or_on_labels(self, same):
        assert same.id == self.run.id

    def test_survives_json(self):
        assert Run.from_dict(self.run.to_dict()) == self.run
