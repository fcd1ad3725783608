"""What a page says of itself, in words that a study and the columns of its tables have."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablations.words import words_for
from analysis import labels
from analysis.claims import mean
from analysis.pages import captions, comparison_report, reading, report, search_report, summary
from analysis.pages.words import HEADS, glossary, head
from resnet_core.runs.records.plan import Plan
from tests.analysis.synthetic import study
from tests.analysis.synthetic_search import search

ARMS = [{"depth": 8, "skip": skip} for skip in ("none", "A")]
WORDS = {"skip": {"none": "plain: without a skip", "A": "residual, option A: identity with zero padding"}}


def error(run):
    return 0.1 + 0.01 * run.seed**2 + 0.3 * (run.factors["skip"] == "none")


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    claim = mean("test_error", depth=8, skip="A") < mean("test_error", depth=8, skip="none")
    folder = study(
        tmp_path_factory.mktemp("reading") / "study", ARMS, 5, value=error, words=WORDS,
        claims=(claim.to_dict() | {"text": "It is lower."},),
    )  # fmt: skip
    return report.read(folder)


def test_arms_have_the_names_that_the_study_gives_them(reported):
    assert list(reported.planned["label"].unique()) == ["plain", "residual, option A"]
    assert reading.arms_table(reported)["what it is"].tolist() == ["without a skip", "identity with zero padding"]


def test_two_levels_are_never_called_the_same():
    runs = pd.DataFrame({"skip": ["none", "A"], "width": [8, 16]})
    twice = {"skip": {"none": "same: a", "A": "same: b"}}
    assert list(labels.arm_labels(runs, ["skip"], twice)) == ["skip=none", "skip=A"]
    assert list(labels.arm_labels(runs, ["skip", "width"], WORDS)) == ["plain, width=8", "residual, option A, width=16"]
    assert list(labels.arm_labels(runs, ["skip", "width"])) == ["skip=none width=8", "skip=A width=16"]


def test_a_plan_keeps_words_and_is_as_it_was_without(reported, tmp_path):
    path = tmp_path / "study.json"
    path.write_text(reported.plan.text())
    assert Plan.read(path).words == WORDS
    assert '"words"' not in replace(reported.plan, words={}).text()


def test_words_of_a_study_come_before_those_of_all():
    result = words_for({"skip": {"A": "mine: of this study"}, "width": {8: "narrow: 8"}}, {"skip": {"none", "A"}})
    assert result["skip"]["A"] == "mine: of this study"
    assert result["skip"]["none"].startswith("plain: ")
    assert set(result) == {"skip"}


def test_the_summary_says_what_was_asked_done_and_found_and_what_is_open(reported):
    asked, done, result, following = summary.of_study(reported, report.tables_of(reported))
    assert asked == "Asked: What?"
    assert done == (
        "Done: 2 arms (skip: plain, residual, option A) trained on digits with 5 seeds each; 10 of 10 runs completed."
    )
    assert result.startswith(
        "Found: of 1 claim, 0 supported, 0 refuted, 1 inconclusive; residual, option A has the lowest mean test error, "
    )
    assert result.endswith("over 5 of 5 seeds.")
    assert re.fullmatch(
        r"Next: about \d+ seeds would show an effect of the size seen in 1 inconclusive claim\.", following
    )


def test_runs_without_a_record_are_next(tmp_path):
    folder = study(tmp_path / "part", ARMS, 2, value=error)
    next((folder / "runs").glob("*.json")).unlink()
    part = report.read(folder)
    assert (
        summary.of_study(part, report.tables_of(part))[-1] == "Next: the same command runs the 1 run without a record."
    )


def test_the_summary_of_a_comparison_counts_equal_runs_and_differences(tmp_path):
    folders = [study(tmp_path / name, ARMS, 2, value=value) for name, value in (("a", error), ("b", lambda run: 0.9))]
    studies = [report.read(folder) for folder in folders]
    sentences = comparison_report.summary_of(["a", "b"], comparison_report.tables_of(["a", "b"], studies))
    assert sentences == [
        "Asked: Where do the studies differ?",
        "Done: b compared with a; 2 arms with runs in both.",
        "Found: of 4 runs with the same id, 0 have the same results; of 2 differences between means, 0 have an "
        "interval without 0; no setting differs.",
    ]


def test_the_summary_of_a_search_names_its_best_trial(tmp_path):
    stored = search_report.search_of(report.read(search(tmp_path / "search")), tmp_path / "search")
    asked, done, result, _ = search_report.summary_of(stored, search_report.tables_of(stored))
    assert asked.startswith("Asked: ")
    assert re.match(r"Done: \d+ trials proposed by the oracle \w+: \d+ completed, and training failed in \d+", done)
    assert re.match(
        r"Found: of \d+ comparable trials, trial \d+ has the highest validation accuracy, 0\.\d+, with", result
    )


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"verdict": "inconclusive", "needed": 9.0}, "about 9 seeds instead of 5 would show an effect of this size"),
        ({"verdict": "inconclusive"}, ""),
        ({"verdict": "supported"}, "5 seeds can detect an effect that is 0.168 or more from the bound; this effect is"),
        ({"verdict": "supported", "d": np.nan}, ""),
    ],
)
def test_below_a_claim_stands_what_would_change_its_verdict(row, sentence):
    usual = {"needed": np.nan, "n": 5, "level": 0.95, "effect": -0.3, "bound": 0.0, "d": -3.0, "relation": "<"}
    result = captions.change(usual | row)
    assert (sentence in result) if sentence else not result


def test_comparisons_are_named_by_the_words_of_the_study():
    effects = pd.DataFrame({
        "factor": ["skip", "depth", "arm"], "level": ["A", "20", "skip=A depth=20"],
        "reference": ["none", "8", "skip=none depth=8"], "at": ["depth=8", "skip=none", ""],
    })  # fmt: skip
    named = labels.named_effects(effects, WORDS)
    assert named["level"].tolist() == ["residual, option A", "depth 20", "residual, option A, depth 20"]
    assert named["reference"].tolist() == ["plain", "depth 8", "plain, depth 8"]
    assert named["at"].tolist() == ["depth 8", "plain", ""]
    assert labels.named_effects(pd.DataFrame(), WORDS).empty


def test_columns_say_what_they_mean_and_the_glossary_has_them():
    assert head("p_corrected")[0] == "p, corrected"
    assert head("depth") == ("depth", "")
    words = glossary(["depth", "lost", "lost", "d"])
    assert words["word"].tolist() == [HEADS["lost"][0], HEADS["d"][0]]
