"""Predictions of the exported network of a search for picture files, read like the training images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from resnet_core.errors import UserError
from resnet_core.runs.data import opening, pictures
from resnet_core.runs.data.pictures import Form
from resnet_core.runs.data.stored import CHUNK_VALUES, Array
from resnet_core.runs.description import printable
from resnet_core.runs.exports.about import about
from resnet_core.runs.reading import rgb_of
from resnet_core.runs.runtime import configure

MODEL = "best.keras"


def predictions(search: Path, files: Sequence[Path]) -> Iterator[tuple[Path, list[tuple[str, float]]]]:
    """Yield each file with the classes and their probabilities, sorted by probability.

    Args:
        search: The folder of a search, its `best.keras`, or the `model.keras` of its exports.
        files: Files of pictures.

    Raises:
        UserError: There is no network, it was not trained on pictures, or a file cannot be read.
    """
    model = search / MODEL if search.is_dir() else search
    info, background = about(model)
    rows, columns, channels = info.input_shape
    if info.values not in opening.VALUES or channels not in (1, 3):
        raise UserError(
            f"pictures must be like the images that the network was trained on, but these had {channels} channels and "
            f"values {info.values}; call it in Python, as keras.models.load_model('{printable(str(model))}')"
        )
    form = Form((columns, rows), channels, info.values, rgb_of(background))
    pictures.ignore_warnings()
    for file in files:
        pictures.header(file)
    configure(threads=1)
    from resnet_core.nets.keras_net import load

    network: Any = load(model)
    has_softmax = network.output_names == ["probabilities"]  # the name in exports
    at_once = max(1, CHUNK_VALUES // (rows * columns * channels))
    for start in range(0, len(files), at_once):
        some = files[start : start + at_once]
        images = np.stack([pictures.pixels(file, form) for file in some]).astype(np.float32)
        outputs = network.predict(images, verbose=0)
        for file, shares in zip(some, outputs if has_softmax else _softmax(outputs), strict=True):
            order = np.argsort(-shares, kind="stable")
            yield file, [(info.class_names[i], float(shares[i])) for i in order]


def _softmax(logits: Array) -> Array:
    raised: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))
