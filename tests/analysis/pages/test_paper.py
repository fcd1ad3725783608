"""What a paper takes of a report, and one page of many studies."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from analysis.claims import mean
from analysis.pages import index_report, paper, paper_text, report
from resnet_core.errors import UserError
from resnet_core.runs.records.plan import Tuned
from tests.analysis.synthetic import PAGE, study

ARMS = [{"skip": skip} for skip in ("none", "A", "B")]
CLAIM = mean("test_error", skip="A") < mean("test_error", skip="none")


def error(run):
    noise = (0.0, 0.011, 0.004, 0.007, 0.002)[run.seed] * {"none": 1, "A": 2, "B": 3}[run.factors["skip"]]
    return {"none": 0.3, "A": 0.1, "B": 0.2}[run.factors["skip"]] + noise


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    return report.read(
        study(tmp_path_factory.mktemp("paper") / "mine", ARMS, 5, value=error,
              claims=(CLAIM.to_dict() | {"text": "It is lower."},),
              fate=lambda run: "diverged" if run.factors["skip"] == "B" and run.seed == 4 else "completed")
    )  # fmt: skip


@pytest.fixture(scope="module")
def by_name(reported):
    return report.tables_of(reported)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((0.0178, 0.0092, 0.0264), "0.0178(86)"),
        ((0.69, 0.3, 1.0), "0.69(39)"),
        ((123.4, 100.0, 146.8), "123(23)"),
        ((0.25, float("nan"), float("nan")), "0.25"),
        ((0.0, 0.0, 0.0), "0"),
        ((float("nan"),) * 3, ""),
    ],
)
def test_a_number_has_the_digits_that_its_interval_leaves(numbers, expected):
    assert paper.value(*numbers) == expected


def test_the_table_is_for_one_column_and_bold_where_a_test_says_so(reported, by_name):
    text = paper.table(reported, by_name["summary"], paper.Choice(columns=("n", "failed")))
    rows = re.findall(r"^(none|A|B) & (.*?) & (\S+) & (\d) \\\\$", text, re.MULTILINE)
    assert [row[0] for row in rows] == ["none", "A", "B"]
    assert [row[2:] for row in rows] == [("5/5", "0"), ("5/5", "0"), ("4/5", "1")]
    assert [row[1].startswith(r"\bfseries ") for row in rows] == [False, True, False]
    assert r"S[table-format=1.4(2)" in text
    assert "{skip} & {test error} & {seeds} & {failed}" in text


def test_where_no_test_shows_a_best_arm_none_is_bold(tmp_path):
    other = report.read(study(tmp_path / "mine", ARMS[:2], 3, value=lambda run: 0.1 + 0.01 * (run.seed - 1)))
    assert r"\bfseries" not in paper.table(other, report.tables_of(other)["summary"], paper.Choice())


def test_arms_and_measures_are_chosen(reported, by_name):
    choice = paper.Choice(columns=(), measures=("test_error", "train_error"), arms=("skip=A",))
    choice.check(reported)
    text = paper.table(reported, by_name["summary"], choice)
    assert len(re.findall(r"^(none|A|B) & ", text, re.MULTILINE)) == 1
    assert "{skip} & {test error} & {train error}" in text


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"columns": ("speed",)}, "--columns must be of parameters, macs, n, failed, but got 'speed'"),
        ({"measures": ("beauty",)}, "--measures must be known measures, but got 'beauty'"),
        ({"arms": ("skip=C",)}, "--arms must be of skip=none; skip=A; skip=B, but got 'skip=C'"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(choice, message, reported):
    with pytest.raises(UserError, match=re.escape(message)):
        paper.Choice(**choice).check(reported)


def test_methods_and_checklist_are_made_of_the_records(reported, by_name):
    text = paper_text.methods(reported, by_name)
    for words in ("3 arms", "5 seeds", "The 1 claims are", "Of 15 runs, 14 completed; 1 diverged", "keras 3"):
        assert words in text
    answers = paper_text.checklist(reported, by_name)
    assert "- **Were several versions mixed?** no" in answers
    assert "`resnet-ablate <b>run</b>`" in answers
    assert paper_text.references(reported).startswith("@inproceedings{he2016deep,")


def test_the_checklist_says_how_long_trials_were(reported, by_name):
    tried = Tuned(arm={"skip": "A"}, learning_rate=0.1, val_accuracy=[0.9], val_loss=[0.3], chosen=True)
    plan = replace(reported.plan, tuning=(tried,), base={**reported.plan.base, "trial_share": 0.25})
    words = "Learning rates: on validation images, before the seeds ran, by trials of 0.25 of the length of a run."
    assert words in paper_text.checklist(replace(reported, plan=plan), by_name)


def test_main_tex_compiles_where_a_tex_is_installed(reported, by_name, tmp_path):
    _, tables = report.write(reported, tmp_path, PAGE)
    main = paper.write(reported, tables, tmp_path, paper.Choice())
    assert {path.name for path in main.parent.iterdir()} == {
        "main.tex", "results.tex", "methods.tex", "checklist.md", "references.bib",
    }  # fmt: skip
    for name in re.findall(r"\\input\{(\w+)\}", main.read_text()):
        assert (main.parent / f"{name}.tex").is_file()
    tex = shutil.which("tectonic") or shutil.which("latexmk") or shutil.which("pdflatex")
    if tex is None:
        pytest.skip("no TeX on this machine")
    options = ["-interaction=nonstopmode", "-halt-on-error"] if "tectonic" not in tex else []
    subprocess.run([tex, *options, main.name], cwd=main.parent, check=True, timeout=300)


def test_one_page_has_the_verdicts_of_all_studies_and_links_to_their_reports(reported, tmp_path):
    for name in ("one", "two"):
        study(tmp_path / name, ARMS[:2], 3, value=error, claims=(CLAIM.to_dict() | {"text": f"Of {name}."},))
    (tmp_path / "one" / "report").mkdir()
    (tmp_path / "one" / "report" / "report.html").write_text("")
    page, every = index_report.write(tmp_path, tmp_path / "index")
    assert every["study"].tolist() == ["one", "two"]
    text = page.read_text()
    assert "Of one." in text
    assert "Of two." in text
    assert '<a href="../one/report/report.html">Report of one</a>' in text
    assert "Report of two" not in text
