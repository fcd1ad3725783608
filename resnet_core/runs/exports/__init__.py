"""Exports: a trained network in formats of other programs. Each file is compared with the network in Keras.

Each family of formats is one file, and each format is registered by `register_format`. The packages of a format are
loaded when it is used.
"""

import resnet_core.runs.exports.keras_files
import resnet_core.runs.exports.onnx_file
import resnet_core.runs.exports.tflite  # noqa: F401 - they register themselves
from resnet_core.runs.exports.registry import FORMATS, Format, register_format

__all__ = ["FORMATS", "Format", "register_format"]
