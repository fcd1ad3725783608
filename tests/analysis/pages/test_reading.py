"""What a page says of itself, in words that a study and the columns of its tables have."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablations.words import words_for
from analysis import labels
from analysis.claims import mean
from analysis.pages import captions, reading, report
from analysis.pages.words import HEADS, glossary, head
from resnet_core.runs.records.plan import Plan
from tests.analysis.synthetic import study

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


def test_three_sentences_say_what_was_asked_done_and_came_out(reported):
    asked, done, out = reading.summary(reported, report.tables_of(reported))
    assert asked == "Asked: What?"
    assert done == "Done: 2 arms (skip: none, A) trained on digits with 5 seeds each; 10 of 10 runs completed."
    assert out.startswith(
        "Came out: of 1 claim, 0 supported, 0 refuted, 1 inconclusive; the lowest mean test error is "
    )
    assert "of skip=A, over 5 of 5 seeds" in out


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"verdict": "inconclusive", "needed": 9.0}, "some 9 seeds in place of 5 would show an effect of this size"),
        ({"verdict": "inconclusive"}, ""),
        ({"verdict": "supported"}, "the smallest effect that 5 seeds can detect is 0.168 from the bound; this one is"),
        ({"verdict": "supported", "d": np.nan}, ""),
    ],
)
def test_below_a_claim_stands_what_would_change_its_verdict(row, sentence):
    usual = {"needed": np.nan, "n": 5, "level": 0.95, "effect": -0.3, "bound": 0.0, "d": -3.0, "relation": "<"}
    result = captions.change(usual | row)
    assert (sentence in result) if sentence else not result


def test_columns_say_what_they_mean_and_the_glossary_has_them():
    assert head("p_corrected")[0] == "p, corrected"
    assert head("depth") == ("depth", "")
    words = glossary(["depth", "lost", "lost", "d"])
    assert words["word"].tolist() == [HEADS["lost"][0], HEADS["d"][0]]
