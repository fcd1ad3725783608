import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from analysis.pages import report
from analysis.study import read
from resnet_core.errors import UserError
from resnet_core.sealed import CHECKSUM, seal
from tests.analysis.synthetic import PAGE

ROOT = Path(__file__).parents[3]
FIGURES = [
    "accuracy_by_depth", "cost", "distributions", "effects", "gradient_by_depth",
    "gradient_over_training_activations", "gradient_over_training_weights", "learning_curves",
]  # fmt: skip
TABLES = [
    "accuracy", "calibration", "classes", "effects", "environment", "failures", "gradients", "outcomes", "published",
    "runs", "settings", "skipped", "summary", "trends", "variance", "verdicts",
]  # fmt: skip


class Page(HTMLParser):
    """What a page shows and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.images, self.links, self.words, self.external = [], [], [], 0
        self.names = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if attributes.get("class") == "panels":
            self.images.append(attributes)
        if tag in ("link", "iframe", "object") or (tag == "script" and attributes):
            self.external += 1
        self.names += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture(scope="module")
def written(tiny_study, tmp_path_factory):
    out = tmp_path_factory.mktemp("report")
    page, _ = report.write(report.read(tiny_study), out)
    return page


@pytest.fixture
def study(tiny_study, tmp_path):
    """A copy of the study that a test may damage."""
    return shutil.copytree(tiny_study, tmp_path / "depth")


def content(folder):
    """The files in a folder, by path."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def shown(folder, out):
    page, _ = report.write(report.read(folder), out, PAGE)
    return Page(page.read_text())


def test_a_report_is_a_page_with_figures_and_tables(written):
    expected = {"report.html", *(f"tables/{name}.{suffix}" for name in TABLES for suffix in ("csv", "tex", "md"))}
    expected |= {f"figures/{name}.{suffix}" for name in FIGURES for suffix in ("svg", "png")}
    assert set(content(written.parent)) == expected
    for name in FIGURES:
        with Image.open(written.parent / "figures" / f"{name}.png") as image:
            assert image.width == 1600
            assert len(image.convert("RGB").getcolors(1 << 24)) > 50


def test_the_page_needs_nothing_but_itself(written):
    page = Page(written.read_text())
    assert page.external == 0
    assert len(page.images) == len(FIGURES)
    assert all(len(image["aria-label"]) > 80 for image in page.images)
    named = {f"#{name}" for name in page.names}
    links = [link for link in page.links if not link.startswith("data:image/png")]  # pixels of heat maps
    assert {link for link in links if link not in named and not (written.parent / link).is_file()} == set()
    assert not re.search(r"url\((?!#)|@import|https?://", written.read_text())


def test_the_page_states_command_environment_outcomes_and_settings(written, tiny_study):
    text = " ".join(Page(written.read_text()).words)
    plan = json.loads((tiny_study / "study.json").read_text())
    for words_shown in (
        plan["question"],
        plan["commands"][0],
        "8 of 8 runs completed",
        "tensorflow",
        "train.learning_rate",
    ):
        assert words_shown in text


def test_nothing_is_said_that_the_data_do_not_say(written):
    words = " ".join(Page(written.read_text()).words)
    assert not re.search(r"vanish|explod|better|worse\b|degrad", words, re.IGNORECASE)


def test_the_same_records_give_the_same_bytes(written, tiny_study, tmp_path):
    report.write(report.read(tiny_study), tmp_path)
    assert content(tmp_path) == content(written.parent)


def test_tables_are_those_of_the_records(written, tiny_study):
    records = [json.loads(path.read_text()) for path in tiny_study.glob("runs/*.json")]
    runs = pd.read_csv(written.parent / "tables" / "runs.csv").set_index("run")
    asked = {each["id"]: each["results"]["test_accuracy"] for each in records}
    assert runs["test_accuracy"].to_dict() == pytest.approx(asked, rel=1e-9)
    accuracy = pd.read_csv(written.parent / "tables" / "accuracy.csv", keep_default_na=False).set_index(
        ["depth", "skip"]
    )
    for (depth, skip), row in accuracy.iterrows():
        arm = [r for r in records if (r["run"]["factors"]["depth"], r["run"]["factors"]["skip"]) == (depth, skip)]
        assert float(row["test_loss"]) == pytest.approx(sum(r["results"]["test_loss"] for r in arm) / 2)
        assert (row["n"], row["N"]) == (2, 2)


def test_a_report_on_half_a_study_says_what_is_missing_and_what_is_damaged(study, tmp_path):
    damaged, *lost = sorted(study.glob("runs/*.json"))[:4]
    damaged.write_text(damaged.read_text()[:-100])
    for path in lost:
        path.unlink()
    text = " ".join(shown(study, tmp_path / "out").words)
    assert "4 of 8 runs completed" in text
    assert f"{damaged.name} is no whole record, and is left out: " in text
    assert pd.read_csv(tmp_path / "out" / "tables" / "outcomes.csv")["missing"].sum() == 4


def test_a_study_whose_records_are_all_damaged_is_said_to_be(study):
    for path in study.glob("runs/*.json"):
        path.write_text("{")
    first = min(study.glob("runs/*.json"))
    with pytest.raises(UserError, match=f"all that {study} has are damaged, 8 files; {first}: .*; run the study again"):
        read(study)


def test_a_study_of_lost_runs_has_a_report(study, tmp_path):
    for path in study.glob("runs/*.json"):
        values = json.loads(path.read_text())
        values["outcome"] = {"status": "crashed", "step": 3, "message": "Traceback <b>here</b>"}
        values["results"] = {}
        path.write_text(seal({name: value for name, value in values.items() if name != CHECKSUM}))
    page = shown(study, tmp_path / "out")
    text = " ".join(page.words)
    assert "0 of 8 runs completed" in text
    assert "Traceback <b>here</b>" in text  # escaped in the page, so it is text


def test_a_study_with_one_arm_and_one_seed_has_a_report(study, tmp_path):
    plan = json.loads((study / "study.json").read_text())
    plan["runs"] = plan["runs"][:1]
    del plan[CHECKSUM]
    (study / "study.json").write_text(json.dumps(plan))
    assert "1 of 1 runs completed" in " ".join(shown(study, tmp_path / "out").words)


def parent_of_a_study(folder):
    (folder / "depth").mkdir(parents=True)
    (folder / "depth" / "study.json").touch()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "does not exist"),
        (lambda folder: folder.mkdir(), "with a study.json, but .* has none; resnet-ablate run makes one"),
        (parent_of_a_study, "did you mean .*depth"),
        (lambda folder: folder.mkdir() or (folder / "study.json").write_text("{}"), "is not: it must be of schema 1"),
        (lambda folder: folder.touch(), "does not exist"),
    ],
    ids=["missing", "empty", "parent", "foreign", "file"],
)  # fmt: skip
def test_a_folder_that_is_no_study_is_one_line_and_exit_code_2(make, message, called, tmp_path):
    folder = tmp_path / "there"
    make(folder)
    before = sorted(tmp_path.rglob("*"))
    done = called("resnet-report", folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert re.search(message, done.stderr)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_study_with_no_run_yet_is_refused(called, study):
    shutil.rmtree(study / "runs")
    done = called("resnet-report", study)
    assert done.returncode == 2
    assert "has none yet; run the study first" in done.stderr


def test_the_program_ends_with_the_table_and_the_path(called, study):
    done = called("resnet-report", study)
    lines = done.stdout.splitlines()
    assert lines[0].split()[:2] == ["verdict", "claim"]  # those of the suite, on the depths that were asked for
    heads = [i for i, line in enumerate(lines) if line.split()[:2] == ["depth", "skip"]]
    assert len(lines) - heads[0] == 6
    assert lines[-1] == f"report: {study / 'report' / 'report.html'}"


def test_a_study_without_a_probe_at_its_ends_has_a_report(called, tmp_path):
    settings = ("steps=3", "probe.steps=1", "probe.each_epoch=false")
    words = ["run", "depth", "--depth", "8", "--seeds", "1", *(word for each in settings for word in ("--set", each))]
    assert called("resnet-ablate", *words).returncode == 0
    assert called("resnet-report", "results/local/depth").returncode == 0


def test_the_script_of_the_documentation_plots_exported_tables(called, tiny_study, tmp_path):
    script = (ROOT / "docs" / "examples" / "plot_my_own.py").read_text()
    assert called("resnet-ablate", "export", tiny_study, "tables").returncode == 0
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=tmp_path, env=environment)
    with Image.open(tmp_path / "mine.png") as image:
        assert len(image.convert("RGB").getcolors(1 << 24)) > 50
