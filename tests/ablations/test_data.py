"""What was read of a folder, in the line of a run and of a dry run, in the records, in the plan and in the report."""

import json

import numpy as np
import pytest
from PIL import Image

from ablations.cli import _main
from analysis.pages import report
from resnet_core.errors import UserError
from resnet_core.runs.records.store import Store
from tests.resnet_core.runs.data.test_pictures import damaged

SETTINGS = ["--depth", "8", "--skip", "none", "--seeds", "1", "--set", "steps=1", "--set", "batch_size=8",
            "--set", "probe.batch_size=8"]  # fmt: skip


@pytest.fixture
def words(tmp_path, monkeypatch):
    """A command on a folder with a damaged image, a transparent one, and a file that is no image."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for kind in ("1", "10"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for i in range(9):
            Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)).save(tmp_path / "data" / kind / f"{i}.png")
    Image.new("RGBA", (4, 4)).save(tmp_path / "data" / "1" / "0.png")
    damaged(tmp_path / "data" / "10" / "3.png", "bit")
    (tmp_path / "data" / "10" / "notes.txt").touch()
    return ["run", "depth", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), *SETTINGS]


def test_a_dry_run_says_what_there_is_without_decoding_it(words, tmp_path, capsys):
    _main([*words, "--dry-run"])
    line = capsys.readouterr().out.splitlines()[0]
    assert line == (
        "data: 13 training, 1 validation, 4 test images, 2 classes (training+test): 1: 7+2, 10: 7+2; shape 4x4x3, "
        "values uint8; 1 image with transparency composited on white; known from how the files begin, not decoded yet; "
        "skipped: not an image that is read: 1 (10/notes.txt)"
    )
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "cache").exists()


def test_what_was_read_is_said_and_kept(words, tmp_path, capsys):
    with pytest.raises(UserError, match=r"10/3\.png cannot be decoded: .*; --skip-damaged leaves out"):
        _main(words)
    assert not (tmp_path / "out").exists()
    words = [*words, "--skip-damaged"]
    _main(words)
    line = capsys.readouterr().out.splitlines()[0]
    assert "skipped: not an image that is read: 1 (10/notes.txt); damaged: 1 (10/3.png: cannot be decoded: " in line
    store = Store(tmp_path / "out" / "depth")
    (record,), plan = list(store.records()), store.plan()
    assert record.data == plan.data
    assert record.data.line == line
    assert record.data.class_names == ("1", "10")
    store.compact()
    assert next(store.records()).data == record.data
    _, tables = report.write(report.read(store.root), tmp_path / "report")
    assert tables["classes"]["class"].tolist() == ["1", "10"]
    assert tables["skipped"]["file"].str.startswith(("10/notes.txt", "10/3.png")).all()
    assert "1 image with transparency composited on white" in (tmp_path / "report" / "report.html").read_text()

    with pytest.raises(UserError, match="was made with train.background=white, not black; choose another --out"):
        _main([*words, "--background", "black"])
    _main(words)
    assert json.loads((store.root / "study.json").read_text())["base"]["train.skip_damaged"] is True
    assert len(list(store.records())) == 1
