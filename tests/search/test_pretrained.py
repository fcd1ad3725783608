"""Searches that start from published weights."""

import json
import re
from contextlib import redirect_stdout
from io import StringIO

import keras
import numpy as np
import pytest

import search
from analysis.study import read
from resnet_core import network
from resnet_core.errors import UserError
from resnet_core.runs.data import open_source
from resnet_core.runs.records.store import Store
from search.cli import _main
from search.confirm import FOLDER
from search.pretrained import preprocessing_of, pretrained
from search.proposals import Proposals
from tests.published import write_images, write_weights

NAME = "resnet8-cifar-A"
TINY = {
    "from_": NAME, "trials": 2, "epochs": 1, "batch_size": 8, "oracle": "random", "progress": False, "confirm": 0,
    "fix": ["optimizer=sgd", "sgd_rate=0.05", "balance=none"], "bn_momentum": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "model.safetensors", network(NAME), NAME)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("images") / "three.npz")


@pytest.fixture(scope="module")
def results(weights, images, tmp_path_factory):
    """A search of two trainings, of which one was confirmed. Its folder is not to be changed."""
    out = tmp_path_factory.mktemp("out")
    return search.run(**{**TINY, "confirm": 1}, confirm_seeds=1, weights=weights, data=images, out=out)


def trials(folder):
    store = Store(folder)
    by_id = {record.run.id: record for record in store.records()}
    return [(run.id, by_id[run.id].results, by_id[run.id].epochs) for run in store.plan().runs]


def test_trials_are_trainings_of_one_network_from_its_weights(results, weights):
    runs = [record.run for record in Store(results.folder).records()]
    assert {run.net for run in runs} == {network(NAME).replace(input_shape=(8, 8, 3), classes=3, bn_momentum=0.7)}
    assert {run.train.initial_weights for run in runs} == {str(weights)}
    assert len({run.train.initial_weights_sha256 for run in runs}) == 1
    assert {run.factors["frozen_stages"] for run in runs} == {run.train.frozen_stages for run in runs}
    assert len({run.id for run in runs}) == 2
    assert read(results.folder).plan.question.startswith(
        "Which training of 'resnet8-cifar-A' from published weights has"
    )


def test_the_twin_has_drawn_weights_and_nothing_frozen(results, weights):
    runs = {record.run.factors["net"]: record.run for record in Store(results.folder / FOLDER).records()}
    assert runs["found"].net == runs["twin"].net
    assert runs["twin"].train == runs["found"].train.replace(initial_weights="")
    assert (runs["twin"].train.frozen_stages, runs["found"].train.initial_weights) == (0, str(weights))
    (claim,) = read(results.folder / FOLDER).claims
    assert claim.text.endswith(
        "from published weights, has a lower test error than the same network from drawn weights"
    )


def test_the_best_network_loads_in_keras_and_is_the_record_s(results, images):
    model = keras.saving.load_model(results.folder / "best.keras")
    data = open_source(str(images)).images
    best = json.loads((results.folder / "best.json").read_text())
    record = next(each for each in Store(results.folder / FOLDER).records() if each.run.id == best["run"])
    predicted = np.asarray(model(data.x_test.astype("float32"))).argmax(1)
    assert (predicted == data.y_test).mean() == pytest.approx(record.results["test_accuracy"])
    with redirect_stdout(StringIO()):
        exports = results.export(["keras"], calls=0, out=results.folder.parent / "exports")
    assert exports.failed == []
    card = (exports.folder / "README.md").read_text()
    assert "trained alike from drawn weights" in card
    assert f"- Initial weights: model.safetensors, SHA-256 `{record.run.train.initial_weights_sha256}`; frozen" in card


def test_a_search_that_is_killed_ends_as_one_that_was_not(results, weights, images, tmp_path, monkeypatch):
    calls, whole = [], Proposals.ended

    def cut_off(self, record):
        calls.append(record)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self, record)

    asked = {**TINY, "weights": weights, "data": images, "out": tmp_path}
    with monkeypatch.context() as patched:
        patched.setattr(Proposals, "ended", cut_off)
        with pytest.raises(KeyboardInterrupt):
            search.run(**asked)
    assert trials(search.run(**asked).folder) == trials(results.folder)


def test_a_file_that_is_gone_or_has_changed_ends_a_search_at_its_start(weights, images, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(weights.read_bytes())
    asked = {**TINY, "weights": path, "data": images, "out": tmp_path, "trials": 1}
    before = trials(search.run(**asked).folder)
    write_weights(path, network(NAME), NAME, seed=8)
    with pytest.raises(UserError, match=r"train\.initial_weights_sha256="):
        search.run(**{**asked, "trials": 2})
    path.unlink()
    with pytest.raises(UserError, match="initial weights must be in a file, but .* cannot be read: No such file"):
        search.run(**{**asked, "trials": 2})
    assert trials(tmp_path / "search") == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"from_": "resnet8-cifar-Z"}, "`name` must be that of a published network, but got 'resnet8-cifar-Z'"),
        ({"weights": None}, "`from_='resnet8-cifar-A'` needs the file of its weights; give `weights`"),
        ({"from_": None}, "`weights` needs the name of their network; give `from_`"),
        ({"space": "tiny"}, "is a space of its own, but `space` is given too"),
        ({"fix": ["depths=2,2,2"]}, "`depths` follows from the published network 'resnet8-cifar-A'; leave it out"),
        ({"fix": ["frozen_stages=9"]}, "`frozen_stages` must be of its range, 0 to 3, but got '9'"),
        ({"skip": "none"}, "a field of a published network follows from its name, but `skip` is set"),
        (
            {"frozen_stages": 2},
            "`frozen_stages` is decided by 'resnet8-cifar-A from weights'; take `fix` frozen_stages=2",
        ),
        ({"initial_weights": "x.npz"}, "`initial_weights` is set by `weights` and by"),
        ({"weights": "none.npz"}, "initial weights must be in a file, but none.npz cannot be read"),
        ({"from_": "resnetblur18"}, "antialias='blur' reflects the borders and needs maps of 2x2 pixels or more"),
        ({"from_": "resnet14-cifar-A"}, "`name` must be that of the weights, but got 'resnet14-cifar-A'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_mistake_is_a_user_error_and_nothing_is_written(given, message, weights, images, tmp_path):
    asked = {**TINY, "weights": weights, "data": images, **given}
    with pytest.raises(
        UserError, match=re.escape(message.replace("`from_='resnet8-cifar-A'`", "from_='resnet8-cifar-A'"))
    ):
        search.run(**asked, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_grey_images_do_not_fit_a_network_for_colours(weights, tmp_path):
    images = write_images(tmp_path / "grey.npz", channels=1)
    with pytest.raises(UserError, match="channels of the published network, 3 for 'resnet8-cifar-A', but they have 1"):
        search.run(**{**TINY, "weights": weights, "data": images, "out": tmp_path / "out"})
    assert not (tmp_path / "out").exists()


def test_the_command_names_its_options(images, tmp_path):
    with pytest.raises(UserError, match="--from resnet18 needs the file of its weights; give --weights"):
        _main(["run", "--from", "resnet18", "--data", str(images), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("resnet50", "torch"), ("resnetv2-50", "tf"), ("keras-resnet50", "caffe"), ("keras-resnet50v2", "tf"),
        ("resnet20-cifar-A", "channel"),
    ],
)  # fmt: skip
def test_images_are_preprocessed_as_for_the_weights(name, kind):
    assert preprocessing_of(name) == kind


def test_every_number_of_stages_may_be_frozen():
    space = pretrained("resnet50").hyperparameters
    (frozen,) = (each for each in space.space if each.name == "frozen_stages")
    assert list(frozen.values) == [0, 1, 2, 3, 4]
