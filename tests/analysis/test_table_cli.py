"""`resnet-report TABLE`: the page, and what is said of a mistake."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from analysis import cli

CLAIMS = """\
from ablations import column, mean

accuracy = column("acc", best=1.0, worst=0.0)
claims = {"The skip helps.": mean(accuracy, skip="A") > mean(accuracy, skip="None")}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a table and a file of claims."""
    monkeypatch.chdir(tmp_path)
    rows = [
        {"depth": depth, "skip": skip, "fold": fold, "acc": base + fold * base / 100, "loss": 1 - base,
         "state": "finished"}
        for depth in (8, 20) for skip, base in (("None", 0.5), ("A", 0.7)) for fold in range(4)
    ]  # fmt: skip
    pd.DataFrame(rows[1:]).to_csv("runs.csv", index=False)
    (tmp_path / "claims.py").write_text(CLAIMS)
    return tmp_path


def run(*arguments):
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    return end.value.code or 0


def test_the_report_of_a_table(folder, capsys):
    asked = ("--factors", "depth,skip", "--seed", "fold", "--status", "state", "--claims", "claims.py")
    assert run("runs.csv", *asked, "--measure", "loss") == 0
    printed = capsys.readouterr().out
    assert re.search("supported +The skip helps", printed)
    page = (folder / "runs-report" / "report.html").read_text()
    assert "15 runs of 4 arms, from runs.csv. Factors: depth, skip." in page
    assert "Asked: Which claims do the runs support?" in page
    assert (
        "Found: of 1 claim, 1 supported, 0 refuted, 0 inconclusive; depth=8 skip=None has the lowest mean loss"
        not in page
    )
    assert "Found: of 1 claim, 1 supported, 0 refuted, 0 inconclusive; depth 8, skip A has the highest mean" in page
    assert "Not compared: depth=8 skip=None has no run of seed 0." in page
    tables = {path.name for path in (folder / "runs-report" / "tables").glob("*.csv")}
    assert tables == {f"{name}.csv" for name in ("verdicts", "power", "effects", "summary", "outcomes", "runs")}
    before = {path: path.read_bytes() for path in (folder / "runs-report").rglob("*") if path.is_file()}
    assert run("runs.csv", *asked, "--measure", "loss") == 0
    assert {path: path.read_bytes() for path in before} == before


def test_a_table_without_claims_is_compared(folder, capsys):
    assert run("runs.csv", "--factors", "depth", "skip", "--seed", "fold", "--measure", "acc", "--out", "here") == 0
    assert not (folder / "here" / "tables" / "verdicts.csv").exists()
    assert (folder / "here" / "figures" / "effects.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--claims", "claims.py"), "needs --factors"),
        (("--factors", "skip"), "needs --claims FILE or --measure COLUMN"),
        (("runs.csv", "--factors", "skip", "--measure", "acc"), "must be of one table of runs, but got 2"),
        (("--factors", "skip", "--measure", "acc"), "runs.csv: a table of runs must have the column 'seed'"),
        (("--factors", "skip", "--seed", "fold", "--measure", "acc"), "are all of skip=None seed=1; is a factor left"),
        (("--factors", "skip", "--claims", "none.py"), "none.py"),
        (("--factors", "skip", "--claims", "empty.py"), "empty.py: a file of claims must have `claims`"),
    ],
)
def test_a_mistake_is_one_line(arguments, message, folder, capsys):
    (folder / "empty.py").write_text("claims = {}")
    assert run("runs.csv", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "runs-report").exists()


def test_the_example_of_the_documentation(folder, capsys):
    docs = Path(__file__).parents[2] / "docs"
    shutil.copy(docs / "examples" / "claims.py", folder)
    rows = [
        {"depth": 8, "skip": skip, "fold": fold, "test_acc": base + fold * base / 100}
        for skip, base in (("none", 0.5), ("A", 0.7), ("B", 0.701)) for fold in range(4)
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv("runs.csv", index=False)
    page = (docs / "tutorials" / "others.md").read_text()
    command = re.search(r"^!resnet-report (runs\.csv .*)$", page, re.MULTILINE)[1]
    assert run(*command.split()) == 0
    assert capsys.readouterr().out.count("supported") == 2
