"""Data that Python hands over: arrays, and data sets of TensorFlow's."""

import re

import numpy as np
import pytest
import tensorflow as tf

from resnet_core.errors import UserError
from resnet_core.runs.data import open_source
from resnet_core.runs.data.given import path_of

RNG = np.random.default_rng(0)
X = RNG.integers(0, 255, (20, 8, 8, 3)).astype(np.uint8)
Y = np.tile([0, 1], 10)
TEST = X[:4], Y[:4]


@pytest.fixture(autouse=True)
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "resnet-ablation" / "arrays"


def images(data):
    return open_source(path_of(data)).images


@pytest.mark.parametrize(
    "data",
    [
        (X, Y, *TEST),
        ((X, Y), TEST),
        [X, Y, *TEST],
        {"x_train": X, "y_train": Y, "x_test": TEST[0], "y_test": TEST[1]},
        (X.tolist(), Y.tolist(), TEST[0].tolist(), TEST[1].tolist()),
    ],
    ids=["four", "as Keras", "list", "mapping", "lists"],
)
def test_arrays_in_every_form_are_the_same_data(data):
    read = images(data)
    np.testing.assert_array_equal(np.asarray(read.x_train, np.uint8), X)
    np.testing.assert_array_equal(read.y_test, TEST[1])


def test_the_file_is_named_by_its_content_and_written_once(cache_folder):
    first = path_of((X, Y, *TEST))
    assert path_of((X.copy(), Y.astype(np.int32), *TEST)) == first
    assert path_of((X + 1, Y, *TEST)) != first
    assert len(list(cache_folder.iterdir())) == 2
    with np.load(first, allow_pickle=False) as file:
        assert sorted(file.files) == ["class_names", "x_test", "x_train", "y_test", "y_train"]


def test_names_of_classes_are_kept():
    named = {"x_train": X, "y_train": Y, "x_test": TEST[0], "y_test": TEST[1], "class_names": ["cat", "dog"]}
    assert images(named).class_names == ("cat", "dog")
    words = np.array(["dog", "ant"])
    assert images((X, words[Y], TEST[0], words[TEST[1]])).class_names == ("ant", "dog")
    assert path_of(named) != path_of((X, Y, *TEST))


def test_a_stratified_fifth_is_the_test_set_where_there_is_none():
    read = images((X, Y))
    assert (len(read.x_train), len(read.x_test)) == (16, 4)
    assert np.bincount(read.y_test).tolist() == [2, 2]


def test_floats_and_grey_images_are_kept_as_float32_of_one_channel():
    read = images((X[..., 0] / 255.0, Y, X[:4, ..., 0] / 255.0, Y[:4]))
    assert read.x_train.dtype == np.float32
    assert read.info.input_shape == (8, 8, 1)


STREAM = tf.data.Dataset.from_tensor_slices((X, Y))


def broken():
    yield X[0], 0
    raise RuntimeError("no more")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (STREAM, STREAM.take(4)),
        (STREAM.batch(8), STREAM.take(4).batch(3)),
        (STREAM.filter(lambda x, y: True), STREAM.take(4)),
    ],
    ids=["images", "batches", "unknown length"],
)
def test_a_finite_dataset_of_tensorflow_is_its_arrays(train, test):
    assert path_of((train, test)) == path_of((X, Y, *TEST))


def test_a_single_dataset_of_tensorflow_is_split():
    assert path_of(STREAM.batch(7)) == path_of((X, Y))


@pytest.mark.parametrize("path", ["digits", "some/folder"])
def test_names_and_paths_stay_as_they_are(path, tmp_path):
    assert path_of(path) == path
    assert path_of(tmp_path) == str(tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (X, "data must be a name, a path, arrays (x_train, y_train, x_test, y_test)"),
        ((X, Y, X), "but got a tuple of 3"),
        (7, "but got a int"),
        ({"x_train": X}, "`y_train` is missing"),
        ({"x_train": X, "y": Y}, "`y` is unknown"),
        ((X, Y[:5], *TEST), "has 20 images and 5 classes"),
        ((X, Y[:5]), "have 20 images and 5 classes"),
        ((X, np.eye(2)[Y], *TEST), "of one-hot classes take their argmax"),
        ((X.reshape(20, -1), Y, X[:4].reshape(4, -1), Y[:4]), "`x_train` must have the shape"),
        ((np.moveaxis(X, -1, 1), Y, np.moveaxis(TEST[0], -1, 1), TEST[1]), "looks like channels first"),
        (([X[0], X[1, :4]], Y[:2], *TEST), "images must be of one shape"),
        ((X / np.nan, Y, *TEST), "must be of one type"),
        ((X / np.nan, Y, X[:4] / 1.0, Y[:4]), "must be finite"),
        (STREAM.repeat(), "must be finite and of (image, class), but it repeats without end"),
        (tf.data.Dataset.from_tensor_slices(X), "but its elements are TensorSpec"),
        (STREAM.take(0), "it has no images"),
        (tf.data.Dataset.from_generator(broken, output_types=(tf.uint8, tf.int64)), "raises RuntimeError: no more"),
        ((iter(X), Y), "must be arrays, but the data that were given have a"),
        ((np.ma.masked_greater(X, 100), Y, *TEST), "are masked; fill them"),
        (tf.data.Dataset.from_generator(lambda: iter([(X[0], 0), (X[0, :4], 1)]),
         output_signature=(tf.TensorSpec((None, 8, 3), tf.uint8), tf.TensorSpec((), tf.int64))), "of 2 shapes"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero|invalid value")
def test_what_is_no_data_is_a_user_error(data, message, cache_folder):
    with pytest.raises(UserError, match=re.escape(message)):
        path_of(data)
    assert not cache_folder.exists()
