"""The report of searches, with records that are made up."""

import re

import numpy as np
import pandas as pd
import pytest

from analysis import importance, trials
from analysis.figures.layout import STYLES
from analysis.pages import report, search_report
from analysis.trials import ObjectiveColumn
from resnet_core.errors import UserError
from tests.analysis.pages.test_report import Page, content
from tests.analysis.synthetic import PAGE
from tests.analysis.synthetic_search import search

ACCURACY, MACS = ObjectiveColumn("val_accuracy", "max"), ObjectiveColumn("macs", "min")
ALWAYS = {"best", "anytime", "outcomes", "trials", "space", "environment", "settings"}
TWO = "val_accuracy (max), macs (min)"


def read(folder, **options):
    return search_report.search_of(report.read(search(folder, **options)), folder)


def written(folder, style=PAGE, **options):
    page, tables = search_report.write(read(folder / "search", **options), folder / "report", style)
    return page.read_text(), tables, {path.stem for path in page.parent.glob("figures/*.svg")}


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    return read(tmp_path_factory.mktemp("search"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return folder, *written(folder, STYLES["screen"], confirm=2)


def halving(number):
    """Epochs: the first 30 trials have 8, the others go on from these."""
    return 8 if number <= 30 else 16


@pytest.mark.parametrize(
    ("options", "there", "reason"),
    [
        ({}, {"anytime", "importance", "parallel_coordinates", "skips", "cost"}, "27 of 30 runs completed"),
        ({"objective": TWO}, {"anytime", "importance", "parallel_coordinates", "skips", "cost"}, "of the box between"),
        ({"objective": "val_loss (min), parameters (min), latency_seconds (min)"},
         {"anytime", "importance", "parallel_coordinates", "skips", "cost"}, "The Pareto set by val_loss and"),
        ({"trials": 1}, {"anytime", "cost"}, "Importance needs 10 trials of equal epochs, but 1 in all"),
        ({"fate": lambda number: "diverged"}, set(), "No completed trial has a value of val_accuracy."),
        ({"fate": lambda number: "diverged", "objective": TWO}, set(), "No completed trial has a value"),
        ({"fate": lambda number: "open" if number > 1 else "crashed"}, set(), "No completed trial has a value"),
        ({"trials": 45, "epochs": halving}, {"anytime", "importance", "parallel_coordinates", "skips", "cost"},
         "Only trials with the most epochs are compared."),
        ({"trials": 45, "epochs": halving, "objective": TWO},
         {"anytime", "importance", "parallel_coordinates", "skips", "cost"},
         "Only trials with the most epochs are compared."),
        ({"alike": True}, {"anytime", "cost"}, "agree in every hyperparameter"),
    ],
    ids=["one", "two", "three", "one trial", "diverged", "two diverged", "open", "halving", "two halving", "alike"],
)  # fmt: skip
def test_a_search_of_any_kind_has_a_report(options, there, reason, tmp_path):
    text, tables, drawn = written(tmp_path, **options)
    assert drawn == there
    assert reason in " ".join(Page(text).words)
    assert all(len(tables[name]) for name in ALWAYS - {"best"})
    assert "resnet-search run &lt;b&gt;" in text
    assert "<script>alert" not in text


def test_a_report_is_one_page_with_its_figures_and_tables_in_order(whole):
    folder, text, tables, drawn = whole
    titles = re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', text)
    assert titles == [
        "Best trials", "Confirmation", "Verdicts", "Anytime performance", "Importance of hyperparameters",
        "Parallel coordinates", "Skip against plain", "Cost", "Outcomes", "How it was made",
    ]  # fmt: skip
    assert drawn == {
        "anytime", "confirm_effects", "confirm_error_by_arm", "cost", "importance", "parallel_coordinates", "skips",
    }  # fmt: skip
    page = Page(text)
    assert page.external == 0
    assert all(len(image["aria-label"]) > 80 for image in page.images)
    named = {f"#{name}" for name in page.names}
    assert {link for link in page.links if link not in named and not (folder / "report" / link).is_file()} == set()
    assert {path.suffix for path in (folder / "report").glob("*/*")} == {".svg", ".png", ".csv", ".tex", ".md"}
    best = pd.read_csv(folder / "report" / "tables" / "best.csv")
    assert best["val_accuracy"].tolist() == pytest.approx(tables["best"]["val_accuracy"].tolist())


def test_nothing_is_said_that_the_data_do_not_say(whole):
    words = " ".join(Page(whole[1]).words)
    assert not re.search(r"\bbetter|worse\b(?! than all)|\bwins|outperform|significan", words, re.IGNORECASE)


def test_the_same_records_give_the_same_bytes(whole, tmp_path):
    folder = whole[0]
    search_report.write(search_report.search_of(report.read(folder / "search"), folder / "search"), tmp_path)
    assert content(tmp_path) == content(folder / "report")


def test_the_best_are_the_completed_trials_with_the_greatest_value(searched):
    best = trials.best(searched.trials, [ACCURACY])
    known = searched.trials[searched.trials["status"] == "completed"]
    assert best["val_accuracy"].tolist() == known["val_accuracy"].nlargest(10).tolist()
    assert best["rank"].tolist() == list(range(1, 11))
    assert searched.trials.set_index("trial").loc[best["trial"], "run"].tolist() == best["run"].tolist()


def test_trials_are_in_the_order_of_the_plan_with_their_outcomes(searched):
    rows = searched.trials.set_index("trial")
    assert rows["run"].tolist() == [run.id for run in searched.study.plan.runs]
    assert rows.loc[[7, 11, 30], "status"].tolist() == ["diverged", "crashed", "open"]
    assert rows.loc[7, "failed"]
    assert np.isnan(rows.loc[7, "val_accuracy"])
    assert np.isnan(rows.loc[11, "val_accuracy"])
    active = {
        run.factors["block"]: pd.notna(value) for run, value in zip(searched.study.plan.runs, rows["cardinality"])
    }
    assert active == {"basic": False, "bottleneck": True}
    assert str(rows["cardinality"].dtype) == "Int64"


def test_a_pareto_set_has_no_trial_that_another_dominates(searched):
    best = trials.best(searched.trials, [ACCURACY, MACS])
    assert (best["knee"] == "knee").sum() == 1
    for _, other in searched.trials[searched.trials["status"] == "completed"].iterrows():
        over = (other["val_accuracy"] >= best["val_accuracy"]) & (other["macs"] <= best["macs"])
        more = (other["val_accuracy"] > best["val_accuracy"]) | (other["macs"] < best["macs"])
        assert not (over & more).any()


def test_the_hypervolume_grows_to_that_of_the_pareto_set(searched):
    result = trials.hypervolumes(searched.trials, [ACCURACY, MACS])["hypervolume"]
    assert result.is_monotonic_increasing
    assert len(result) == 29
    to = trials.reference(searched.trials, [ACCURACY, MACS]).set_index("objective")
    front = trials.best(searched.trials, [ACCURACY, MACS]).sort_values("macs")
    right = [*front["macs"].astype(float)[1:], to.at["macs", "reference"]]
    area = ((right - front["macs"].astype(float)) * (front["val_accuracy"] - to.at["val_accuracy", "reference"])).sum()
    assert result.iloc[-1] == pytest.approx(area / (to["best"] - to["reference"]).abs().prod())


def test_the_reference_is_a_tenth_of_the_range_beyond_the_worst(searched):
    to = trials.reference(searched.trials, [ACCURACY, MACS])
    assert to["reference"].tolist() == pytest.approx((to["worst"] + 0.1 * (to["worst"] - to["best"])).tolist())
    assert to.set_index("objective").at["val_accuracy", "worst"] > 0.8  # of the completed


def test_best_so_far_is_of_completed_trials_with_the_seconds_of_all(searched):
    rows = trials.anytime(searched.trials, [ACCURACY])
    done = rows["val_accuracy"].where(rows["status"] == "completed")
    assert rows["best_so_far"].tolist() == done.cummax().ffill().tolist()
    assert rows["seconds_so_far"].tolist() == [sum(10.0 + i for i in range(1, n + 1)) for n in range(1, 30)]


def test_trials_of_different_epochs_are_not_compared(tmp_path):
    result = read(tmp_path, trials=45, epochs=halving)
    assert result.varied[-1] == "train.epochs"
    assert set(trials.best(result.trials, [ACCURACY])["train.epochs"]) == {16}
    assert set(trials.at_equal_epochs(result.trials, "val_accuracy")["train.epochs"]) == {16}
    assert set(trials.at_equal_epochs(result.trials, "val_accuracy", 16)["train.epochs"]) == {8}
    rows = trials.anytime(result.trials, [ACCURACY]).set_index("trial")
    assert rows.loc[31, "best_so_far"] == rows.loc[31, "val_accuracy"] < rows.loc[29, "best_so_far"]
    table, _ = importance.table(result.trials, result.study.factors, ACCURACY, np.random.default_rng(0))
    assert (table["n"].iloc[0], table["epochs"].iloc[0]) == (15, 16)
    tables = search_report.tables_of(result)
    assert tables["best"]["epochs"].eq(16).all()


def test_networks_with_a_skip_are_counted_apart_from_plain_ones(searched):
    table = trials.by_kind(searched.trials, ACCURACY).set_index("network")
    recorded = searched.trials[searched.trials["status"] != "open"]
    plain = recorded["skip"] == "none"
    assert table["N"].to_dict() == {"with a skip": (~plain).sum(), "plain": plain.sum()}
    assert table["failed"].sum() == 1
    assert table.loc["plain", "best"] == recorded.loc[plain, "val_accuracy"].max()
    row = trials.between_kinds(searched.trials, ACCURACY).iloc[0]
    kept, none = (recorded.loc[rows, "val_accuracy"].dropna() for rows in (~plain, plain))
    assert row["difference"] == pytest.approx(kept.mean() - none.mean())
    assert row["low"] < row["difference"] < row["high"]
    assert (row["n_with"], row["n_plain"]) == (len(kept), len(none))
    assert (row["p_welch"] < 0.05) == (not row["low"] < 0 < row["high"])


def test_a_masked_skip_is_none():
    runs = pd.DataFrame({
        "net.skip": ["A", "A", "none", "A"], "net.skip_mask": [(), ("00", "01"), (), ("00", "00")]
    })  # fmt: skip
    assert trials.kinds(runs).tolist() == ["with a skip", "with a skip", "plain", "plain"]


def test_where_the_values_of_one_kind_are_equal_there_is_a_test(searched):
    rows = searched.trials.assign(
        val_accuracy=searched.trials["val_accuracy"].where(searched.trials["skip"] != "none", 0.1)
    )
    assert trials.between_kinds(rows, ACCURACY)["p_welch"].iloc[0] < 0.05


def test_of_alike_values_there_is_no_test(searched):
    rows = searched.trials.assign(val_accuracy=0.5)
    row = trials.between_kinds(rows, ACCURACY).iloc[0]
    assert row[["p_welch", "p_mann_whitney"]].isna().all()
    few = searched.trials[searched.trials["trial"] <= 2]
    assert trials.between_kinds(few, ACCURACY).empty


def space(n, rng):
    """Trials of which the accuracy is by `a` and, less, by `b`; `c` is nothing and inactive at times."""
    rows = pd.DataFrame({
        "trial": range(1, n + 1), "status": "completed", "train.epochs": pd.array([1] * n, "Int64"),
        "a": rng.uniform(0, 1, n), "b": rng.choice(["x", "y"], n), "c": pd.array(rng.integers(1, 4, n), "Int64"),
    })  # fmt: skip
    rows.loc[rows["b"] == "x", "c"] = pd.NA
    return rows.assign(val_accuracy=0.5 * rows["a"] + 0.1 * (rows["b"] == "x"))


def test_importance_is_that_of_what_matters_and_the_same_each_time():
    rows = space(60, np.random.default_rng(0))
    table, why = importance.table(rows, ["a", "b", "c"], ACCURACY, np.random.default_rng(1))
    result = table.set_index("hyperparameter")
    assert why == ""
    assert table["hyperparameter"].iloc[0] == "a"
    assert 0.5 < result.at["a", "importance"] < 1
    assert result["importance"].sum() <= 1
    assert result.at["c", "importance"] < 0.05
    assert (result["low"] <= result["importance"]).all()
    assert (result["importance"] <= result["high"]).all()
    again, _ = importance.table(rows, ["a", "b", "c"], ACCURACY, np.random.default_rng(1))
    pd.testing.assert_frame_equal(table, again)


def test_importance_of_many_trials_is_that_of_draws(monkeypatch):
    monkeypatch.setattr(importance, "MOST_TRIALS", 20)
    table, _ = importance.table(space(60, np.random.default_rng(0)), ["a", "b"], ACCURACY, np.random.default_rng(1))
    assert table["n"].tolist() == [60, 60]
    assert table["high"].iloc[0] > table["low"].iloc[0]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda rows: rows.head(9), "Importance needs 10 trials of equal epochs, but 9 in all have a val_accuracy."),
        (lambda rows: rows.assign(val_accuracy=0.5), "the 60 trials agree in val_accuracy"),
        (lambda rows: rows.assign(a=0.5, b="x", c=pd.NA), "the 60 trials agree in every hyperparameter"),
    ],
    ids=["few", "one value", "one network"],
)  # fmt: skip
def test_where_there_is_no_importance_it_is_said_why(change, why):
    table, reason = importance.table(
        change(space(60, np.random.default_rng(0))), ["a", "b", "c"], ACCURACY, np.random.default_rng(1)
    )
    assert table.empty
    assert why in reason


def test_the_confirmation_has_verdicts_twins_and_what_was_found(whole):
    _, text, tables, _ = whole
    result = tables["confirm_found"].set_index("trial")
    assert set(result.index) == set(tables["best"]["trial"].head(2))
    assert result["found"].to_dict() == tables["best"].set_index("trial")["val_accuracy"].head(2).to_dict()
    assert result["difference"].tolist() == pytest.approx((result["confirmed"] - result["found"]).tolist())
    assert result["n"].tolist() == [3, 3]
    assert len(tables["confirm_verdicts"]) == 2
    assert set(tables["confirm_effects"]["factor"]) == {"trial", "net"}
    assert '<span class="badge' in text
    assert "6 of 6" not in text
    assert "12 of 12 runs completed" in text


def test_a_confirmation_without_a_run_is_named(tmp_path):
    folder = search(tmp_path, confirm=1)
    for path in folder.glob("confirm/runs/*.json"):
        path.unlink()
    result = search_report.search_of(report.read(folder), folder)
    assert result.confirm is None
    page, _ = search_report.write(result, tmp_path / "report", PAGE)
    assert "a report needs a run that has ended, but" in page.read_text()


def test_objectives_are_read_from_the_plan():
    assert trials.objectives("val_loss (min), macs (min)") == (ObjectiveColumn("val_loss", "min"), MACS)
    with pytest.raises(UserError, match="a measure and max or min, but study.json has 'accuracy'"):
        trials.objectives("accuracy")


def test_on_paper_a_search_has_figures_too(searched, tmp_path):
    page, _ = search_report.write(searched, tmp_path, STYLES["paper"])
    assert {path.suffix for path in page.parent.glob("figures/*")} == {".svg", ".png", ".pdf", ".tex"}


def test_the_program_knows_a_search(program, tmp_path):
    folder = search(tmp_path / "search", confirm=1)
    done = program("resnet-report", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split()[:4] == ["rank", "trial", "val", "accuracy"]
    assert lines[-1] == f"report: {folder / 'report' / 'report.html'}"
    assert done.stderr == ""
