"""Recall by class and confusion matrices in reports."""

import numpy as np
import pandas as pd
import pytest

from analysis import classes
from analysis.pages import report
from analysis.study import read
from resnet_core.probes.requests import Item, ProbeRequest, Sample
from resnet_core.runs.records.measurements import Measurement, write
from tests.analysis.figures.test_inside import ARMS
from tests.analysis.synthetic import PAGE, study

COUNTS = {0: [[8, 2], [1, 4]], 1: [[10, 0], [3, 2]]}


@pytest.fixture
def probed(tmp_path):
    """A study whose first arm has confusion matrices of two seeds."""
    folder = study(tmp_path, ARMS, 2)
    runs = sorted(read(folder).plan.runs, key=lambda run: run.seed)
    label = runs[0].factors
    for run in (run for run in runs if run.factors == label):
        rows = [
            {"probe": "scores", "layer": "", "block": "", "path": "main", "index": 0, "value": count / sum(row),
             "quantity": "confusion", "class": i, "predicted": j, "count": count}
            for i, row in enumerate(COUNTS[run.seed]) for j, count in enumerate(row) if count
        ]  # fmt: skip
        write(folder, Measurement(Item(run.id, ProbeRequest("scores"), Sample()), "measured", rows, 15, "test"))
    return folder


def test_the_scores_of_each_class_are_those_of_its_matrix(probed):
    tables = classes.tables_of(read(probed).probed, ["cat", "dog"])
    recall = tables["recall"].set_index("class")
    assert recall["n"].tolist() == [2, 2]
    assert recall["images"].tolist() == [10, 5]
    assert recall.loc["cat", ["recall", "lowest", "highest"]].tolist() == pytest.approx([0.9, 0.8, 1.0])
    assert recall.loc["dog", "precision"] == pytest.approx((4 / 6 + 1) / 2)
    assert recall.loc["dog", "f1"] == pytest.approx((8 / 11 + 4 / 7) / 2)
    confusion = tables["confusion"].set_index("class")
    assert confusion[["as cat", "as dog"]].to_numpy().tolist() == (np.array(COUNTS[0]) + COUNTS[1]).tolist()


def test_the_report_has_both_tables_as_files(probed, tmp_path):
    page, tables = report.write(read(probed), tmp_path / "report", PAGE)
    assert "Recall by class." in page.read_text()
    for name in ("recall", "confusion"):
        file = pd.read_csv(tmp_path / "report" / "tables" / f"{name}.csv")
        assert file["class"].astype(str).tolist() == tables[name]["class"].tolist()


def test_without_such_rows_there_are_no_tables(tmp_path):
    folder = study(tmp_path, ARMS, 1)
    assert classes.tables_of(read(folder).probed, ()) == {}
    assert "recall" not in report.tables_of(read(folder))
