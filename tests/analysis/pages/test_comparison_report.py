import pandas as pd
import pytest

from analysis.pages import comparison_report
from analysis.study import read
from resnet_core.errors import UserError
from tests.analysis.synthetic import study

ARMS = [{"skip": "none"}, {"skip": "A"}]


def compared(first, second, names=("a", "b")):
    return comparison_report.tables_of(names, [read(first), read(second)])


def error(run):
    return 0.1 + 0.01 * run.seed


def test_the_same_records_are_identical(tmp_path):
    folders = [study(tmp_path / name, ARMS, 2, value=error) for name in "ab"]
    tables = compared(*folders)
    assert tables["arms"]["found"].tolist() == ["identical"] * 2
    assert tables["arms"][["first", "second", "same_id", "identical"]].to_numpy().tolist() == [[2, 2, 2, 2]] * 2
    assert tables["settings"].empty
    assert tables["environment"].empty
    assert (tables["differences"]["difference"] == 0).all()


def test_other_results_of_the_same_id_are_said(tmp_path):
    first = study(tmp_path / "a", ARMS, 2, value=error)
    second = study(tmp_path / "b", ARMS, 2, value=lambda run: error(run) + 1e-3 * (run.factors["skip"] == "A"))
    assert compared(first, second)["arms"].set_index("skip")["found"].to_dict() == {
        "none": "identical",
        "A": "2 runs of the same id have other results: nothing that the records have of both differs",
    }


def test_what_runs_with_other_results_were_made_with_is_named_the_processor_first(tmp_path):
    environment = {"threads": 1, "keras": "3", "onednn": "1", "processor": "one"}
    other = environment | {"threads": 2, "processor": "two", "onednn_isa": "avx2"}
    first = study(tmp_path / "a", ARMS, 1, value=error, environment=lambda run: environment)
    second = study(tmp_path / "b", ARMS, 1, value=lambda run: 2 * error(run), environment=lambda run: other)
    words = "1 runs of the same id have other results: processor one and two; threads 1 and 2"
    tables = compared(first, second)
    assert tables["arms"]["found"].tolist() == [words] * 2
    assert set(tables["environment"]["setting"]) == {"processor", "threads"}  # what one has not is not different


def test_a_difference_of_rounding_is_none(tmp_path):
    first = study(tmp_path / "a", ARMS, 2, value=error)
    second = study(tmp_path / "b", ARMS, 2, value=lambda run: error(run) * (1 + 1e-7))
    assert compared(first, second)["arms"]["found"].tolist() == ["identical"] * 2


def test_several_values_of_a_setting_are_said_with_their_numbers(tmp_path):
    first = study(tmp_path / "a", ARMS, 2, environment=lambda run: {"threads": 1 + run.seed})
    second = study(tmp_path / "b", ARMS, 2, environment=lambda run: {"threads": 1})
    rows = compared(first, second)["environment"].set_index("setting")
    assert rows.loc["threads"].tolist() == ["1 (2 runs), 2 (2 runs)", "1"]


def test_other_data_are_a_setting_and_a_difference_with_its_interval(tmp_path):
    first = study(tmp_path / "a", ARMS, 3, value=error)
    second = study(tmp_path / "b", ARMS[:1], 3, value=lambda run: 0.3 + 0.011 * run.seed, data="1")
    tables = compared(first, second)
    assert "train.data_sha256" in tables["settings"]["setting"].tolist()
    assert tables["arms"].set_index("skip").loc["A", "found"] == "only in the first"
    assert tables["arms"].set_index("skip").loc["none", "found"].startswith("intervals without 0: test_error")
    rows = tables["differences"].set_index(["measure", "skip"])
    row = rows.loc["test_error", "none"]
    assert row[["n_first", "n_second", "interval"]].tolist() == [3, 3, "paired"]
    assert row["difference"] == pytest.approx(0.11 - 0.311)


def test_studies_without_a_factor_in_common_are_refused(tmp_path):
    first = study(tmp_path / "a", ARMS, 1)
    second = study(tmp_path / "b", [{"width": 1}, {"width": 2}], 1)
    with pytest.raises(UserError, match="must have a factor in common, but a varies skip and b width"):
        compared(first, second)


def test_the_program_compares(program, tmp_path):
    folders = [study(tmp_path / name, ARMS, 2, value=error) for name in "ab"]
    done = program("resnet-report", "compare", *folders)
    assert (done.returncode, done.stderr) == (0, "")
    page = folders[0] / "compare" / "compare.html"
    assert done.stdout.splitlines()[-1] == f"report: {page}"
    assert "identical" in page.read_text()
    assert pd.read_csv(page.parent / "tables" / "arms.csv")["identical"].tolist() == [2, 2]


def test_one_study_cannot_be_compared(program, tmp_path):
    done = program("resnet-report", "compare", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "compare needs two studies or more, but got 1" in done.stderr
