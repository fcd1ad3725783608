"""Claims on synthetic records: a known effect, none, too few seeds, and runs that were lost."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis.claims import Claim, mean, rate
from analysis.judging.decisions import Sentence
from analysis.judging.looks import Look, announced, following
from analysis.judging.power import detectable, needed, needed_of_rates
from analysis.judging.power_table import power
from analysis.judging.samples import Samples
from analysis.judging.verdicts import contrasts, verdicts
from analysis.measures import MEASURES, measured
from analysis.statistics import holm
from resnet_core.errors import UserError
from resnet_core.runs.records.frames import Frames
from resnet_core.runs.records.store import Store

PLAIN, RESIDUAL = ({"skip": skip} for skip in ("none", "A"))
GAP = mean("test_error", **RESIDUAL) - mean("test_error", **PLAIN)
LOWER = mean("test_error", **RESIDUAL) < mean("test_error", **PLAIN)
OF_SCORES = {"top5_accuracy", "calibration_error", "worst_class_accuracy"}
"""Measures of the rows of the probe `scores`."""
BY_CLASS = {
    f"{part}_{score}" for part in ("train", "val", "test")
    for score in ("balanced_accuracy", "f1_macro", "worst_class_accuracy")
}  # fmt: skip
"""Results that are recorded only with `ProbeSpec.by_class`."""


def study(errors, statuses=None):
    """Return `planned` and the frames of a study: the test errors of each arm, by seed; NaN is a run without one."""
    rows = [
        {"run": f"{skip}{seed}", "seed": seed, "skip": skip, "status": "completed", "step": 10, "parameters": 100,
         "macs": 50 if skip == "A" else 40, "test_accuracy": 1 - error}
        for skip, values in errors.items() for seed, error in enumerate(values)
    ]  # fmt: skip
    runs = pd.DataFrame(rows)
    for run, status in (statuses or {}).items():
        runs.loc[runs["run"] == run, "status"] = status
    planned = runs[["run", "seed", "skip"]]
    return planned, Frames(runs[runs["status"] != "missing"], pd.DataFrame(), pd.DataFrame())


def judged(claim, errors, statuses=None):
    return verdicts([claim], *study(errors, statuses)).iloc[0]


def noisy(mean_, n, rng, spread=0.01):
    return rng.normal(mean_, spread, n)


@pytest.mark.parametrize(
    ("residual", "plain", "n", "expected"),
    [
        (0.1, 0.3, 5, "supported"),
        (0.3, 0.1, 5, "refuted"),
        (0.1, 0.1, 5, "inconclusive"),
        (0.1, 0.3, 1, "inconclusive"),
    ],
    ids=["an effect", "the contrary", "none", "one seed"],
)
def test_a_verdict_is_what_the_records_say(residual, plain, n, expected):
    rng = np.random.default_rng(0)
    row = judged(LOWER, {"A": noisy(residual, n, rng), "none": noisy(plain, n, rng)})
    assert row["verdict"] == expected
    assert (row["n"], row["N"]) == (n, n)
    assert np.isnan(row["p"]) == (n == 1)


def test_figures_are_those_of_scipy():
    errors = {"A": [0.10, 0.12, 0.11, 0.15], "none": [0.12, 0.13, 0.15, 0.14]}
    row = judged(LOWER, errors)
    expected = stats.ttest_rel(errors["A"], errors["none"])
    interval = expected.confidence_interval()
    assert row["p"] == pytest.approx(expected.pvalue)
    assert (row["low"], row["high"]) == pytest.approx((interval.low, interval.high))
    differences = np.subtract(errors["A"], errors["none"])
    assert row["effect"] == pytest.approx(differences.mean())
    assert row["d"] == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert (row["parameters"], row["macs"]) == pytest.approx((1.0, 1.25))


def test_p_values_are_corrected_for_the_number_of_claims():
    assert holm(np.array([0.01, np.nan, 0.04, 0.03])) == pytest.approx([0.03, np.nan, 0.06, 0.06], nan_ok=True)
    rng = np.random.default_rng(1)
    tables = study({"A": noisy(0.11, 4, rng), "none": noisy(0.13, 4, rng)})
    alone, together = (verdicts([LOWER] * n, *tables).iloc[0] for n in (1, 9))
    assert together["p_corrected"] == pytest.approx(min(1, 9 * alone["p"]))


ERRORS = {"A": [0.10, 0.11, 0.10, 0.12, 0.11], "none": [0.30, 0.31, 0.29, 0.33, 0.30]}


def test_a_run_that_did_not_end_well_counts_with_none_of_its_good_epochs():
    """Of four: diverged, killed, at chance, completed; all with epochs, and probes at step 0."""
    runs = pd.DataFrame({
        "run": list("abcd"), "seed": range(4), "step": 9, "status": ["diverged", "killed", "completed", "completed"],
        "train_loss": [np.nan, np.nan, 2.303, 0.2], "train_accuracy": [np.nan, np.nan, 0.1, 0.95], "net.classes": 10,
    })  # fmt: skip
    epochs = pd.DataFrame({"run": list("aabbccdd"), "epoch": [1, 2] * 4, "loss": [0.1, 0.3] * 4})
    probes = pd.DataFrame([
        {"run": run, "step": step, "probe": "weight_gradient_l2", "path": "main", "index": i,
         "value": 10.0 ** (step - i)}
        for run in "abcd" for step in (0, 9) for i in range(4)
    ])  # fmt: skip
    frames = Frames(runs, epochs, probes)
    planned = runs[["run", "seed"]]
    rows = {name: measured(name, planned, frames) for name in MEASURES}
    assert rows["mean_loss"]["status"].tolist() == ["diverged", "killed", "failed_to_train", "completed"]
    for name, table in rows.items():
        if MEASURES[name].when == "end":
            assert table["value"].isna().tolist()[:3] == [True] * 3, name
            assert table["failed"].tolist() == [True, False, True, False], name
    assert rows["mean_loss"]["value"].iloc[3] == pytest.approx(0.2)
    assert rows["gradient_decades_at_end"]["value"].iloc[3] == pytest.approx(1.0)
    assert rows["gradient_decades_at_init"]["value"].tolist() == pytest.approx([1.0] * 4)
    assert rows["failed"]["value"].tolist() == pytest.approx([1.0, np.nan, 1.0, 0.0], nan_ok=True)


class TestLostRuns:
    @pytest.mark.parametrize("status", ["crashed", "killed", "out_of_memory", "timed_out"])
    def test_a_lost_run_may_turn_a_claim_around_and_is_named(self, status):
        """Whatever the plain net's seed 4 had come to, from 0 to 1."""
        errors = {**ERRORS, "none": [*ERRORS["none"][:4], np.nan]}
        row = judged(LOWER, errors, {"none4": status})
        assert row["verdict"] == "inconclusive"
        assert row["lost"] == f"skip=none seed=4: {status}"
        assert (row["n"], row["N"]) == (4, 5)

    def test_a_lost_run_that_can_turn_nothing_around_leaves_the_verdict(self):
        """Thirty seeds of an effect that one of them cannot undo."""
        rng = np.random.default_rng(0)
        errors = {"A": noisy(0.1, 30, rng), "none": [*noisy(0.5, 29, rng), np.nan]}
        row = judged(LOWER, errors, {"none29": "crashed"})
        assert row["verdict"] == "supported"
        assert row["lost"]

    def test_runs_that_diverged_are_worse_than_all_that_trained(self):
        errors = {**ERRORS, "none": [np.nan] * 5}
        row = judged(LOWER, errors, {f"none{seed}": "diverged" for seed in range(5)})
        assert (row["verdict"], row["n"]) == ("supported", 0)
        assert np.isnan(row["effect"])
        assert row["lost"].count("diverged") == 5
        assert row["failures"] == "skip=A 0 of 5 (0 to 52 %), skip=none 5 of 5 (48 to 100 %)"

    def test_while_a_run_is_missing_a_verdict_is_provisional(self):
        row = judged(LOWER, ERRORS, {"A0": "missing"})
        assert (row["verdict"], row["n"], row["N"]) == ("inconclusive", 4, 5)
        assert row["lost"] == "skip=A seed=0: missing"
        assert row["note"] == "provisional: planned runs without a record: 1"

    def test_a_measure_without_bounds_cannot_be_judged_without_the_run(self):
        planned, frames = study(ERRORS, {"A0": "crashed"})
        frames.runs["test_loss"] = frames.runs["test_accuracy"].where(frames.runs["run"] != "A0")
        claim = mean("test_loss", **RESIDUAL) > mean("test_loss", **PLAIN)
        row = verdicts([claim], planned, frames).iloc[0]
        assert (row["verdict"], row["note"]) == ("inconclusive", "runs were lost, and the measure has no bounds")

    def test_nothing_is_recorded(self):
        planned, _ = study(ERRORS)
        row = verdicts([LOWER], planned, Frames(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())).iloc[0]
        assert (row["verdict"], row["n"], row["N"]) == ("inconclusive", 0, 5)


@pytest.mark.parametrize(
    ("differences", "expected"),
    [
        ([0.001, -0.002, 0.003, 0.0], "supported"),
        ([0.05, 0.06, 0.055, 0.05], "refuted"),
        ([0.001, 0.03, -0.02, 0.01], "inconclusive"),
    ],
)
def test_a_margin_is_kept_only_if_the_interval_is_within_it(differences, expected):
    errors = {"A": np.add(0.2, differences), "none": [0.2] * 4}
    claim = GAP.within(0.02)
    row = judged(claim, errors)
    assert row["verdict"] == expected
    assert (row["low"] > -0.02 and row["high"] < 0.02) == (expected == "supported")


@pytest.mark.parametrize(
    ("n", "verdict"), [(3, "inconclusive"), (5, "inconclusive"), (6, "supported"), (20, "supported")]
)
def test_seeds_that_do_not_differ_are_decided_by_signs(n, verdict):
    row = judged(LOWER, {"A": [0.1] * n, "none": [0.2] * n})
    assert (row["verdict"], row["p"]) == (verdict, pytest.approx(2 * 0.5**n))
    assert ("at least 6 seeds that agree are needed" in row["note"]) == (n < 6)
    assert n >= 6 or row["needed"] == 6


def test_more_seeds_are_needed_than_have_not_shown_it():
    """By the spread alone, t would need 4 of these; a seed far from the others asks for signs, of which there are 7."""
    errors = {"A": [0.10, 0.11, 0.09, 0.10, 0.60], "none": [0.7] * 5}
    row = judged(LOWER, errors)
    assert row["verdict"] == "inconclusive"
    assert row["needed"] > row["n"]


@pytest.mark.parametrize(
    ("rates", "bound", "expected"),
    [
        ((1.0, 0.0), 0.0, 4),  # three of three and none of three show it at 5 %, not at 1 %
        ((0.5, 0.0), 0.0, 11),  # 9.5 by the arcsine; 5 of 10 and none of 10 have p = .013, 6 of 11 .005
        ((0.2, 0.2), 0.0, np.nan),
        ((0.501, 0.5), 0.0, np.nan),
        ((1.0,), 0.5, 8),  # 2 * 0.5**8 is below 1 %
        ((0.0,), 0.5, 8),
        ((np.nan, 0.5), 0.0, np.nan),  # no run of the arm has ended by itself yet
        ((np.nan,), 0.5, np.nan),
    ],
)
def test_how_many_runs_show_rates_of_failure(rates, bound, expected):
    shares = [1.0, -1.0][: len(rates)]
    assert needed_of_rates(rates, shares, bound, 0.01) == pytest.approx(expected, nan_ok=True)
    if len(rates) == 2:
        assert needed_of_rates(rates[::-1], shares, bound, 0.01) == pytest.approx(expected, nan_ok=True)


def test_a_factor_that_a_claim_leaves_open_is_averaged_over():
    planned, frames = study({"A": [0.1, 0.2], "none": [0.3, 0.6]})
    data = contrasts(mean("test_error") > 0, planned, frames)
    assert data.values == pytest.approx([0.2, 0.4])
    double = contrasts(2 * mean("test_error", **PLAIN) - mean("test_error", **RESIDUAL) / 2 > 0, planned, frames)
    assert double.values == pytest.approx([0.55, 1.1])


def test_the_cost_of_a_side_is_the_mean_of_its_arms():
    planned, frames = study({"A": [0.1, 0.2], "B": [0.1, 0.3], "none": [0.3, 0.6]})
    frames.runs.loc[frames.runs["skip"] == "B", "parameters"] = 400
    claim = (mean("test_error", skip="A") + 2 * mean("test_error", skip="B")) / 3 - mean("test_error", **PLAIN) > 0
    row = verdicts([claim], planned, frames).iloc[0]
    assert (row["parameters"], row["macs"]) == pytest.approx(
        (3.0, 130 / 120)
    )  # (100 + 2 · 400) / 3 over 100; (50 + 2 · 40) / 3 over 40


def test_a_contrast_of_contrasts_is_an_interaction():
    claim = (mean("test_error", a=1) - mean("test_error", a=2)) - (mean("test_error", a=3) - mean("test_error", a=4))
    assert [(term.factor, term.levels["a"]) for term in claim.terms] == [(1, 1), (-1, 2), (-1, 3), (1, 4)]


@pytest.mark.parametrize(
    ("claim", "text"),
    [
        (LOWER, "test_error(skip=A) < test_error(skip=none)"),
        (mean("test_error", **PLAIN) > 0.6, "test_error(skip=none) > 0.6"),
        (rate("failed", **PLAIN) > 0.5, "rate of failed(skip=none) > 0.5"),
        (GAP.within(0.02), "|test_error(skip=A) − (test_error(skip=none))| < 0.02"),
        (GAP < 0.02, "test_error(skip=A) < test_error(skip=none) + 0.02"),
    ],
)
def test_a_claim_reads_as_its_inequality_and_survives_json(claim, text):
    assert str(claim) == text
    assert Claim.from_dict(claim.to_dict()) == claim


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: mean("test_eror"), "must be of a measure, but got 'test_eror'; did you mean 'test_error'"),
        (lambda: mean("test_error") - mean("test_loss"), "of one measure, but got 'test_error' and 'test_loss'"),
        (lambda: mean("test_error") + 0.1, "a contrast is a sum of means, but got 0.1"),
        (lambda: mean("test_error") - mean("test_error") - 0.1, "a contrast is a sum of means, but got -0.1"),
        (lambda: 0.1 < mean("test_error") < 0.2, "must be one inequality"),
        (lambda: mean("failed"), "a mean must be of a measure of runs, but got 'failed'"),
        (lambda: rate("test_error"), "a rate must be that of 'failed', but got 'test_error'"),
        (lambda: mean("test_error").within(0), "a margin must be above 0, but got 0"),
        (lambda: Claim.from_dict({"text": "?"}), "a claim must be one of this program's"),
    ],
)
def test_a_mistake_is_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_power_is_that_of_the_t_distribution():
    for n in (3, 5, 20):
        d = detectable(n, 0.05)
        t = stats.t.ppf(0.975, n - 1)
        assert stats.nct.sf(t, n - 1, d * np.sqrt(n)) == pytest.approx(0.8, abs=1e-6)
    assert needed(detectable(7, 0.05) + 1e-9, 0.05) == 7
    assert needed(detectable(7, 0.05) - 1e-3, 0.05) == 8
    assert np.isnan(needed(0.0, 0.05))
    assert np.isnan(needed(np.nan, 0.05))
    table = power([LOWER], *study({"A": [0.1, 0.1, 0.13], "none": [0.2, 0.22, 0.2]}), seeds=(3, 5))
    (row,) = table.to_dict("records")
    assert row["spread"] == pytest.approx(np.std([0.1, 0.12, 0.07], ddof=1))
    assert row["at_5"] == pytest.approx(detectable(5, 0.05) * row["spread"])
    assert row["needed"] == needed(abs(row["effect"]) / row["spread"], 0.05)


@pytest.fixture(scope="module")
def frames(tiny_study):
    return Store(tiny_study).frames()


class TestMeasures:
    """Against figures taken by hand from a real study."""

    def test_every_measure_has_a_value_for_every_run_of_a_whole_study(self, frames):
        for name, measure in MEASURES.items():
            values = measure.compute(frames)
            if name in OF_SCORES:  # the probe has not been asked for
                assert values.empty
                continue
            assert sorted(values.index) == sorted(frames.runs["run"]), name
            assert (values.isna() if name in BY_CLASS else values.notna()).all(), name
            assert measure.about

    def test_a_gradients_decades_are_of_the_second_convolution_over_the_last(self, frames):
        run = frames.runs["run"].iloc[0]
        rows = frames.probes.query("run == @run and step == 0 and path == 'main' and probe == 'weight_gradient_l2'")
        by_index = rows.set_index("index")["value"]
        depth = frames.runs["layers"].iloc[0]
        assert len(by_index) == depth
        expected = np.log10(by_index[1] / by_index[depth - 2])
        assert MEASURES["gradient_decades_at_init"].compute(frames)[run] == pytest.approx(expected)

    def test_the_mean_loss_is_over_the_epochs(self, frames):
        run = frames.runs["run"].iloc[0]
        expected = frames.epochs.loc[frames.epochs["run"] == run, "loss"].mean()
        assert MEASURES["mean_loss"].compute(frames)[run] == expected

    def test_the_mean_validation_error_is_over_the_epochs(self, frames):
        run = frames.epochs["run"].iloc[0]
        expected = 1 - frames.epochs[frames.epochs["run"] == run]["val_accuracy"].mean()
        assert MEASURES["mean_val_error"].compute(frames)[run] == pytest.approx(expected)
        without = replace(frames, epochs=frames.epochs.drop(columns="val_accuracy"))
        assert MEASURES["mean_val_error"].compute(without).isna().all()

    def test_the_decades_gained_are_those_at_the_end_minus_those_at_the_start(self, frames):
        start, end, gained = (
            MEASURES[f"gradient_decades_{when}"].compute(frames) for when in ("at_init", "at_end", "gained")
        )
        assert gained.notna().any()
        pd.testing.assert_series_equal(gained, end - start)

    def test_a_gradient_of_zero_or_none_at_all_has_no_decades(self, frames):
        zero = Frames(frames.runs, frames.epochs, frames.probes.assign(value=0.0))
        none = Frames(frames.runs, frames.epochs, pd.DataFrame())
        for each in (zero, none):
            assert MEASURES["gradient_decades_at_init"].compute(each).isna().all()


def rates(failures, n):
    """Return a study of which so many runs of each arm diverged, and the others have errors near .2."""
    rng = np.random.default_rng(0)
    errors = {arm: np.where(np.arange(n) < k, np.nan, 0.2 + 0.001 * rng.normal(size=n)) for arm, k in failures.items()}
    return study(errors, {f"{arm}{seed}": "diverged" for arm, k in failures.items() for seed in range(k)})


FAILED = {name: rate("failed", skip=name) for name in ("A", "none")}


@pytest.mark.parametrize(
    ("claim", "failures", "n", "verdict", "p"),
    [
        (FAILED["none"] > FAILED["A"], (0, 20), 20, "supported", 2 * 0.5**40),
        (FAILED["none"] > FAILED["A"], (0, 3), 3, "supported", 2 * 0.5**6),
        (FAILED["none"] > FAILED["A"], (3, 0), 3, "refuted", 2 * 0.5**6),
        (FAILED["none"] > FAILED["A"], (0, 1), 5, "inconclusive", None),
        (FAILED["none"] > 0.5, (0, 6), 6, "supported", 2 * 0.5**6),
        (FAILED["none"] > 0.5, (0, 5), 5, "inconclusive", 2 * 0.5**5),
        (FAILED["none"] < 0.5, (0, 0), 6, "supported", 2 * 0.5**6),
        ((FAILED["none"] - FAILED["A"]).within(0.9), (0, 0), 20, "supported", None),
        ((FAILED["none"] - FAILED["A"]).within(0.2), (0, 20), 20, "refuted", None),
    ],
)
def test_how_often_training_fails_may_be_claimed(claim, failures, n, verdict, p):
    row = verdicts([claim], *rates(dict(zip(("A", "none"), failures, strict=True)), n)).iloc[0]
    assert row["verdict"] == verdict
    assert row["effect"] == pytest.approx((failures[1] - failures[0] * (len(claim.terms) > 1)) / n)
    if p:
        assert row["p"] == pytest.approx(p, rel=1e-6)
    inside = {">": row["low"] >= claim.bound, "<": row["high"] <= claim.bound}
    assert inside.get(claim.relation, verdict == "supported") == (verdict == "supported")


@pytest.mark.parametrize(
    ("failures", "verdict"),
    [((0, 0), "supported"), ((0, 6), "supported"), ((20, 0), "refuted"), ((12, 0), "refuted"), ((2, 0), "supported")],
)
def test_a_mean_is_judged_by_both_of_its_parts(failures, verdict):
    """Of what trains, A is lower by .1; where it fails more often, the sentence is not true of it."""
    planned, frames = rates(dict(zip(("A", "none"), failures, strict=True)), 20)
    frames.runs.loc[frames.runs["skip"] == "A", "test_accuracy"] += 0.1
    row = verdicts([LOWER], planned, frames).iloc[0]
    assert row["verdict"] == verdict
    assert ("training failed" in row["note"]) == (sum(failures) > 0)


def test_a_mean_that_part_of_the_seeds_has_is_not_refuted_by_the_good_epochs_of_those_that_diverged():
    planned, frames = rates({"A": 0, "none": 3}, 3)
    epochs = pd.DataFrame([{"run": run, "loss": 0.3 if run.startswith("none") else 1.2} for run in frames.runs["run"]])
    claim = mean("mean_loss", **PLAIN) > mean("mean_loss", **RESIDUAL)
    row = verdicts([claim], planned, Frames(frames.runs, epochs, pd.DataFrame())).iloc[0]
    assert (row["verdict"], row["n"]) == ("supported", 0)
    assert row["lost"].count("diverged") == 3


def test_a_collapse_that_is_seen_is_a_failure_and_is_said():
    rng = np.random.default_rng(0)
    errors = {"A": noisy(0.2, 10, rng), "none": noisy(0.25, 10, rng)}
    errors["A"][:3] += 0.6
    row = judged(LOWER, errors)
    assert (row["verdict"], row["n"], row["N"]) == ("inconclusive", 7, 10)
    assert "3 of 10 seeds of skip=A collapsed" in row["note"]
    assert row["effect"] == pytest.approx(-0.05, abs=0.02)


def test_one_image_more_in_one_seed_changes_little():
    errors = {"A": [0.0] * 20, "none": [0.9] * 19 + [0.9 + 1 / 360]}
    row = judged(LOWER, errors)
    assert (row["verdict"], row["p"]) == ("supported", pytest.approx(2 * 0.5**20))


@pytest.mark.parametrize(("images", "verdict"), [(np.nan, "supported"), (360, "supported"), (30, "inconclusive")])
def test_two_arms_that_are_always_equal_are_within_what_the_test_set_can_tell(images, verdict):
    planned, frames = study({"A": [0.0] * 10, "none": [0.0] * 10})
    frames.runs["test_images"] = images
    row = verdicts([GAP.within(0.02)], planned, frames).iloc[0]
    assert row["verdict"] == verdict
    assert (row["high"] < 0.02) == (verdict == "supported")


def test_a_difference_of_few_test_images_is_not_shown_by_many_seeds():
    """Three images of 360 in each of 20 seeds are on the same images perhaps: z is the root of 3."""
    rng = np.random.default_rng(0)
    errors = {"A": 0.1 + 1e-4 * rng.normal(size=20), "none": 0.1 + 3 / 360 + 1e-4 * rng.normal(size=20)}
    planned, frames = study(errors)
    assert verdicts([LOWER], planned, frames)["verdict"].tolist() == ["supported"]
    frames.runs["test_images"] = 360
    assert verdicts([LOWER], planned, frames)["verdict"].tolist() == ["inconclusive"]


@pytest.mark.parametrize(
    ("claim", "plain", "direction", "words"),
    [
        (LOWER, 0.1, "opposite", "opposite sign, 8 of 8 seeds"),
        (LOWER, 0.294, "", "opposite sign"),
        (LOWER, 0.5, "", None),
        (GAP < 0.02, 0.1, "", None),
        (GAP.within(0.02), 0.1, "", None),
    ],
)
def test_an_opposite_sign_is_said(claim, plain, direction, words):
    rng = np.random.default_rng(3)
    row = judged(claim, {"A": noisy(0.3, 8, rng), "none": noisy(plain, 8, rng)})
    assert row["direction"] == direction
    assert (words or "") in row["note"]
    assert ("opposite" in row["note"]) == (words is not None)


@pytest.mark.parametrize(
    ("shares", "bounds", "expected"),
    [
        ([1, -1], (0, 1), (-1, 1)),
        ([0.5, 0.5], (0, 1), (0, 1)),
        ([1], (0, np.inf), (0, np.inf)),
        ([-1], (0, np.inf), (-np.inf, 0)),
        ([1, -1], (0, np.inf), (-np.inf, np.inf)),
        ([1, 0], (0, 1), (0, 1)),
    ],
)
def test_a_contrast_has_bounds_where_those_of_its_measure_allow(shares, bounds, expected):
    assert Sentence(np.array(shares, float), ">", 0.0, low=bounds[0], high=bounds[1]).ends() == expected


def test_the_interval_of_a_mean_loss_does_not_leave_its_bounds():
    planned, frames = study({"A": [0.01, 0.5]})
    frames.runs["test_loss"] = [0.01, 0.5]
    row = verdicts([mean("test_loss", skip="A") < 5], planned, frames).iloc[0]
    assert row["low"] == 0
    assert row["high"] > 0.5


def test_the_interval_is_the_one_that_the_verdict_is_made_of():
    """Of claims that differ in their bound alone, those are decided whose own interval does not hold it."""
    rng = np.random.default_rng(5)
    tables = study({"A": noisy(0.2, 6, rng), "none": noisy(0.2, 6, rng)})
    rows = verdicts([replace(GAP < 0, bound=bound) for bound in np.linspace(-0.03, 0.03, 13)], *tables)
    outside = (rows["bound"] < rows["low"]) | (rows["bound"] > rows["high"])
    assert outside.tolist() == rows["verdict"].ne("inconclusive").tolist()
    assert {"supported", "refuted", "inconclusive"} == set(rows["verdict"])


def test_power_and_d_of_a_margin_are_from_the_margin():
    differences = np.array([0.010, 0.018, 0.002, 0.014, 0.006])
    errors = {"A": 0.2 + differences, "none": [0.2] * 5}
    spread = differences.std(ddof=1)
    row = power([GAP.within(0.02)], *study(errors), seeds=(5,)).iloc[0]
    assert (row["effect"], row["spread"]) == pytest.approx((0.01, spread))
    assert row["needed"] == needed(0.01 / spread, 0.05)
    assert judged(GAP.within(0.02), errors)["d"] == pytest.approx(0.01 / spread)


class TestLooks:
    def test_a_second_look_has_what_the_first_has_left(self):
        rng = np.random.default_rng(7)
        tables = study({"A": noisy(0.2, 10, rng), "none": noisy(0.2, 10, rng)})
        looks = following(following((), 5), 10)
        assert looks == following(looks, 10) == (Look(5, 0.8), Look(10, pytest.approx(0.1)))
        alone = verdicts([LOWER], *tables).iloc[0]
        twice = verdicts([LOWER], *tables, looks).iloc[0]
        assert twice["p_corrected"] == pytest.approx(min(1, 10 * alone["p"]))
        assert twice["level"] == pytest.approx(1 - 0.005)

    def test_a_claim_that_is_decided_stays_so_and_keeps_its_seeds(self):
        rng = np.random.default_rng(8)
        errors = {"A": noisy(0.1, 10, rng), "none": noisy(0.3, 10, rng)}
        errors["A"][5:] = 0.5
        row = verdicts([LOWER], *study(errors), following(following((), 5), 10)).iloc[0]
        assert (row["verdict"], row["N"]) == ("supported", 5)

    def test_seeds_beyond_the_last_look_decide_nothing(self):
        rng = np.random.default_rng(8)
        errors = {"A": [0.2, 0.4, 0.3, *noisy(0.1, 7, rng)], "none": noisy(0.3, 10, rng)}
        row = verdicts([LOWER], *study(errors), (Look(3, 1.0),)).iloc[0]
        assert (row["verdict"], row["N"]) == ("inconclusive", 10)
        assert "beyond the last look" in row["note"]

    def test_announced_looks_double_and_use_all_that_is_left(self):
        looks = announced((), 3, 20)
        assert [look.seeds for look in looks] == [3, 6, 12, 20]
        assert sum(look.share for look in looks) == pytest.approx(1)
        more = announced(following((), 5), 6, 12)
        assert [look.seeds for look in more] == [5, 6, 12]
        assert sum(look.share for look in more) == pytest.approx(1)


@settings(max_examples=settings().max_examples * 2 // 3, deadline=None)
@given(
    values=st.lists(st.floats(-1, 1, allow_subnormal=False), min_size=2, max_size=12),
    images=st.integers(1, 10**7),
    bound=st.floats(-1, 1, allow_subnormal=False),
    skewed=st.booleans(),
)
def test_the_count_of_test_images_makes_no_verdict_surer(values, images, bound, skewed):
    """Also with few seeds, where degrees of freedom gained from the images could outweigh their variance."""
    row, no = np.array([values]), np.array([False])
    alone, known = (Samples(row, row, no, np.array([skewed]), np.array([part])) for part in (0.0, 0.25 / images))
    level = np.array([0.05])
    assert known.above(bound) >= alone.above(bound)
    assert known.below(bound) >= alone.below(bound)
    assert known.low(level) <= alone.low(level) + 1e-9  # both are bisected where the sample is skewed
    assert known.high(level) >= alone.high(level) - 1e-9


def test_the_count_of_test_images_does_not_make_surer_of_two_seeds():
    """By the degrees of freedom of Satterthwaite alone, p would be 6e-6 with these 360 images, and .02 without."""
    row, no = np.array([[-0.50, -0.47]]), np.array([False])
    alone, known = (Samples(row, row, no, no, np.array([part])) for part in (0.0, 0.25 / 360))
    assert known.below(0.0) == alone.below(0.0) == pytest.approx(stats.ttest_1samp(row[0], 0.0).pvalue)


def test_a_verdict_on_runs_of_several_versions_says_so():
    """Of the arms of its contrast: another claim's runs are no matter."""
    planned, frames = study({"A": [0.1, 0.11, 0.12], "none": [0.3, 0.31, 0.33]})
    frames = replace(
        frames, runs=frames.runs.assign(**{"environment.keras": ["3.1", "3.2", "3.2", "3.2", "3.2", None]})
    )
    table = verdicts([LOWER, mean("test_error", **PLAIN) > 0.2], planned, frames)
    notes = [row for row in table["note"] if "several versions" in row]
    assert len(notes) == 1
    assert "runs of several versions: keras 3.1 (1), 3.2 (4)" in table["note"].iloc[0]
