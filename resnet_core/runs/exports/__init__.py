"""Exports: a trained network in the formats that programs load, each checked against the network itself.

One file a family of formats, registered by `register_format`. What a format needs is loaded when it is used.
"""

import resnet_core.runs.exports.keras_files
import resnet_core.runs.exports.onnx_file
import resnet_core.runs.exports.tflite  # noqa: F401 - they register themselves
from resnet_core.runs.exports.registry import FORMATS, Format, register_format

__all__ = ["FORMATS", "Format", "register_format"]
