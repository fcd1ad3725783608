"""Exports that TensorFlow runs: the `.keras` file, and a SavedModel."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.runs.exports.registry import Array, Predict, register_format

if TYPE_CHECKING:
    import keras


def open_keras(path: Path, threads: int) -> Predict:
    """Open a `.keras` file. The number of threads is that of the process."""
    from resnet_core.nets.keras_net import load

    return compiled(load(path))


def compiled(model: "keras.Model") -> Predict:
    """Return a network's inference as one compiled function."""
    import tensorflow as tf

    signature = [tf.TensorSpec(model.input_shape, tf.float32)]
    function: Any = tf.function(lambda images: model(images, training=False), input_signature=signature)
    return lambda images: function(images).numpy()


def open_saved_model(path: Path, threads: int) -> Predict:
    """Open a SavedModel. The number of threads is that of the process."""
    import tensorflow as tf

    loaded: Any = tf.saved_model.load(str(path))
    return lambda images: loaded.serve(images).numpy()


@register_format("keras", "model.keras", "Keras 3: keras.models.load_model", opened_by=open_keras)
def write_keras(model: "keras.Model", path: Path, calibration: Array) -> None:
    """Write a `.keras` file."""
    model.save(path)


@register_format(
    "savedmodel", "saved_model", "TensorFlow: tf.saved_model.load(…).serve, TF Serving", opened_by=open_saved_model
)
def write_saved_model(model: "keras.Model", path: Path, calibration: Array) -> None:
    """Write a folder with a SavedModel, whose endpoint is `serve`."""
    model.export(path, format="tf_saved_model", verbose=False)
