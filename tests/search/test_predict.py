"""Predictions of an exported network: pictures are read as those of its training were."""

import os

import keras
import numpy as np
import pytest
from PIL import Image

from resnet_core.errors import UserError
from resnet_core.runs.description import DataInfo
from resnet_core.runs.exports.about import about, add_about
from search.cli import _main
from search.predict import predictions

NAMES = ("1", "10", "2")


def model(root, shape, values, background="white", names=NAMES, softmax=False):
    """A network whose logits are the mean of an image, 0 and minus that mean, in the file of a search."""
    root.mkdir()
    images = keras.Input(shape)
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 100)(images))
    weights = np.array([[1.0, 0.0, -1.0]] * shape[2]) / shape[2]
    dense = keras.layers.Dense(3, use_bias=False)
    last = keras.layers.Softmax(name="probabilities") if softmax else keras.layers.Identity()
    network = keras.Model(images, last(dense(mean)))
    dense.set_weights([weights])
    network.save(root / "best.keras")
    add_about(root / "best.keras", DataInfo(shape, 3, 9, values=values, class_names=names), background)
    return root


def expected(mean):
    raised = np.exp(np.array([mean, 0.0, -mean]) / 100)
    return dict(zip(NAMES, raised / raised.sum(), strict=True))


@pytest.mark.parametrize(
    ("background", "form", "mean"),
    [("white", "L", 40), ("white", "RGBA", 255), ("black", "RGBA", 0), ("white", "I;16", 40), ("white", "sizes", 40)],
)
def test_a_picture_is_read_as_in_training(background, form, mean, tmp_path):
    root = model(tmp_path / "search", (4, 4, 3), "uint8", background)
    image = {
        "L": Image.new("L", (4, 4), 40),
        "RGBA": Image.new("RGBA", (4, 4), (9, 9, 9, 0)),
        "I;16": Image.fromarray(np.full((4, 4), 40 * 257, np.uint16)),
        "sizes": Image.new("RGB", (40, 9), (40, 40, 40)),
    }[form]
    image.save(tmp_path / "a.png")
    ((file, shares),) = predictions(root, [tmp_path / "a.png"])
    assert file == tmp_path / "a.png"
    assert dict(shares) == pytest.approx(expected(mean), abs=1e-6)
    assert [share for _, share in shares] == sorted((share for _, share in shares), reverse=True)


def test_probabilities_of_an_export_are_taken_as_they_are(tmp_path):
    root = model(tmp_path / "search", (4, 4, 1), "uint8", softmax=True)
    Image.new("L", (4, 4), 40).save(tmp_path / "a.png")
    ((_, shares),) = predictions(root / "best.keras", [tmp_path / "a.png"])
    assert dict(shares) == pytest.approx(expected(40), abs=1e-6)


def test_a_network_of_sixteen_bits_is_given_them(tmp_path):
    root = model(tmp_path / "search", (4, 4, 1), "uint16")
    Image.new("RGB", (4, 4), (1, 1, 1)).save(tmp_path / "a.png")
    Image.fromarray(np.full((4, 4), 257, np.uint16)).save(tmp_path / "b.png")
    for _, shares in predictions(root, [tmp_path / "a.png", tmp_path / "b.png"]):
        assert dict(shares) == pytest.approx(expected(257), abs=1e-6)


def test_the_model_loads_with_keras_alone_and_names_its_classes(tmp_path):
    root = model(tmp_path / "search", (4, 4, 1), "uint8")
    assert keras.models.load_model(root / "best.keras").output_shape == (None, 3)
    assert about(root / "best.keras")[0].class_names == NAMES


def test_the_program_prints_a_line_a_picture(tmp_path, capsys):
    root = model(tmp_path / "search", (4, 4, 3), "uint8", names=("1", "esc\x1b", "2"))
    for name, level in (("a.png", 0), ("b.png", 200)):
        Image.new("L", (4, 4), level).save(tmp_path / name)
    _main(["predict", str(root), str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "a.png: 1 0.333, esc\\x1b 0.333, 2 0.333", "b.png: 1 0.867, esc\\x1b 0.117, 2 0.016",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file"),
        (b"hello", "cannot be identified"),
        ("folder", "cannot be read: Is a dir"),
        ("pipe", "is a pipe or a device"),
    ],
)
def test_what_cannot_be_read_is_named(content, message, tmp_path):
    root = model(tmp_path / "search", (4, 4, 3), "uint8")
    path = tmp_path / "a.png"
    if content == "folder":
        path.mkdir()
    elif content == "pipe":
        os.mkfifo(path)
    elif content:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.png {message}"):
        list(predictions(root, [path]))


@pytest.mark.parametrize("kind", ["nothing", "keras alone", "text"])
def test_a_folder_without_an_exported_network_is_refused(kind, tmp_path):
    if kind == "keras alone":
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "best.keras")
    elif kind == "text":
        (tmp_path / "best.keras").write_text("hello")
    with pytest.raises(UserError, match="a prediction needs a network that a search has exported.*--confirm"):
        list(predictions(tmp_path, [tmp_path / "a.png"]))
