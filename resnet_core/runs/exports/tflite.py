"""Exports that LiteRT (TensorFlow Lite) runs: in float32, and with weights and activations of 8 bits."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from resnet_core.runs.exports.frozen import frozen
from resnet_core.runs.exports.registry import Array, Predict, register_format
from resnet_core.runs.runtime import without_notices

if TYPE_CHECKING:
    import keras

NEEDS = ("ai_edge_litert",)


def open_tflite(path: Path, threads: int) -> Predict:
    """Open a `.tflite` file in the interpreter of LiteRT, with its XNNPACK kernels."""
    from ai_edge_litert.interpreter import Interpreter

    with without_notices():
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
    images_at, outputs_at = (
        details[0]["index"] for details in (interpreter.get_input_details(), interpreter.get_output_details())
    )

    def output(image: Array) -> Array:
        interpreter.set_tensor(images_at, image[None])
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(outputs_at))

    return lambda images: np.concatenate([output(image) for image in images])


@register_format(
    "tflite", "model.tflite", "LiteRT (TensorFlow Lite), float32, one image a call", opened_by=open_tflite, needs=NEEDS
)
def write_tflite(model: "keras.Model", path: Path, calibration: Array) -> None:
    """Write a `.tflite` file in float32."""
    path.write_bytes(converted(model))


@register_format(
    "tflite-int8", "model_int8.tflite", "LiteRT, weights and activations of 8 bits, input and output float32",
    opened_by=open_tflite, needs=NEEDS, exact=False,
)  # fmt: skip
def write_int8(model: "keras.Model", path: Path, calibration: Array) -> None:
    """Write a `.tflite` file in which weights and activations have 8 bits, with ranges measured on training images.

    Operations without a kernel of 8 bits, the input and the output stay in float32.
    """
    path.write_bytes(converted(model, calibration))


def converted(model: "keras.Model", calibration: Array | None = None) -> bytes:
    """Return the content of the `.tflite` file of a network. With images for calibration, it has 8 bits."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen(model, 1)], tf.Module())
    if calibration is not None:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    with without_notices(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content: bytes = converter.convert()
    return content
