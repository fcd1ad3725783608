"""The committed results are what their specs say, and their tables what their records say."""

import re
from pathlib import Path

import pandas as pd
import pytest

from ablations.verdicts import published
from analysis import formats
from analysis.judging import findings
from analysis.pages import report
from resnet_core.runs.records.store import Store

REFERENCE = Path(__file__).parents[1] / "results" / "reference"
STUDIES = sorted(path.parent for path in REFERENCE.rglob("study.json") if "learning_rates" not in path.parts)
FINDINGS = (REFERENCE.parent / "README.md").read_text()
PUBLISHED = published()
LARGEST = 25e6  # bytes


def test_there_are_some_and_they_are_not_large():
    assert {"depth", "gradient-at-init"} <= {folder.name for folder in STUDIES}
    assert sum(path.stat().st_size for path in REFERENCE.rglob("*") if path.is_file()) < LARGEST


def test_every_file_that_a_page_names_is_there():
    pages = list(REFERENCE.rglob("*.html"))
    assert REFERENCE / "depth" / "report" / "report.html" in pages
    for page in pages:
        named = re.findall(r'(?:href|src)="([^"#:]+)"', page.read_text())
        assert named
        assert [name for name in named if not (page.parent / name).exists()] == []


def test_the_findings_count_the_verdicts_that_they_list():
    """Each study's own are compared with its records below."""
    counts = re.search(r"Claims: (\d+), (\d+) supported, (\d+) refuted, (\d+) inconclusive;", FINDINGS)
    listed = [len(re.findall(rf"^\| {verdict} \|", FINDINGS, re.MULTILINE)) for verdict in findings.VERDICTS]
    assert [int(count) for count in counts.groups()] == [sum(listed), *listed]
    assert FINDINGS.count("\n## ") == len(STUDIES)


def test_the_readme_says_what_the_records_of_depth_say():
    table = pd.read_csv(REFERENCE / "depth" / "report" / "tables" / "accuracy.csv").set_index(["depth", "skip"])
    plain, residual = table.loc[(56, "none")], table.loc[(56, "A")]
    means = [table.loc[(8, skip), "test_accuracy"] for skip in ("none", "A")]
    sentence = (
        "the plain networks of 56 layers that train at all ({n:.0f} of {N:.0f} seeds) reach {test_accuracy:.2f} test "
        "accuracy (95 % interval {test_accuracy_low:.2f} to {test_accuracy_high:.2f})".format(**plain)
        + " and the residual ones ({n:.0f} of {N:.0f}), which have the same parameters, {test_accuracy:.2f} "
        "({test_accuracy_low:.2f} to {test_accuracy_high:.2f}).".format(**residual)
        + " At 8 layers they reach {:.2f} and {:.2f}.".format(*means)
    )
    assert sentence in " ".join((REFERENCE.parents[1] / "README.md").read_text().split())


@pytest.mark.parametrize(
    ("study", "claim", "verdict", "sign", "words"),
    [
        (
            "beliefs",
            "At the start, the gradients of the plain net of 56 layers are smaller near the input",
            "refuted", 1, "they are larger than near the output, by {:.2f} decades ({:.2f} to {:.2f}).",
        ),
        (
            "gradient-in-training",
            "With normalisation, the plain net's gradients move towards the output in training.",
            "supported", -1, "those of 38 layers move towards the output, by {:.2f} decades ({:.2f} to {:.2f}),",
        ),
        (
            "gradient-in-training",
            "With normalisation, the gradients shift less towards the output with the skip than without.",
            "supported", 1, "with the skip by {:.2f} decades ({:.2f} to {:.2f}) less.",
        ),
        (
            "laptop/never-or-after",
            "Removing the skip of the last block of stage 1 after training costs more than training without it.",
            "supported", 1, "{:.2f} ({:.2f} to {:.2f}) more test error.",
        ),
        (
            "laptop/shortcuts",
            "The test error is lower with option C than with option B.",
            "refuted", 1, "by {:.3f} ({:.3f} to {:.3f}).",
        ),
    ],
)  # fmt: skip
def test_the_readme_says_what_the_verdicts_say(study, claim, verdict, sign, words):
    table = pd.read_csv(REFERENCE / study / "report" / "tables" / "verdicts.csv")
    ((_, row),) = table[table["claim"].str.startswith(claim)].iterrows()
    assert row["verdict"].startswith(verdict)
    values = sorted(sign * row[["low", "effect", "high"]].astype(float))
    sentence = words.format(values[1], values[0], values[2])
    assert sentence in " ".join((REFERENCE.parents[1] / "README.md").read_text().split())


@pytest.mark.parametrize("folder", STUDIES, ids=lambda folder: str(folder.relative_to(REFERENCE)))
class TestReference:
    def test_every_run_has_the_id_that_its_spec_gives_and_is_recorded(self, folder):
        store = Store(folder)
        runs = {record.run.id for record in store.records()}
        assert runs == set(store.frames().runs["run"]) == {run.id for run in store.plan().runs}

    def test_every_table_and_finding_is_that_of_the_records(self, folder):
        study = report.read(folder)
        tables = report.tables_of(study)
        figures = PUBLISHED.get(study.plan.name, ())
        judged = findings.table(study)
        assert "\n".join(findings.section(folder, study, judged, figures)) in FINDINGS
        assert findings.overview({folder: study}, {folder: judged}, REFERENCE.parent)[-1] in FINDINGS
        for name, table in tables.items():
            assert (folder / "report" / "tables" / f"{name}.csv").read_text() == formats.csv(table), name
