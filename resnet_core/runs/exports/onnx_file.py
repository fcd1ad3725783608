"""Export to ONNX, which ONNX Runtime runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_core.runs.exports.frozen import IMAGES, frozen
from resnet_core.runs.exports.registry import Array, Predict, register_format

if TYPE_CHECKING:
    import keras

OPSET = 18


def open_onnx(path: Path, threads: int) -> Predict:
    """Open an ONNX file in ONNX Runtime, on the processor."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(None, {IMAGES: images})[0])


@register_format(
    "onnx", "model.onnx", f"ONNX (opset {OPSET}): onnxruntime and others", opened_by=open_onnx,
    needs=("tf2onnx", "onnx", "onnxruntime"),
)  # fmt: skip
def write_onnx(model: "keras.Model", path: Path, calibration: Array) -> None:
    """Write an ONNX file with open batch size. Images are (batch, height, width, channels)."""
    from tf2onnx.convert import from_graph_def

    function = frozen(model, None)
    output = function.outputs[0].name
    with _errors_alone():
        content, _ = from_graph_def(
            function.graph.as_graph_def(), input_names=[f"{IMAGES}:0"], output_names=[output], opset=OPSET,
            custom_op_handlers={"Erfc": (_erfc, [])},
        )  # fmt: skip
    _rename(content.graph, {f"{IMAGES}:0": IMAGES, output: model.output_names[0]})
    path.write_bytes(content.SerializeToString())


def _erfc(graph: Any, node: Any, name: str, options: Any) -> None:
    """Convert erfc(x), which ONNX does not have, to 1 - erf(x)."""
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", [node.input[0]])
    whole = graph.make_const(f"{node.name}_one", np.float32(1.0))
    graph.make_node("Sub", [whole.output[0], erf.output[0]], outputs=list(node.output), name=node.name)


def _rename(graph: Any, names: dict[str, str]) -> None:
    """Rename values of a graph for users, and name its open axis `batch`."""
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


@contextmanager
def _errors_alone() -> Iterator[None]:
    """Context manager that silences tf2onnx. If it cannot convert a network, opening the file fails."""
    logger = logging.getLogger("tf2onnx")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
