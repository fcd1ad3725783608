"""Searches that are run from Python."""

import csv
import io
import json
import re
import shutil
from contextlib import redirect_stdout
from importlib.util import find_spec

import keras
import numpy as np
import pytest

import search
from resnet_core.errors import UserError
from resnet_core.runs.data import open_source
from resnet_core.runs.exports import FORMATS, registry
from resnet_core.runs.exports.keras_files import compiled
from resnet_core.runs.exports.latency import latencies
from resnet_core.runs.records.store import Store
from search.cli import _main
from search.export import _warn_if_outdated
from tests.search.test_search import SMALL

TINY = {"trials": 2, "epochs": 1, "batch_size": 8, "train_size": 200, "oracle": "random", "progress": False}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What a search has found that confirmed a network; its folder is not to be changed, but for exports."""
    with redirect_stdout(io.StringIO()) as printed:
        results = search.run(SMALL, **TINY, confirm=1, confirm_seeds=1, out=tmp_path_factory.mktemp("out"))
    assert printed.getvalue() == ""
    return results


def test_a_search_is_run_and_what_it_found_is_returned(results):
    trials = results.trials()
    assert trials["trial"].tolist() == [1, 2] or trials["trial"].tolist() == [0, 1]
    assert results.best.record.results["val_accuracy"] == trials["val_accuracy"].max()
    assert set(results.best.values) == {"blocks", "skip", "order", "rate"}
    assert results.best.model.output_shape == (None, 10)
    assert results.report().is_file()
    assert repr(results) == f"SearchResults('{results.folder}'): 2 trials recorded"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"space": "smal"}, "must be a known space or a Python file, but got 'smal'"),
        ({"oracle": "delphi"}, "`oracle` must be known, but got 'delphi'"),
        ({"name": "a/b"}, "`name` must be of letters, digits, dots and dashes, but got 'a/b'"),
        ({"objective": "speed"}, "must be known, but got 'speed'"),
        ({"objective": ["speed"]}, "`objective` must be str, but got ['speed']"),
        ({"fix": {"skip": "A"}}, "`fix` must be Sequence[str], but got {'skip': 'A'}"),
        ({"start": 3}, "`start` must be Sequence[str], but got 3"),
        ({"name": 3}, "`name` must be str, but got 3"),
        ({"bach_size": 8}, "but got 'bach_size'; did you mean 'batch_size'?"),
        ({"validation_fraction": 0.0}, "a search chooses by validation images"),
        ({"max_params": 3}, "a network of the space must be within the limits"),
        ({"data": ([1], [1], [1])}, "but got a tuple of 3"),
    ],
    ids=str,
)
def test_a_mistake_is_a_user_error_and_nothing_is_written(given, message, tmp_path):
    with pytest.raises(UserError, match=re.escape(message)):
        search.run(**{"space": SMALL, **TINY, "out": tmp_path / "out", **given})
    assert not (tmp_path / "out").exists()


INSTALLED = [name for name, each in FORMATS.items() if not each.missing]
"""Formats whose packages are there."""


@pytest.fixture(scope="module")
def exports(results, tmp_path_factory):
    """The exports of the search in every format that can be written here, as logits."""
    with redirect_stdout(io.StringIO()):
        return results.export(out=tmp_path_factory.mktemp("exports") / "best", calls=0)


@pytest.fixture(scope="module")
def images():
    return open_source("digits").images


def test_every_format_is_exported_and_none_fails(exports):
    assert [row.format for row in exports.rows] == INSTALLED
    assert exports.failed == []
    files = {FORMATS[name].file for name in INSTALLED}
    assert {path.name for path in exports.folder.iterdir()} == {*files, "README.md", "exports.csv", "model.json"}
    assert not list(exports.folder.parent.glob(".writing-*"))


@pytest.mark.parametrize("name", ["keras", "savedmodel", "tflite", "tflite-int8", "onnx"])
def test_an_export_gives_the_outputs_of_the_network(name, exports, results, images):
    """By its own runtime, from images as they are in the data; only the format of 8 bits differs."""
    if FORMATS[name].missing:
        pytest.skip(f"{FORMATS[name].missing} not installed")
    x = images.x_test[:40].astype("float32")
    predict, expected = FORMATS[name].open(exports.folder / FORMATS[name].file, 1), results.best.model(x).numpy()
    (row,) = (row for row in exports.rows if row.format == name)
    difference = np.abs(predict(x) - expected).max()
    equal = (predict(x).argmax(1) == expected.argmax(1)).mean()
    if name == "tflite-int8":
        assert difference < 0.1 * np.abs(expected).max()
        assert min(equal, row.equal_predictions) > 0.8
        assert 0 < row.max_difference < 0.1 * np.abs(expected).max() + 0.5
    else:
        assert difference < 1e-5 * max(1, np.abs(expected).max())
        assert (equal, row.equal_predictions) == (1, 1)


def test_accuracy_is_of_all_test_images_and_equals_that_of_the_record(exports, results):
    best = json.loads((results.folder / "best.json").read_text())
    (record,) = (record for record in Store(results.folder / "confirm").records() if record.run.id == best["run"])
    exact = [row.accuracy for row in exports.rows if FORMATS[row.format].exact]
    assert exact == pytest.approx([record.results["test_accuracy"]] * len(exact), abs=1e-6)
    assert [row.bytes for row in exports.rows if row.format == "keras"] == [
        (exports.folder / "model.keras").stat().st_size
    ]


def table(folder):
    return list(csv.DictReader((folder / "exports.csv").read_text().splitlines()))


def test_what_a_program_and_a_reader_need_is_beside_them(exports, images):
    about = json.loads((exports.folder / "model.json").read_text())
    assert about["class_names"] == list(images.class_names)
    assert about["input"]["shape"] == [None, 8, 8, 1]
    assert (about["input"]["range"], about["input"]["channels"]) == ([0.0, 16.0], "grey")
    assert about["output"] == {"name": "logits", "shape": [None, 10], "softmax": False}
    assert about["checked_on"] == "360 test images"
    rows = table(exports.folder)
    assert [row["format"] for row in rows] == INSTALLED
    card = (exports.folder / "README.md").read_text()
    for words in ("10 logits", "0, 1, 2, 3", "Bounds: none", "| found |", "| twin |", "Multiply-accumulates"):
        assert words in card


def test_with_softmax_outputs_are_probabilities_and_a_folder_of_exports_is_replaced(exports, results, tmp_path, images):
    shutil.copytree(exports.folder, tmp_path / "best")
    exports = results.export(["keras"], softmax=True, out=tmp_path / "best", images=20, calls=0)
    assert {path.name for path in exports.folder.iterdir()} == {"model.keras", "README.md", "exports.csv", "model.json"}
    assert json.loads((exports.folder / "model.json").read_text())["checked_on"] == "20 test images"
    x = images.x_test[:5].astype("float32")
    shares = keras.models.load_model(exports.folder / "model.keras").predict(x, verbose=0)
    logits = results.best.model(x).numpy()
    np.testing.assert_allclose(shares, np.exp(logits) / np.exp(logits).sum(1, keepdims=True), rtol=1e-4, atol=1e-6)


def test_the_program_exports_and_prints_a_row_each(results, capsys, tmp_path):
    _main(["export", str(results.folder), "--format", "keras", "--calls", "0", "--out", str(tmp_path / "new" / "best")])
    printed = capsys.readouterr().out
    assert re.search(r"keras +[\d,]+ +0 +1\.0000 ", printed)
    assert printed.splitlines()[-1] == str(tmp_path / "new" / "best")


@pytest.fixture
def other_format(results):
    """Register formats for a test."""
    before = dict(FORMATS)
    yield lambda name, write, opened_by: registry.register_format(name, name, "", opened_by=opened_by)(write)
    FORMATS.clear()
    FORMATS.update(before)


def test_what_fails_or_differs_is_left_out_with_the_reason(results, other_format, tmp_path, capsys):
    def write(model, path, calibration):
        path.write_text("")

    def refuse(model, path, calibration):
        path.mkdir()
        raise NotImplementedError("no such\noperation")

    def opened(factor):
        return lambda path, threads: lambda x: factor * compiled(results.best.model)(x)

    other_format("equal", write, opened(1))
    other_format("double", write, opened(2))
    other_format("none", write, opened(np.nan))
    other_format("refused", refuse, opened(1))
    out = tmp_path / "best"
    words = ["--format", "equal", "double", "none", "refused", "--calls", "0", "--out", str(out)]
    with pytest.raises(SystemExit) as end:
        _main(["export", str(results.folder), *words])
    assert end.value.code == 1
    assert {path.name for path in out.iterdir()} == {"equal", "README.md", "exports.csv", "model.json"}
    rows = {row["format"]: row for row in table(out)}
    assert "its outputs differ from the network's by" in rows["double"]["reason"]
    assert "are not all finite numbers" in rows["none"]["reason"]
    assert rows["refused"]["reason"] == "NotImplementedError: no such operation"
    assert capsys.readouterr().err.count("was not exported") == 3


def test_latency_is_measured_in_a_process_of_its_own(exports):
    name = next((name for name in ("tflite", "onnx") if name in INSTALLED), "keras")
    ((median, high),) = latencies(exports.folder, [name], (8, 8, 1), 1, 5).values()
    assert 0 < median <= high


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"formats": ["onx"]}, "format='onx' is not a known format; did you mean 'onnx'?"),
        ({"formats": []}, "an export needs a format"),
        ({"out": "full"}, "the output folder must be new, or that of an earlier export, but"),
    ],
    ids=str,
)
def test_an_export_that_cannot_be_is_refused_and_nothing_is_written(given, message, results, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("")
    with pytest.raises(UserError, match=re.escape(message)):
        results.export(**{"calls": 0, "formats": ["keras"], **given, "out": tmp_path / given.get("out", "new")})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["full", "mine.txt"]


def test_a_format_whose_package_is_missing_names_the_extra(results, monkeypatch, tmp_path):
    monkeypatch.setattr(registry, "find_spec", lambda module: None if module == "tf2onnx" else find_spec(module))
    with pytest.raises(UserError, match=re.escape("'onnx' needs the package tf2onnx") + r".*resnet-ablation\[export\]"):
        results.export(["onnx"], out=tmp_path / "best")
    assert not (tmp_path / "best").exists()


def test_a_search_without_a_confirmed_network_has_no_exports(results, tmp_path):
    root = shutil.copytree(results.folder, tmp_path / "search")
    (root / "best.keras").unlink()
    with pytest.raises(UserError, match=r"an export needs a confirmed network.*--confirm 1 or more"):
        search.SearchResults(root).export(["keras"])
    assert not (root / "best").exists()


def test_exports_of_an_earlier_network_are_named(exports, tmp_path, capsys):
    shutil.copytree(exports.folder, tmp_path / "best")
    _warn_if_outdated(tmp_path, json.loads((exports.folder / "model.json").read_text())["run"])
    assert capsys.readouterr().err == ""
    _warn_if_outdated(tmp_path, "another")
    assert "best are of an earlier network; repeat resnet-search export" in capsys.readouterr().err
