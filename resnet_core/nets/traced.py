"""The cost of any Keras layer, counted on the operations that TensorFlow traces."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

BATCH = 11
"""Batch size of the trace. An axis of this length is the batch axis."""
ALIASES = {"Reshape": 0, "Identity": 0, "IdentityN": 0, "StopGradient": 0, "Split": 1, "ExpandDims": 0, "Squeeze": 0}
"""Operations whose output shares the memory of an input, with the number of that input."""
CALLS = ("PartitionedCall", "StatefulPartitionedCall")
OPAQUE = re.compile(
    r"While|^(Stateless)?(If|Case)$|^(Remote)?For$|PyFunc|MapDefun|Call|Xla|Risc|RNN|LSTM|GRU|Conv(?!ert)|FFT|Einsum|"
    r"Mat(rix)?Mul|Dot|Cholesky|Solve|Svd|Eig|^Lu$|^(Batch)?Qr$|"
    r"Matrix(Determinant|Exponential|Inverse|Logarithm|SquareRoot)"
)
"""Names of operations whose multiply-accumulates do not follow from their shapes."""


class Uncounted(Exception):
    """The layer has an operation that cannot be counted. The message is its name."""


@dataclass(frozen=True)
class Traced:
    """The cost of a layer.

    Attributes:
        output_shape: Shape of the output, without the batch axis.
        trainable, others: Numbers of trainable and of other parameters.
        macs: Multiply-accumulates per image, forward, or the name of the operation that cannot be counted.
        kept_bytes: Bytes per image of inner tensors that the backward pass reads, or why they are unknown.
        reads_input, reads_output: Whether the backward pass reads the layer's input and output.
    """

    output_shape: tuple[int, ...]
    trainable: int
    others: int
    macs: int | Uncounted = 0
    kept_bytes: int | Uncounted = 0
    reads_input: bool = True
    reads_output: bool = True


def traced(make: Callable[..., Any], name: str, shape: tuple[int, ...]) -> Traced:
    """Return the cost of the layer `make(name)` on values of this shape, without the batch axis.

    Raises:
        UserError: The layer is not supported in runs.
    """
    import keras

    from resnet_core.nets.fused import subsample_first
    from resnet_core.nets.users_layer import apply_layer

    layer, outputs = apply_layer(make, name, keras.Input(shape))
    subsample_first(layer)
    return counted(layer, outputs.shape[1:], shape)


def counted(layer: Any, output_shape: Iterable[int], shape: tuple[int, ...]) -> Traced:
    """Return the cost of a built layer or model.

    Args:
        layer: The layer.
        output_shape: Shape of its output, without the batch axis.
        shape: Shape of its input, without the batch axis.
    """
    import keras

    counts = {
        "output_shape": tuple(output_shape),
        "trainable": sum(prod(weight.shape) for weight in layer.trainable_weights),
        "others": sum(prod(weight.shape) for weight in layer.non_trainable_weights),
    }
    if keras.backend.backend() != "tensorflow":
        unknown = Uncounted(f"all of them, with Keras on {keras.backend.backend()}")
        return Traced(**counts, macs=unknown, kept_bytes=unknown)
    return Traced(**counts, macs=_macs(layer, shape), **_kept(layer, shape))


def _macs(layer: Any, shape: tuple[int, ...]) -> int | Uncounted:
    try:
        return sum(count for _, count in macs_by_name(layer, shape))
    except Uncounted as error:
        return error


def macs_by_name(layer: Any, shape: tuple[int, ...]) -> Iterator[tuple[str, int]]:
    """Yield the path of names and the multiply-accumulates per image of each operation of a layer.

    Raises:
        Uncounted: An operation cannot be counted.
    """
    import tensorflow as tf

    def forward(x: Any) -> Any:
        return layer(x, training=False) if _takes_training(layer) else layer(x)

    yield from _counted(tf.function(forward, autograph=False).get_concrete_function(tf.TensorSpec((1, *shape))).graph)


def _takes_training(layer: Any) -> bool:
    return bool(getattr(layer, "_call_has_training_arg", False))


def _counted(graph: Any, within: str = "") -> Iterator[tuple[str, int]]:
    """Yield the names and the multiply-accumulates of the operations of a graph, and of the functions that it calls."""
    for op in graph.get_operations():
        if op.type in CALLS:
            called = getattr(graph._get_function(op.get_attr("f").name), "graph", None)
            if called is None:
                raise Uncounted(op.type)
            yield from _counted(called, f"{within}{op.name}/")
        else:
            yield f"{within}{op.name}", _operation_macs(op)


def _operation_macs(op: Any) -> int:
    """Return the multiply-accumulates of one operation: of convolutions and matrix products."""
    match op.type:
        case "Conv2D" | "Conv3D" | "DepthwiseConv2dNative":
            kernel = _shape(op.inputs[1])
            channels = prod(kernel[-2:]) if op.type.startswith("Depthwise") else kernel[-1]
            return prod(kernel) * prod(_shape(op.outputs[0])) // channels
        case "Conv2DBackpropInput" | "Conv3DBackpropInputV2":  # a transposed convolution: each pixel meets the kernel
            kernel = _shape(op.inputs[1])
            return prod(kernel) * prod(_shape(op.inputs[2])) // kernel[-1]
        case "MatMul":
            rows = _shape(op.inputs[0])
            return int(prod(_shape(op.outputs[0])) * rows[0 if op.get_attr("transpose_a") else 1])
        case "BatchMatMul" | "BatchMatMulV2" | "BatchMatMulV3":
            rows = _shape(op.inputs[0])
            return int(prod(_shape(op.outputs[0])) * rows[-2 if op.get_attr("adj_x") else -1])
        case "Einsum":
            terms = op.get_attr("equation").decode().split("->")[0].split(",")
            return _einsum_macs(terms, [_shape(tensor) for tensor in op.inputs])
        case kind if OPAQUE.search(kind):
            raise Uncounted(kind)
    return 0


def _einsum_macs(terms: Iterable[str], shapes: list[list[int]]) -> int:
    """Return the product of the sizes of all labels. Axes of an ellipsis are aligned at its end, and broadcast."""
    sizes: dict[str | int, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        before, dots, after = term.partition("...")
        unnamed = range(len(before) + len(after) - len(shape), 0) if dots else ()
        for label, size in zip((*before, *unnamed, *after), shape, strict=True):
            sizes[label] = max(sizes.get(label, 1), size)
    return prod(sizes.values()) if len(shapes) > 1 else 0


def _shape(tensor: Any) -> list[int]:
    if not tensor.shape.is_fully_defined():
        raise Uncounted(f"{tensor.op.type} of an unknown shape")
    return [int(size) for size in tensor.shape]


def _kept(layer: Any, shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the bytes of inner tensors that the backward pass reads, and whether it reads the layer's input and
    output.
    """
    import tensorflow as tf

    ends: dict[str, Any] = {}

    def step(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True) if _takes_training(layer) else layer(x)
        ends.update(x=x, y=y)
        weights = [weight.value for weight in layer.trainable_weights]
        return tape.gradient(y, [x, *weights], tf.ones_like(y), unconnected_gradients="zero")

    graph = tf.function(step, autograph=False).get_concrete_function(tf.TensorSpec((BATCH, *shape))).graph
    forward = _ancestors([ends["y"]])
    kept: dict[str, int] = {}
    for op in _ancestors(graph.outputs) - forward:
        for tensor in op.inputs:
            root = _root(tensor)
            if root.op not in forward:
                continue
            if root.dtype in (tf.variant, tf.string):
                return {"kept_bytes": Uncounted(root.op.type)}
            if root.shape.rank not in (0, None) and root.shape[0] == BATCH and op.type not in ("Shape", "OnesLike"):
                kept[root.name] = prod(_shape(root)[1:]) * root.dtype.size
    reads = {name: kept.pop(_root(ends[end]).name, None) is not None for name, end in _ENDS.items()}
    return {"kept_bytes": sum(kept.values()), **reads}


_ENDS = {"reads_input": "x", "reads_output": "y"}


def _root(tensor: Any) -> Any:
    while tensor.op.type in ALIASES and tensor.op.inputs:
        tensor = tensor.op.inputs[ALIASES[tensor.op.type]]
    return tensor


def _ancestors(tensors: Iterable[Any]) -> set[Any]:
    """Return the operations on which these tensors depend."""
    ancestors, left = set(), [tensor.op for tensor in tensors]
    while left:
        op = left.pop()
        if op not in ancestors:
            ancestors.add(op)
            left += [tensor.op for tensor in op.inputs]
    return ancestors
