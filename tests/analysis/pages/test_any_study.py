"""The report of studies of every kind, with records that are made up."""

import math

import pandas as pd
import pytest

from analysis.claims import mean
from analysis.figures.layout import STYLES
from analysis.measures import measured
from analysis.pages import report
from analysis.study import INACTIVE
from tests.analysis.synthetic import PAGE, study

GRID = [{"depth": depth, "skip": skip} for depth in (8, 20) for skip in ("none", "A")]
SKIPS = [{"skip": skip} for skip in ("none", "A", "B")]
NESTED = [
    {"skip": "none", "zero_padding": None},
    {"skip": "A", "zero_padding": "append"},
    {"skip": "A", "zero_padding": "split"},
]
LISTS = [{**arm, "skip_mask": [arm["skip"] == "A"]} for arm in NESTED]


def error(run):
    return 0.1 + 0.01 * run.seed + (0.2 if run.factors.get("skip") == "none" else 0.0)


def fates(run):
    return {(8, 0): "crashed", (8, 1): "diverged", (20, 2): "killed"}.get((run.factors["depth"], run.seed), "completed")


def by_depth(run):
    return run.factors["depth"]


FEW_FIGURES = {"probes": False, "epochs": False}


def written(folder, **options):
    options = {"arms": GRID, "seeds": 3, "value": error} | options
    page, tables = report.write(report.read(study(folder / "study", **options)), folder / "report", PAGE)
    return page.read_text(), tables, {path.stem for path in page.parent.glob("figures/*.svg")}


@pytest.mark.parametrize(
    ("options", "there", "not_there"),
    [
        ({"arms": SKIPS}, {"error_by_arm", "effects"}, {"accuracy_by_depth"}),
        ({"arms": SKIPS[:1]}, {"error_by_arm"}, {"effects"}),
        ({"arms": SKIPS[:1], "seeds": 1}, {"error_by_arm"}, {"effects"}),
        ({"seeds": 1, "layers": by_depth}, {"accuracy_by_depth", "effects"}, set()),
        ({"value": lambda run: math.nan, "layers": by_depth}, set(), {"effects", "gradient_by_depth"}),
        ({"fate": fates, "layers": by_depth}, {"accuracy_by_depth", "effects"}, set()),
        ({"fate": lambda run: "crashed"}, set(), {"cost"}),
        ({"probes": False}, {"effects", "learning_curves"}, {"gradient_by_depth"}),
        ({"steps": 0}, {"gradient_by_depth"}, {"learning_curves", "gradient_over_training_weights"}),
        ({"arms": LISTS}, {"error_by_arm", "effects"}, set()),
        ({"value": lambda run: 0.1, **FEW_FIGURES}, {"effects"}, set()),
    ],
    ids=["no depth", "one arm", "one run", "one seed", "NaN", "failed", "crashed", "no probes", "no steps",
         "inactive and lists", "equal"],
)  # fmt: skip
def test_a_study_of_any_kind_has_a_report(options, there, not_there, tmp_path):
    text, tables, drawn = written(tmp_path, **options)
    assert there <= drawn
    assert not not_there & drawn
    assert "resnet-ablate &lt;b&gt;run&lt;/b&gt;" in text
    assert "<script>alert" not in text
    assert (tables["runs"]["message"] != "").any() == ("&lt;script&gt;alert(1)" in text)


def test_no_run_is_left_out_unseen(tmp_path):
    text, tables, _ = written(tmp_path, fate=fates, layers=by_depth, **FEW_FIGURES)
    counted = tables["accuracy"].set_index(["depth", "skip"])[["n", "N", "failed", "lost"]]
    assert counted.loc[(8, "A")].tolist() == [1, 3, 1, 1]
    assert counted.loc[(20, "A")].tolist() == [2, 3, 0, 1]
    reported = report.read(tmp_path / "study")
    assert (
        measured("test_error", reported.planned, reported.frames)["layers"].tolist() == [8] * 6 + [20] * 6
    )  # all are drawn
    means = tables["accuracy"].set_index(["depth", "skip"])["test_accuracy"]
    assert means[8, "A"] == pytest.approx(0.88)  # the one that diverged is not in it
    assert tables["failures"]["status"].value_counts().to_dict() == {"crashed": 2, "diverged": 2, "killed": 2}
    assert "6 of 12 runs completed. 2 crashed. 2 diverged. 2 killed." in text


def test_while_a_study_runs_its_report_says_what_is_missing(tmp_path):
    text, tables, _ = written(tmp_path, fate=lambda run: "missing" if run.seed else "completed", **FEW_FIGURES)
    assert "4 of 12 runs completed. 8 have no record yet" in text
    assert tables["accuracy"]["lost"].tolist() == [2] * 4
    assert tables["effects"]["p"].isna().all()


def test_a_factor_that_is_inactive_is_a_dash(tmp_path):
    text, tables, _ = written(tmp_path, arms=NESTED, **FEW_FIGURES)
    assert f"<td>{INACTIVE}</td>" in text
    assert tables["accuracy"]["zero_padding"].astype(str).tolist() == [INACTIVE, "append", "split"]


def test_verdicts_come_first_with_published_figures_beside_ours(tmp_path):
    claim = mean("test_error", depth=8, skip="none") > mean("test_error", depth=8, skip="A")
    figure = {"source": "X 2015", "measure": "test_error", "arm": {"depth": 8, "skip": "A"}, "value": 0.0875}
    text, tables, _ = written(
        tmp_path, claims=(claim.to_dict() | {"text": "<i>claim</i>"},), published=(figure,), **FEW_FIGURES,
        value=lambda run: error(run) + (0.003 * run.seed**2 if run.factors["skip"] == "none" else 0),
    )  # fmt: skip
    assert text.index("<h2") == text.index('<h2 id="verdicts-title">')
    assert '<span class="badge supported">supported</span>' in text
    assert "&lt;i&gt;claim&lt;/i&gt;" in text
    assert tables["published"]["ours"].tolist() == pytest.approx([0.11])
    assert tables["published"]["difference"].tolist() == pytest.approx([0.11 - 0.0875])


def test_what_a_learning_rate_was_chosen_from_is_reported(tmp_path):
    def row(skip, rate, accuracies, *, chosen):
        losses = [None if accuracy is None else 1 - accuracy for accuracy in accuracies]
        arm = {"depth": 8, "skip": skip}
        return {"arm": arm, "learning_rate": rate, "val_accuracy": accuracies, "val_loss": losses, "chosen": chosen}

    tuning = [
        row(skip, rate, accuracies, chosen=rate == 0.1)
        for skip in ("none", "A")
        for rate, accuracies in ((0.1, [0.9, 0.7]), (0.3, [0.8, None]))
    ]
    text, tables, _ = written(tmp_path, tuning=tuple(tuning))
    assert '<h2 id="learning-rates-title">' in text
    assert "the test images are not used" in text
    assert tables["tuning"][["trials", "failed", "val_accuracy", "chosen"]].to_numpy().tolist() == [
        [2, 0, pytest.approx(0.8), True], [2, 1, pytest.approx(0.8), False],
    ] * 2  # fmt: skip
    assert tables["tuning_by_trials"]["best_of_1"].tolist() == pytest.approx([0.6, 0.6])
    assert {"tuning.csv", "tuning_by_trials.tex"} <= {path.name for path in tmp_path.glob("report/tables/*")}


def test_many_arms_have_a_report_that_says_what_is_not_drawn(tmp_path):
    arms = [{"depth": depth, "skip": f"s{i}"} for depth in (8, 20, 32, 44, 56) for i in range(12)]
    text, tables, _ = written(tmp_path, arms=arms, seeds=2, layers=by_depth, **FEW_FIGURES)
    assert "The first 8 of 12 arms are drawn" in text
    effects = len(tables["effects"]) // tables["effects"]["measure"].nunique()
    assert f"The 40 largest of {effects} effects are drawn" in text


def test_on_paper_figures_are_a_column_wide_with_embedded_fonts(tmp_path):
    reported = report.read(study(tmp_path / "study", GRID, 2, value=error, layers=by_depth, **FEW_FIGURES))
    page, _ = report.write(reported, tmp_path / "report", STYLES["paper"])
    for pdf in page.parent.glob("figures/*.pdf"):
        content = pdf.read_bytes()
        assert b"/Type /Font /Subtype /Type0" in content or b"/Subtype /CIDFontType2" in content  # TrueType, embedded
        assert b"/FontFile2" in content
        assert b"/MediaBox [ 0 0 252 " in content  # 3.5 inches
    assert {path.suffix for path in page.parent.glob("figures/*")} == {".svg", ".png", ".pdf", ".tex"}
    assert "<text" in (page.parent / "figures" / "cost.svg").read_text()


def test_on_paper_the_same_records_give_the_same_bytes(tmp_path):
    reported = report.read(study(tmp_path / "study", SKIPS[:1], 2, value=error, probes=False, epochs=False))
    first, second = (report.write(reported, tmp_path / name, STYLES["paper"])[0].parent for name in "ab")
    assert (first / "figures" / "error_by_arm.pdf").is_file()
    for file in first.glob("figures/*"):
        assert file.read_bytes() == (second / "figures" / file.name).read_bytes()


def test_tables_hold_every_run_also_where_the_page_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr("analysis.pages.page.MOST_ROWS", 5)
    text, _, _ = written(tmp_path, **FEW_FIGURES)
    assert "5 of 12 rows; all are in the file." in text
    assert len(pd.read_csv(tmp_path / "report" / "tables" / "runs.csv")) == 12
