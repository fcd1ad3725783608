"""Claims about any table of runs: the verdicts of our own records, and what a table must be."""

import numpy as np
import pandas as pd
import pytest

from analysis.claims import mean, rate
from analysis.judging import verdicts
from analysis.judging.run_table import RunTable, column, judge
from resnet_core.errors import UserError
from resnet_core.runs.records.frames import Frames

ACCURACY = column("test_acc", best=1.0, worst=0.0)
HELPS = mean(ACCURACY, skip="A") > mean(ACCURACY, skip="none")


@pytest.fixture
def table():
    """Three arms of five seeds."""
    rng = np.random.default_rng(0)
    rows = [
        {"skip": skip, "fold": fold, "test_acc": base + rng.normal(0, 0.01)}
        for skip, base in (("none", 0.60), ("A", 0.80), ("B", 0.805))
        for fold in range(5)
    ]
    return pd.DataFrame(rows)


def test_verdicts_are_those_of_our_own_records(table):
    claims = [
        HELPS,
        mean(ACCURACY, skip="B") > mean(ACCURACY, skip="A"),
        (mean(ACCURACY, skip="A") - mean(ACCURACY, skip="B")).within(0.05),
        mean(ACCURACY, skip="A") < 0.5,
    ]
    judged = judge(table, claims, factors=["skip"], seed="fold")
    ours = [
        mean("test_accuracy", skip="A") > mean("test_accuracy", skip="none"),
        mean("test_accuracy", skip="B") > mean("test_accuracy", skip="A"),
        (mean("test_accuracy", skip="A") - mean("test_accuracy", skip="B")).within(0.05),
        mean("test_accuracy", skip="A") < 0.5,
    ]
    planned = table[["skip"]].assign(run=[*map(str, range(15))], seed=table["fold"])
    runs = planned[["run", "seed"]].assign(status="completed", step=1, test_accuracy=table["test_acc"])
    expected = verdicts.verdicts(ours, planned, Frames(runs, pd.DataFrame(), pd.DataFrame()))
    same = ["verdict", "effect", "low", "high", "p", "p_corrected", "d", "n", "N", "failures", "note"]
    pd.testing.assert_frame_equal(judged[same], expected[same])
    assert judged["verdict"].tolist() == ["supported", "inconclusive", "supported", "refuted"]


def test_runs_that_diverged_are_failures_and_others_are_lost(table):
    table["state"] = "FINISHED"
    table.loc[table["skip"] == "none", ["state", "test_acc"]] = ["Diverged", np.nan]
    table.loc[(table["skip"] == "B") & (table["fold"] == 1), ["state", "test_acc"]] = ["CRASHED", np.nan]
    claims = {"none fails more often": rate("failed", skip="none") > rate("failed", skip="A"), "the skip helps": HELPS,
              "B is above a half": mean(ACCURACY, skip="B") > 0.5}  # fmt: skip
    verdicts = judge(table, claims, factors=["skip"], seed="fold", status="state")
    assert verdicts["claim"].tolist() == [*claims]
    assert verdicts["verdict"].tolist()[:2] == ["supported", "supported"]
    assert verdicts["lost"].tolist()[2] == "skip=B seed=1: crashed"


def test_gaps_are_named_and_only_pairs_count(table):
    fewer = table.drop(index=[0, 5, 6])
    runs = RunTable.from_table(fewer, factors=["skip"], seed="fold", measures=[ACCURACY])
    assert runs.notes == ("skip=none has no run of seed 0", "skip=A has no run of seed 0, 1")
    assert runs.verdicts([HELPS])["n"].tolist() == [3]


def test_power_effects_and_summary(table):
    runs = RunTable.from_table(table, factors=["skip"], seed="fold", measures=[ACCURACY])
    assert runs.power([HELPS], [3, 5])["n"].tolist() == [5]
    assert runs.effects([ACCURACY])["level"].tolist() == ["A", "B"]
    assert runs.summary([ACCURACY])["n"].tolist() == [5, 5, 5]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda t: t.rename(columns={"skip": "skips"}), {}, "must have the column 'skip'; did you mean 'skips'?"),
        (lambda t: t, {"seed": "seed"}, "must have the column 'seed'"),
        (lambda t: t.assign(test_acc=t["test_acc"].astype(object).where(t.index != 3, "n/a?")), {}, "row 4 has 'n/a?'"),
        (lambda t: pd.concat([t, t.iloc[:2]]), {}, "row 1, row 16 are all of skip=none seed=0; is a factor left out?"),
        (lambda t: t.assign(fold=t["fold"].where(t.index != 2)), {}, "every run must have a seed, but row 3 has none"),
        (lambda t: t.iloc[:1], {}, "two rows or more, but it has 1"),
        (lambda t: t[t["skip"] != "A"], {}, "none has skip=A; its levels are skip: none, B"),
        (lambda t: t.assign(status="x"), {"factors": ["skip", "status"]}, "must not be called 'status'"),
        (lambda t: t, {"factors": ["fold"]}, "needs a factor or more"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(table, change, options, message):
    with pytest.raises(UserError) as error:
        judge(change(table), [HELPS], **{"factors": ["skip"], "seed": "fold"} | options)
    assert message in str(error.value)


def test_claims_must_be_about_the_table(table):
    with pytest.raises(UserError, match="but got 'depth'"):
        judge(table, [mean(ACCURACY, depth=8) > 0], factors=["skip"], seed="fold")
    with pytest.raises(UserError, match=r"one of its columns, column\('test_error'\)"):
        judge(table, [mean("test_error", skip="A") > 0], factors=["skip"], seed="fold")
    with pytest.raises(UserError, match="must have a best one"):
        column("x", worst=1.0)
