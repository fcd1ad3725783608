from contextlib import nullcontext

import pytest

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.data import check_sizes
from resnet_core.runs.recipes import DATA, RECIPES, rebudgeted, recipe, shortened
from resnet_core.runs.spec import Run, TrainSpec


def drops(train, images):
    """Return the updates at which the rate changes, and the rates, from the end of the warm-up on."""
    total = train.total_steps(images)
    rates = [train.learning_rate_at(step, total) for step in range(total)]
    places = [step for step in range(train.warmup_steps, total) if step == 0 or rates[step] != rates[step - 1]]
    return places, [rates[step] for step in places]


def test_he_2015():
    """Section 4.2: "a weight decay of 0.0001 and momentum of 0.9", batches of 128; 400 updates at 0.01."""
    train = recipe("he2015")
    assert (train.weight_decay, train.momentum, train.nesterov, train.batch_size) == (1e-4, 0.9, False, 128)
    assert (train.preprocessing, train.augmentation) == ("pixel_mean", "crop_flip")
    places, rates = drops(train, 45_000)
    assert places == [400, 32_000, 48_000]
    assert rates == pytest.approx([0.1, 0.01, 0.001])
    assert train.learning_rate_at(399, 64_000) == 0.01


def test_wide_resnet():
    """Section 3: 0.1, "dropped by 0.2 at 60, 120 and 160 epochs and we train for total 200 epochs", decay 0.0005."""
    train = recipe("wrn")
    assert (train.weight_decay, train.weight_decay_of, train.nesterov, train.batch_size) == (5e-4, "all", True, 128)
    places, rates = drops(train, 50_000)
    assert places == [epoch * 390 for epoch in (0, 60, 120, 160)]
    assert rates == pytest.approx([0.1, 0.02, 0.004, 0.0008])


@pytest.mark.parametrize(("budget", "steps"), [({}, 24 * 97), ({"epochs": 6}, 6 * 97), ({"steps": 100}, 100)])
def test_one_cycle_is_highest_at_5_of_24_of_any_budget(budget, steps):
    train = recipe("one_cycle", **budget)
    assert train.total_steps(50_000) == steps
    rates = [train.learning_rate_at(step, steps) for step in range(steps)]
    assert rates.index(max(rates)) == pytest.approx(5 / 24 * steps, abs=1)
    assert max(rates) == pytest.approx(0.4, rel=0.02)
    assert rates[0] == pytest.approx(0.4 / (5 / 24 * (steps + 1)))
    assert rates[-1] == pytest.approx(0.4 / (19 / 24 * (steps + 1)))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_nothing_of_the_data_and_takes_changes(name):
    assert not recipe(name).given().keys() & set(DATA)
    assert set(DATA) <= TrainSpec.model_fields.keys()
    changed = recipe(name, data="cifar10", optimizer="adamw", steps=5)
    assert (changed.data, changed.optimizer, changed.nesterov, changed.steps) == ("cifar10", "adamw", False, 5)


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(UserError, match="a recipe must be known, but got 'wnr'; did you mean 'wrn'"):
        recipe("wnr")


@pytest.mark.parametrize(
    ("changes", "steps", "warmup"),
    [
        ({}, 64_000, 400), ({"steps": 64_000}, 64_000, 400), ({"steps": 220}, 220, 1), ({"steps": 32_000}, 32_000, 200),
        ({"steps": 128_000}, 128_000, 800), ({"epochs": 10}, 3200, 20), ({"steps": 220, "warmup_steps": 7}, 220, 7),
        ({"steps": 220, "warmup_share": 0.1}, 220, 22), ({"steps": 220, "schedule": "one_cycle", "warmup_steps": 0,
          "learning_rate_drops": ()}, 220, 0),
    ],
)  # fmt: skip
def test_a_warm_up_is_the_same_share_of_another_budget(changes, steps, warmup):
    train = recipe("he2015", **changes)
    assert train.warmup_of(steps) == warmup
    rates = {train.learning_rate_at(step, steps) for step in range(warmup, max(warmup + 1, steps // 2))}
    assert rates == {0.1} or train.schedule == "one_cycle"


@pytest.mark.parametrize(
    ("budget", "share", "shorter"),
    [({"steps": 10}, 0.25, {"steps": 2}), ({"steps": 10}, 0.01, {"steps": 1}), ({"epochs": 9}, 0.5, {"epochs": 4}),
     ({"epochs": 1}, 0.3, {"epochs": 1}), ({"steps": 10}, 1.0, {"steps": 10})],
)  # fmt: skip
def test_a_share_of_a_training_has_a_step_or_an_epoch_at_least(budget, share, shorter):
    assert shortened(TrainSpec(**budget), share) == TrainSpec(**shorter)


def test_a_warm_up_in_steps_follows_the_epochs():
    train = TrainSpec(epochs=4, warmup_steps=281)
    assert rebudgeted(train, {"epochs": 1}) == TrainSpec(epochs=1, warmup_steps=70)
    assert rebudgeted(train, {"epochs": 1, "warmup_steps": 5}) == TrainSpec(epochs=1, warmup_steps=5)
    assert rebudgeted(train, {"learning_rate": 0.2}) == TrainSpec(epochs=4, warmup_steps=281, learning_rate=0.2)


def test_two_lengths_of_a_warm_up_are_one_clear_error():
    with pytest.raises(UserError, match="only one of `warmup_steps` and `warmup_share` .* but got 5 and 0.1"):
        TrainSpec(steps=10, warmup_steps=5, warmup_share=0.1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 220, "warmup_steps": 400}, "which has 220 updates, but got 400; set warmup_steps"),
        ({"steps": 220, "warmup_steps": 220}, "which has 220 updates, but got 220"),
        ({"epochs": 2, "warmup_steps": 40, "batch_size": 50}, "which has 36 updates, but got 40"),
        ({"steps": 220, "warmup_steps": 219}, None),
        ({"steps": 0, "warmup_steps": 5}, None),
    ],
)
def test_a_warm_up_as_long_as_the_run_is_refused(fields, message):
    run = Run(NetSpec(), TrainSpec(**fields))
    with pytest.raises(UserError, match=message) if message else nullcontext():
        check_sizes(run, 1000)
