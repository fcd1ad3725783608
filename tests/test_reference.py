"""The committed results are what their specs say, and their tables what their records say."""

from pathlib import Path

import pytest

from analysis import formats, report
from resnet_core.runs.store import Store

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
STUDIES = sorted(path.parent for path in REFERENCE.rglob("study.json") if "learning_rates" not in path.parts)
LARGEST = 20e6  # bytes


def test_there_are_some_and_they_are_not_large():
    assert {"depth", "gradient-at-init"} <= {folder.name for folder in STUDIES}
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < LARGEST


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: str(folder.relative_to(REFERENCE)))
class TestReference:
    def test_every_run_has_the_id_that_its_spec_gives_and_is_recorded(self, folder):
        store = Store(folder)
        runs = {record.run.id for record in store.records()}
        assert runs == set(store.frames().runs["run"]) == {run.id for run in store.plan().runs}

    def test_every_table_is_that_of_the_records(self, folder):
        tables = report.tables_of(report.read(folder))
        for name, table in tables.items():
            assert (folder / "report" / "tables" / f"{name}.csv").read_text() == formats.csv(table), name
