"""The suites' arms, against lists written by hand and parameter counts of other implementations.

Counts are those of timm, torchvision and the authors' code, as in tests/resnet_core/nets/test_cost.py.
"""

import math
import re
from dataclasses import asdict, replace

import numpy as np
import pytest

from ablations.suites import suites
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import cifar
from resnet_core.nets.zoo import network
from resnet_core.runs.data import DataInfo
from resnet_core.runs.records.plan import Plan, PlannedRun

DIGITS = DataInfo((8, 8, 1), 10, 1437)
CIFAR = DataInfo((32, 32, 3), 10, 50_000)
IMAGENET = DataInfo((224, 224, 3), 1000, 1_281_167)
SUITES = suites()
SHARES = ("test_error", "train_error")


def runs(name, scale, data=CIFAR):
    study = SUITES[name]
    chosen = study.scales[scale]
    return list(study.runs(chosen.design.arms(), chosen.train, study.probe, data, [0], {}))


def arms(name, scale):
    return [tuple(run.factors.values()) for run in runs(name, scale)]


def counts(name, scale, data=CIFAR):
    return [cost(run.net).trainable for run in runs(name, scale, data)]


def macs(name, scale, data=CIFAR):
    return [cost(run.net).macs for run in runs(name, scale, data)]


def test_there_is_a_suite_for_each_question():
    assert sorted(SUITES) == [
        "activation-order", "beliefs", "block-card", "cardinality", "criticality", "depth", "ensembles",
        "gradient-at-init", "gradient-in-training", "landscape",
        "never-or-after", "normalisation-free", "partial-skips", "resnet-d", "shattering", "shortcuts",
        "similarity", "skip-removal", "skip-transforms", "squeeze-excitation", "stochastic-depth", "wide-dropout",
        "width-vs-depth", "zero-gamma",
    ]  # fmt: skip


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_arm_has_a_network_of_its_own_and_its_levels_are_what_a_user_writes(study, scale):
    data = {"smoke": DIGITS, "laptop": CIFAR, "paper": CIFAR}[scale]
    listed = runs(study.name, scale, data)
    assert all(cost(run.net).trainable > 0 for run in listed)
    for factor, levels in study.scales[scale].design.levels.items():
        assert [study.parse_level(factor, str(level)) for level in levels] == levels


@pytest.mark.parametrize("name", SUITES)
def test_the_words_of_a_study_are_no_part_of_an_id(name):
    study = SUITES[name]
    smoke = study.scales["smoke"]
    claims = {f"Other words {i}.": claim for i, claim in enumerate(smoke.claims.values())}
    other = replace(
        study, question="Other words?", source="other words", scales={"smoke": replace(smoke, claims=claims)},
        words={"skip": {"A": "other: words"}},
    )  # fmt: skip
    ids = [
        [run.id for run in each.runs(smoke.design.arms(), smoke.train, each.probe, DIGITS, [0], {})]
        for each in (study, other)
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("name", SUITES)
def test_a_dry_run_of_smoke_scale(called, name):
    done = called("resnet-ablate", "run", name, "--dry-run")
    assert done.returncode == 0, done.stderr
    smoke = SUITES[name].scales["smoke"]
    assert f" {len(smoke.design.arms()) * smoke.seeds} to run" in done.stdout
    trials = len(smoke.design.arms()) * len(smoke.learning_rates) * smoke.trial_seeds
    tuned = f"before these, {trials} trials of learning rates: "
    assert (tuned in done.stdout) == bool(smoke.learning_rates)


def test_a_dry_run_of_paper_scale_on_the_users_own_images(called, tmp_path):
    images = np.zeros((32, 32, 32, 3), np.uint8)
    labels = np.arange(32) % 4
    np.savez(tmp_path / "images.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    words = ["--scale", "paper", "--dry-run", "--data", "images.npz", "--image-size", "32", "--set", "batch_size=8"]
    words += ["--set", "probe.batch_size=8"]
    done = called("resnet-ablate", "run", "shortcuts", *words)
    assert done.returncode == 0, done.stderr
    assert " 12 to run" in done.stdout


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
def test_published_figures_are_at_paper_scale_errors_as_fractions_with_their_source(study):
    for figure in study.scales["paper"].published:
        assert figure.source
        assert (figure.failed and figure.value is None) or figure.measure not in SHARES or 0 < figure.value < 1
        assert figure.spread is None or figure.statistic == "mean"
    figures = [
        (figure.measure, tuple(figure.arm.items()), figure.statistic) for figure in study.scales["paper"].published
    ]
    assert len(set(figures)) == len(figures)


def test_every_published_figure_is_of_arms_of_its_scale():
    for study in SUITES.values():
        for scale in study.scales.values():
            for figure in scale.published:
                assert any(figure.arm.items() <= arm.items() for arm in scale.design.arms()), (study.name, figure)


def published(name, scale="paper", **levels):
    return [
        (figure.value, figure.statistic, figure.runs, figure.spread, figure.failed)
        for figure in SUITES[name].scales[scale].published
        if levels.items() <= figure.arm.items()
    ]


def test_published_figures_say_what_they_are_of_how_many_runs_and_what_failed():
    """Of He et al. 2015, table 6; 2016, tables 1 and 2; Xie et al. 2017, table 3; He et al. 2019, table 5."""
    assert published("depth", depth=110, skip="A") == [
        (0.0643, "best", 5, None, False), (0.0661, "mean", 5, 0.0016, False),
    ]  # fmt: skip
    assert published("depth", depth=110, skip="none") == [(0.6, "", None, None, True)]
    failed = (0.2, "median", 5, None, True)
    assert published("skip-transforms", transform="dropout") == [failed]
    assert published("skip-transforms", transform="halved_skip") == [failed]
    assert published("skip-transforms", transform="exclusive_gate", gate_bias=0.0) == [failed]
    assert published("skip-transforms", transform="conv") == [(0.1222, "median", 5, None, False)]
    assert published("activation-order", depth=164, order="original") == [(0.0593, "median", 5, None, False)]
    assert [published("cardinality", depth=50, cardinality=groups)[0][0] for groups in (1, 2, 4, 8, 32)] == [
        0.239, 0.230, 0.226, 0.223, 0.222,
    ]  # fmt: skip
    top1 = [1 - figure.value for figure in SUITES["resnet-d"].scales["paper"].published]
    assert top1 == pytest.approx([0.7621, 0.7687, 0.7716])
    assert [figure[-1] for figure in published("normalisation-free", depth=1000)] == [True, True]


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
def test_a_plan_that_is_read_again_has_all_of_its_published_figures(study, tmp_path):
    figures = tuple(asdict(figure) for figure in study.scales["paper"].published)
    planned = (PlannedRun("0" * 16, 0, {}),)
    path = tmp_path / "study.json"
    path.write_text(Plan("mine", "Does it?", "Us", {}, (), (), planned, 1, published=figures).text())
    assert Plan.read(path).published == figures


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
def test_every_claim_is_a_whole_sentence_of_its_own(study):
    for scale in study.scales.values():
        for text in scale.claims:
            assert re.fullmatch(r"[A-Z0-9].*\.", text)
            assert not text.startswith(("And ", "It ", "Its ", "They ", "By ", "Nor "))


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
def test_claims_are_of_how_training_ends_or_starts_and_test_error_goes_first(study):
    """No claim is of the training-mode loss, which measures the noise of dropout and augmentation too."""
    for scale in study.scales.values():
        measures = [claim.measure for claim in scale.claims.values()]
        assert "mean_loss" not in measures
        if "test_error" in measures:
            assert measures[0] in ("test_error", "failed")


@pytest.mark.parametrize("study", SUITES.values(), ids=SUITES)
def test_every_arm_of_every_suite_is_tuned_equally_or_the_suite_says_why_not(study):
    for name, scale in study.scales.items():
        if scale.learning_rates:
            assert len(set(scale.learning_rates)) >= 3
            assert scale.trial_seeds >= (1 if name == "laptop" else 2)
            assert scale.train.validation_fraction
            assert not scale.untuned
        else:
            assert scale.untuned


def test_shortcuts():
    assert arms("shortcuts", "paper") == [(34, "none"), (34, "A"), (34, "B"), (34, "C")]
    plain, a, b, c = counts("shortcuts", "paper", IMAGENET)
    assert (plain, a, b) == (21_623_848, 21_623_848, 21_797_672)
    assert c > b
    assert runs("shortcuts", "paper", IMAGENET)[2].net == network("resnet34")


def test_skip_transforms():
    """Table 1; factors .5 and 1, .5 and .5; gates of bias 0, -6 and -7."""
    assert arms("skip-transforms", "paper") == [
        (110, "identity", None, 16),
        (110, "halved_skip", None, 16),
        (110, "halved", None, 16),
        (110, "exclusive_gate", 0.0, 16),
        (110, "exclusive_gate", -6.0, 16),
        (110, "shortcut_gate", 0.0, 16),
        (110, "shortcut_gate", -6.0, 16),
        (110, "conv", None, 16),
        (110, "dropout", None, 16),
        (110, "exclusive_gate", -7.0, 16),
    ]
    nets = [run.net for run in runs("skip-transforms", "paper")]
    assert nets[0] == cifar(110)
    assert [(net.skip_factor, net.branch_factor) for net in nets[1:3]] == [(0.5, 1.0), (0.5, 0.5)]
    assert len(set(nets)) == 10


def test_activation_order():
    orders = [
        "original", "bn_after_addition", "relu_before_addition", "relu_only_preactivation", "full_preactivation",
    ]  # fmt: skip
    deepest = [(1001, "original"), (1001, "full_preactivation")]
    assert arms("activation-order", "paper") == [(depth, order) for depth in (110, 164) for order in orders] + deepest
    listed = counts("activation-order", "paper")
    assert set(listed[:5]) == {1_727_962}
    assert (listed[9], listed[11]) == (1_703_258, 10_327_706)


def test_width_vs_depth():
    """WRN-40-4, WRN-16-8 and WRN-28-10; at the smaller scales, parameters within 3 % of the deepest network's."""
    assert arms("width-vs-depth", "paper") == [(40, 64), (16, 128), (28, 160)]
    listed = counts("width-vs-depth", "paper")
    assert (listed[0], listed[2]) == (8_949_210, 36_479_194)
    assert [run.net for run in runs("width-vs-depth", "paper")] == [
        network(name) for name in ("wrn40-4", "wrn16-8", "wrn28-10")
    ]
    for scale in ("smoke", "laptop"):
        deepest, *others = counts("width-vs-depth", scale)
        assert all(abs(other / deepest - 1) < 0.03 for other in others)


def test_wide_dropout():
    assert arms("wide-dropout", "paper") == [
        (16, 64, 0.0), (16, 64, 0.3), (28, 160, 0.0), (28, 160, 0.3), (52, 16, 0.0), (52, 16, 0.3),
    ]  # fmt: skip
    assert counts("wide-dropout", "paper")[:4] == [2_748_890, 2_748_890, 36_479_194, 36_479_194]
    assert {(run.train.epochs, run.train.weight_decay) for run in runs("wide-dropout", "paper")} == {(200, 5e-4)}


def test_cardinality():
    """Tables 3 and 4; MACs at once and at twice the cost are equal within 5 and 4 %, at smoke scale 9 and 17 %."""
    assert arms("cardinality", "paper") == [
        (50, 1, 64), (50, 2, 40), (50, 4, 24), (50, 8, 14), (50, 32, 4), (200, 1, 64), (101, 1, 100), (101, 64, 4),
    ]  # fmt: skip
    listed = counts("cardinality", "paper", IMAGENET)
    assert (listed[0], listed[4]) == (25_557_032, 25_028_904)
    for scale, data, once, twice in (("paper", IMAGENET, 0.05, 0.04), ("smoke", DIGITS, 0.09, 0.17)):
        costs = macs("cardinality", scale, data)
        equal, double = costs[:-3], costs[-3:]
        assert max(equal) / min(equal) < 1 + once
        assert max(double) / min(double) < 1 + twice


def test_skip_removal():
    assert arms("skip-removal", "paper") == [
        (50, "resnet", "B"), (50, "resnet", "none"), (50, "resnext", "B"), (50, "resnext", "none"),
    ]  # fmt: skip
    assert [run.net for run in runs("skip-removal", "paper", IMAGENET)] == [
        net for name in ("resnet50", "resnext50-32x4d") for net in (network(name), network(name).replace(skip="none"))
    ]
    assert counts("skip-removal", "paper", IMAGENET)[::2] == [25_557_032, 25_028_904]


def test_stochastic_depth():
    """Section 4: 500 epochs, divided by 10 after 250 and 375; p of block l of L is 1 - l/L (1 - 0.5)."""
    whole, dropped = runs("stochastic-depth", "paper")
    assert (whole.net.survival, dropped.net.survival, dropped.net.drop_unit) == (1.0, 0.5, "batch")
    assert [dropped.net.survival_of(index) for index in (1, 27, 54)] == [1 - 0.5 / 54, 0.75, 0.5]
    assert cost(whole.net).trainable == cost(dropped.net).trainable == 1_727_962
    total = 500 * (45_000 // 128)
    rates = [dropped.train.learning_rate_at(epoch * (45_000 // 128), total) for epoch in (0, 249, 250, 374, 375, 499)]
    assert rates == pytest.approx([0.1, 0.1, 0.01, 0.01, 0.001, 0.001])


def test_normalisation_free():
    schemes = ["batch_norm", "none", "halved_variance", "skipinit", "rezero", "fixup"]
    assert arms("normalisation-free", "paper") == [(d, s, 32) for d in (16, 100, 1000) for s in schemes]
    nets = {run.factors["scheme"]: run.net for run in runs("normalisation-free", "smoke", DIGITS)}
    assert {scheme: (net.norm, net.branch_scale, net.order) for scheme, net in nets.items()} == {
        "batch_norm": ("batch", "one", "full_preactivation"),
        "none": ("none", "one", "full_preactivation"),
        "skipinit": ("none", "skipinit", "full_preactivation"),
        "rezero": ("none", "rezero", "original"),
        "fixup": ("none", "fixup", "original"),
    }


def test_zero_gamma():
    """Section 5.1: a learning rate of 0.1 · batch / 256; 5 epochs of warm-up from 0.1, of 1,281,167 // batch steps."""
    listed = runs("zero-gamma", "paper", IMAGENET)
    steps = [run.train.warmup_of(run.train.total_steps(IMAGENET.train_images)) for run in listed]
    assert [
        (run.net.branch_scale, run.train.batch_size, run.train.learning_rate, first)
        for run, first in zip(listed, steps, strict=True)
    ] == [
        ("one", 256, 0.1, 25_020), ("one", 8192, 3.2, 780),
        ("zero_gamma", 256, 0.1, 25_020), ("zero_gamma", 8192, 3.2, 780),
    ]  # fmt: skip
    assert {cost(run.net).trainable for run in listed} == {25_557_032}
    small = runs("zero-gamma", "smoke", DIGITS)[:2]
    assert [
        (run.train.batch_size, run.train.learning_rate, run.train.warmup_learning_rate, run.train.warmup_steps)
        for run in small
    ] == [(32, 0.025, 0.025, 120), (256, 0.2, 0.025, 15)]


def test_squeeze_excitation():
    """Of C channels to C / 16 and back, with biases: 49, 162 and 580 parameters more a block of 16, 32 and 64."""
    assert arms("squeeze-excitation", "paper") == [(110, 0), (110, 16), (164, 0), (164, 16)]
    listed = counts("squeeze-excitation", "paper")
    assert (listed[0], listed[2]) == (1_727_962, 1_703_258)
    assert listed[1] - listed[0] == 18 * (49 + 162 + 580)


def test_resnet_d():
    assert arms("resnet-d", "paper") == [
        (50, 64, "spatial", "deep", "D"),
        (50, 64, "first", "deep", "D"),
        (50, 64, "spatial", "imagenet", "D"),
        (50, 64, "spatial", "deep", "B"),
        (50, 64, "first", "imagenet", "B"),
    ]
    listed = runs("resnet-d", "paper", IMAGENET)
    assert (listed[0].net, listed[-1].net) == (network("resnet50-d"), network("resnet50-v1"))
    assert [cost(run.net).trainable for run in (listed[0], listed[-1])] == [25_576_264, 25_557_032]


def test_gradient_at_init():
    networks, norms = ("plain", "residual", "preactivation"), ("batch", "none")
    assert arms("gradient-at-init", "laptop") == [
        (depth, net, norm) for depth in (20, 56, 110) for net in networks for norm in norms
    ]
    listed = runs("gradient-at-init", "laptop")
    assert {(run.train.steps, run.probe.steps, run.probe.each_epoch) for run in listed} == {(0, (0,), False)}
    assert {run.net.init for run in listed} == {"he_fan_in"}
    assert {cost(run.net).trainable for run in listed if run.factors["norm"] == "batch"} == {
        269_722,
        853_018,
        1_727_962,
    }
    figures = {
        tuple(published.arm.values()): published.value
        for published in SUITES["gradient-at-init"].scales["laptop"].published
    }
    assert len(figures) == 15  # all but the pre-activation without normalisation
    assert figures["plain", "batch", 56] == math.log10(786)
    assert figures["residual", "none", 110] == math.log10(0.27)


def test_partial_skips():
    listed = runs("partial-skips", "smoke", DIGITS)
    masks = {run.factors["stages"] + " " + run.factors["blocks"]: (run.net.skip, run.net.skip_mask) for run in listed}
    on, off = "111111", "000000"
    assert masks == {
        "123 all": ("A", ()),
        "23 all": ("A", (off, on, on)),
        "13 all": ("A", (on, off, on)),
        "12 all": ("A", (on, on, off)),
        "1 all": ("A", (on, off, off)),
        "2 all": ("A", (off, on, off)),
        "3 all": ("A", (off, off, on)),
        "none all": ("none", ()),
        "123 first": ("A", ("100000",) * 3),
        "123 rest": ("A", ("011111",) * 3),
        "123 odd": ("A", ("101010",) * 3),
    }
    assert len({cost(run.net).trainable for run in listed}) == 1
