"""Formats of exports, on networks of a layer or two."""

import keras
import numpy as np
import pytest

from resnet_core.runs.exports import FORMATS
from resnet_core.runs.exports.card import words
from resnet_core.runs.exports.checking import checked
from resnet_core.runs.exports.keras_files import compiled

IMAGES = np.random.default_rng(0).uniform(0, 255, (8, 4, 4, 2)).astype("float32")


@pytest.mark.parametrize("name", [name for name, each in FORMATS.items() if each.exact and not each.missing])
def test_weights_statistics_and_an_operation_that_onnx_lacks_are_exported(name, tmp_path):
    """The GELU needs erfc; moving statistics are variables that are not trained."""
    images = keras.Input((4, 4, 2), name="images")
    norm = keras.layers.BatchNormalization()
    x = keras.layers.Conv2D(3, 3, activation="gelu", kernel_initializer=keras.initializers.GlorotUniform(0))(images)
    model = keras.Model(images, keras.layers.Identity(name="logits")(keras.layers.Flatten()(norm(x))))
    norm.set_weights([np.array(row, "float32") for row in ([1, 2, 3], [0, 1, 2], [4, 5, 6], [1, 2, 4])])
    path = tmp_path / FORMATS[name].file
    FORMATS[name].write(model, path, IMAGES)
    expected = compiled(model)(IMAGES)
    row = checked(FORMATS[name], path, expected, IMAGES, expected.argmax(1), 1)
    assert (row.reason, row.equal_predictions, row.accuracy) == ("", 1, 1)
    assert row.max_difference < 1e-5 * np.abs(expected).max()


def test_names_of_classes_are_no_marks_of_a_model_card():
    assert words("a|b *c*\n[d](e)") == r"a\|b \*c\* \[d\](e)"
