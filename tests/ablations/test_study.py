import math

import pytest

from ablations.designs import grid
from ablations.study import Scale, Study
from ablations.suites import suites
from resnet_core.errors import UserError
from resnet_core.nets.spec import Skip, cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.spec import TrainSpec

DATA = DataInfo((8, 8, 1), 10, 1437)


def net(depth: int, skip: Skip):
    return cifar(depth, skip=skip)


def train(base: TrainSpec, depth: int):
    return base.replace(warmup_steps=depth)


STUDY = Study("s", "q", net, {"smoke": Scale(grid(depth=(8,), skip=("A",)), TrainSpec(steps=1), 1)}, train=train)


def runs(levels, seeds=1, fixed=(), study=STUDY):
    return list(study.runs(grid(**levels).arms(), TrainSpec(steps=1), ProbeSpec(), DATA, range(seeds), dict(fixed)))


def test_every_combination_is_run_with_every_seed_and_the_seeds_in_a_row():
    listed = runs({"depth": (8, 14), "skip": ("none", "A")}, seeds=2)
    assert [(run.factors["depth"], run.factors["skip"], run.seed) for run in listed] == [
        (8, "none", 0), (8, "none", 1), (8, "A", 0), (8, "A", 1),
        (14, "none", 0), (14, "none", 1), (14, "A", 0), (14, "A", 1),
    ]  # fmt: skip
    assert len({run.id for run in listed}) == 8
    assert [run.net for run in listed[::2]] == [
        cifar(depth, skip=skip, input_shape=(8, 8, 1)) for depth in (8, 14) for skip in ("none", "A")
    ]


def test_each_function_gets_the_factors_it_names():
    assert list(STUDY.factors.items()) == [("depth", int), ("skip", Skip)]
    assert [run.train.warmup_steps for run in runs({"depth": (8, 14), "skip": ("A",)})] == [8, 14]


def test_fixed_fields_are_set_in_every_arm():
    assert {run.net.init for run in runs({"depth": (8, 14), "skip": ("A",)}, fixed={"init": "glorot"})} == {"glorot"}


@pytest.mark.parametrize(
    ("factor", "text", "message"),
    [
        ("skip", "a", "`skip` must be 'none', 'A', 'B', 'C' or 'D', but got 'a'; did you mean 'A'"),
        ("depth", "deep", "`depth` must be a valid integer.*but got 'deep'"),
    ],
)
def test_a_level_that_is_none_is_named(factor, text, message):
    with pytest.raises(UserError, match=message):
        STUDY.parse_level(factor, text)


def test_levels_are_parsed_by_their_factors_type():
    assert (STUDY.parse_level("depth", "20"), STUDY.parse_level("skip", "none")) == (20, "none")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seeds": 0}, "`seeds` must be greater than 0, but got 0"),
        ({"trial_seeds": -1}, "`trial_seeds` must be greater than 0, but got -1"),
        ({"trial_share": 1.5}, "`trial_share` must be less than or equal to 1, but got 1.5"),
        ({"learning_rates": ("a",)}, r"`learning_rates` must be tuple\[float, ...\], but got \('a',\)"),
        ({"learning_rates": (math.inf,)}, "`learning_rates` must be a finite number, but got inf"),
    ],
)
def test_a_scale_has_seeds_and_rates(given, message):
    with pytest.raises(UserError, match=message):
        Scale(**{"design": grid(depth=(8,), skip=("A",)), "train": TrainSpec(steps=1), "seeds": 1, **given})


@pytest.mark.parametrize("study", suites().values(), ids=suites())
@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_a_suite_is_whole(study, scale):
    study.check()
    chosen = study.scales[scale]
    assert chosen.claims
    arms = chosen.design.arms()
    listed = list(study.runs(arms, chosen.train, study.probe, DATA, range(chosen.seeds), {}))
    assert len({run.id for run in listed}) == len(listed)
    for figure in chosen.published:
        assert any(figure.arm.items() <= arm.items() for arm in arms)


def test_the_depth_suite_at_paper_scale_is_that_of_he_2015():
    """Section 4.2: 20 to 110 layers, 64k steps of 128; the 110-layer net starts at 0.01."""
    study = suites()["depth"]
    chosen = study.scales["paper"]
    data = DataInfo((32, 32, 3), 10, 50_000)
    listed = list(study.runs(chosen.design.arms(), chosen.train, study.probe, data, range(chosen.seeds), {}))
    assert {(run.net.depth, run.train.warmup_steps) for run in listed} == {
        (20, 0),
        (32, 0),
        (44, 0),
        (56, 0),
        (110, 400),
    }
    assert {(run.train.steps, run.train.batch_size, run.train.weight_decay) for run in listed} == {(64_000, 128, 1e-4)}
    assert {run.net for run in listed} == {cifar(d, skip=s) for d in (20, 32, 44, 56, 110) for s in ("none", "A")}
