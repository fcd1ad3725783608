"""What every data source promises."""

from dataclasses import replace

import numpy as np
import pytest

from resnet_core.runs.data import open_source, prepare
from resnet_core.runs.data.arrays import Images
from resnet_core.runs.data.named import NAMED, described, register_source
from resnet_core.runs.data.stored import chunks
from resnet_core.runs.execution import job
from resnet_core.runs.spec import TrainSpec
from tests.resnet_core.runs.data.test_data import arrays, write_folder

ALWAYS = job.resident("always")
DATA = arrays(60, shape=(8, 8, 3))


def npz(tmp_path):
    np.savez(tmp_path / "data.npz", **DATA)
    return str(tmp_path / "data.npz")


def folder(tmp_path):
    return str(write_folder(tmp_path / "images", DATA))


def unsplit(tmp_path):
    """A folder without a test part, from which one is taken."""
    return str(write_folder(tmp_path / "images", DATA) / "train")


def registered(tmp_path):
    names = ("ant", "bee", "cat")
    register_source("mine", described((8, 8, 3), names, ((20, 10),) * 3))(
        lambda: Images(**{**DATA, "y_train": DATA["y_train"].astype("int64"), "y_test": DATA["y_test"].astype("int64")},
                       class_names=names)
    )  # fmt: skip
    return "mine"


SOURCES = {
    "name": (lambda tmp_path: "digits", {}),
    "name, resized": (lambda tmp_path: "digits", {"image_size": 4}),
    "user's": (registered, {}),
    "npz": (npz, {}),
    "npz, resized": (npz, {"image_size": 4}),
    "npz, streamed": (npz, {"resident": ALWAYS}),
    "folder": (folder, {}),
    "folder, resized and streamed": (folder, {"image_size": 4, "resident": ALWAYS}),
    "folder without a test part": (unsplit, {}),
}


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = dict(NAMED)
    yield
    NAMED.clear()
    NAMED.update(known)


@pytest.fixture(params=SOURCES.values(), ids=SOURCES)
def opened(request, tmp_path):
    """Return a source, opened anew at each call."""
    make, options = request.param
    data = make(tmp_path)
    return lambda: open_source(data, **options)


class TestContract:
    def test_what_is_known_before_an_image_is_read_is_what_was_read(self, opened):
        source = opened()
        known = source.info
        assert replace(source.images.info, notes=known.notes) == replace(known, values=source.images.info.values)
        assert source.info == source.images.info

    def test_images_are_rows_of_one_shape_and_labels_are_classes(self, opened):
        images = opened().images
        for rows, labels, count in (
            (images.x_train, images.y_train, images.info.train_images),
            (images.x_test, images.y_test, images.info.test_images),
        ):
            assert rows.shape == (count, *images.info.input_shape)
            assert rows.dtype in ("uint8", "float32")
            assert all(np.isfinite(part).all() for part in chunks(rows))
            assert (labels.shape, labels.dtype) == ((count,), "int64")
            assert set(labels) == set(range(len(images.class_names)))
        counts = [np.bincount(labels).tolist() for labels in (images.y_train, images.y_test)]
        assert images.info.class_counts == tuple(zip(*counts, strict=True))

    def test_the_hash_is_known_once_the_images_are_and_is_of_the_content_alone(self, opened):
        first, second = opened(), opened()
        assert first.sha256() == ""
        assert first.images.sha256() == second.images.sha256() == first.sha256() != ""

    def test_a_run_has_the_parts_that_its_description_says(self, opened):
        source = opened()
        train = TrainSpec(steps=1, train_size=24, validation_fraction=0.25)
        dataset, split = prepare(source.images, train), source.info.split(train)
        assert (len(dataset.x_train), len(dataset.x_val), len(dataset.x_test)) == (18, 6, source.info.test_images)
        assert (split.train_images, split.validation_images, split.test_images) == (18, 6, source.info.test_images)
        assert np.asarray(dataset.shift).ndim <= 3


def test_the_same_content_has_the_same_hash_wherever_it_is(tmp_path):
    hashes = {open_source(data, resident=at).images.sha256() for data in (npz(tmp_path), folder(tmp_path))
              for at in (job.resident("never"), ALWAYS)}  # fmt: skip
    assert len(hashes) == 2, "a folder is sorted by class, an .npz is not"
