"""What records say of claims, in words and numbers, of a study whose records are made up."""

import os
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ablations import cli
from analysis.claims import mean
from analysis.judging import findings
from analysis.study import read
from resnet_core.errors import UserError
from tests.analysis.synthetic import study

ARMS = [{"depth": depth, "skip": skip} for depth in (8, 20) for skip in ("none", "A")]


def error(run):
    """A test error that rises with depth, in all seeds but one without a skip and in none with it."""
    if run.factors["skip"] == "A":
        return 0.5 - run.factors["depth"] / 100 * (1 + run.seed / 50)
    return 0.3 + run.factors["depth"] / 100 * (-1 if run.seed == 4 else 1)


def rises(skip):
    return mean("test_error", depth=20, skip=skip) > mean("test_error", depth=8, skip=skip)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    claims = {"It rises without a skip.": rises("none"), "It rises | with one.": rises("A")}
    named = tuple(claim.to_dict() | {"text": text} for text, claim in claims.items())
    return study(tmp_path_factory.mktemp("studies") / "mine", ARMS, 5, value=error, claims=named)


def test_a_claim_is_listed_with_its_verdict_and_the_seeds_in_which_it_holds(folder):
    rows = findings.table(read(folder)).set_index("claim")
    assert rows[["holds", "opposite"]].to_numpy().tolist() == [[4, 1], [0, 5]]
    assert rows["verdict"].tolist() == ["inconclusive", "refuted"]
    text = findings.findings(folder.parent)
    assert (
        "Studies: 1. Claims: 2, 0 supported, 1 refuted, 1 inconclusive; of the inconclusive ones, 0 are opposite"
        in text
    )
    assert "| inconclusive | It rises without a skip. | 0.0720 [" in text
    assert "| refuted | It rises \\| with one. |" in text
    assert "| holds in 4, opposite in 1 of 5 |" in text
    assert "| [mine](#mine) | " in text
    listed = text.partition("Refuted:")[2].partition("The effect is")[0]
    assert "It rises \\| with one." in listed
    assert "It rises without a skip." not in listed
    assert "| 0 | 1 | 1 | 20 | " in text
    assert f"[tables]({os.path.relpath(folder)}/report/tables) |" in text


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"train.steps": 400, "train.epochs": None}, ", for 400 steps"),
        ({"train.steps": None, "train.epochs": 1}, ", for 1 epoch"),
        ({"train.steps": 0}, ""),
        ({"train.steps": [100, 200]}, ""),
        ({}, ""),
    ],
)
def test_the_budget_of_a_study_is_said_where_all_runs_have_it(base, words, folder):
    study_read = read(folder)
    assert findings.budget(replace(study_read, plan=replace(study_read.plan, base=base))) == words


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (["", ""], ", on CPU-1, with TensorFlow 2.21.0 and Keras 3.15.1"),
        (["GPU-1", "GPU-1"], ", on GPU-1, with TensorFlow 2.21.0 and Keras 3.15.1"),
        (["GPU-1", ""], ", on GPU-1 (1 run) and CPU-1 (1 run), with TensorFlow 2.21.0 and Keras 3.15.1"),
    ],
)
def test_the_machine_and_the_versions_are_named(devices, words):
    rows = [{"accelerators": name, "processor": "CPU-1", "tensorflow": "2.21.0", "keras": "3.15.1"} for name in devices]
    assert findings.machine(pd.DataFrame(rows).add_prefix("environment.")) == words
    assert findings.machine(pd.DataFrame({"status": ["killed"]})) == ""


def test_without_a_refuted_claim_there_is_no_table_of_them(folder):
    records = read(folder)
    assert len(findings.refuted({folder: records}, {folder: findings.table(records)})) == 6
    assert findings.refuted({folder: records}, {folder: findings.table(records).head(1)}) == []


def test_decided_claims_of_our_own_are_listed_too(folder):
    records = read(folder)
    ours = replace(records, plan=replace(records.plan, source="ours; after A 2015"))
    lines = findings.new_claims({folder: ours}, {folder: findings.table(records)})
    assert [line.split(" | ")[1:3] for line in lines[5:]] == [["refuted", r"It rises \| with one."]]
    assert findings.new_claims({folder: records}, {folder: findings.table(records)}) == []


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"verdict": "refuted"}, ""),
        ({"n": 0, "note": "training failed: A 5 of 5; fewer than two seeds have trained"}, "another training"),
        ({"n": 1}, "2 seeds or more"),
        ({"needed": 12.0}, "12 seeds"),
        ({}, "over 10,000 seeds"),
    ],
)
def test_what_would_decide_a_claim_is_said(row, words):
    assert findings.needed({"verdict": "inconclusive", "n": 5, "note": "", "needed": np.nan, **row}) == words


def test_studies_without_claims_have_no_tables(tmp_path):
    study(tmp_path / "bare", ARMS, 2, value=error, claims=())
    assert findings.findings(tmp_path) == "# Findings\n\nStudies: 1. Claims: 0.\n"


def test_published_figures_stand_below_the_claims(folder):
    figure = {"source": "A 2015, table 1", "measure": "test_error", "arm": {"depth": 20, "skip": "A"}, "value": 0.0875}
    figures = [
        figure, {**figure, "statistic": "median", "runs": 5}, {**figure, "value": None, "failed": True}
    ]  # fmt: skip
    lines = findings.findings(folder, {read(folder).plan.name: figures}).splitlines()
    assert lines[-5:] == [
        "Published, at the scale of the paper:",
        "",
        r"- test\_error of depth=20, skip=A: 0.0875 (A 2015, table 1)",
        r"- test\_error of depth=20, skip=A: 0.0875 (A 2015, table 1, median of 5 runs)",
        r"- test\_error of depth=20, skip=A: failed to train (A 2015, table 1)",
    ]


@pytest.mark.parametrize(
    ("relation", "expected"),
    [(lambda c: c > 1, [-1, 0, 1]), (lambda c: c < 1, [1, 0, -1]), (lambda c: c.within(1.5), [1, 1, -1])],
)
def test_a_claim_holds_on_its_side_of_the_bound_and_on_neither_at_the_bound(relation, expected):
    assert findings.sides(relation(mean("test_error")), np.array([0.0, 1.0, 2.0])).tolist() == expected


def test_a_folder_without_a_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="has no study.json in it"):
        findings.findings(tmp_path)


def test_without_a_source_no_sentence_is_empty(folder):
    study_read = read(folder)
    study_read = replace(study_read, plan=replace(study_read.plan, source=""))
    assert "What? On digits" in "\n".join(findings.section(folder, study_read, findings.table(study_read)))


def test_findings_are_written_into_a_file_or_the_error_names_it(folder, tmp_path, capsys):
    path, nowhere = folder.parent / "README.md", tmp_path / "missing" / "README.md"
    for file, code in ((path, 0), (nowhere, 2)):
        with pytest.raises(SystemExit) as end:
            cli.main(["findings", str(folder), "--out", str(file)])
        assert end.value.code == code
    assert f"[tables]({folder.name}/report/tables)" in path.read_text()
    assert capsys.readouterr().err == f"error: No such file or directory: {nowhere}\n"
