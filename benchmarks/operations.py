"""The operations that `benchmarks.convolutions` tries: their shapes, what computes them, and what they should be."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Case = dict[str, Any]


def shapes(count: int, seed: int) -> Iterator[Case]:
    """Yield every kernel, stride and number of input channels in turn, the rest drawn from `seed`."""
    rng = random.Random(seed)
    kinds = [(kernel, strides, channels) for kernel in (1, 3, 5, 7) for strides in (1, 2) for channels in range(1, 21)]
    for i in range(count):
        kernel, strides, channels = kinds[i % len(kinds)]
        same = kernel > 1 and rng.random() < 0.5
        least = 1 if same else kernel
        yield {
            "kind": "convolution", "kernel": kernel, "strides": strides, "channels": channels,
            "filters": rng.randint(1, 20), "rows": rng.randint(least, 33), "columns": rng.randint(least, 33),
            "padding": "SAME" if same else "VALID", "batch": rng.randint(1, 3),
        }  # fmt: skip
    for i in range(count // 4):
        kernel, strides = rng.choice(((1, 2), (2, 2), (3, 2), (3, 1)))
        yield {
            "kind": ("average pooling", "max pooling", "batch normalisation")[i % 3], "kernel": kernel,
            "strides": strides, "channels": rng.randint(1, 20), "filters": 1, "rows": rng.randint(kernel, 33),
            "columns": rng.randint(kernel, 33), "padding": "VALID", "batch": rng.randint(1, 3),
        }  # fmt: skip


def is_strided_1x1(case: Case) -> bool:
    """Return whether this is a convolution that our networks do not have."""
    return bool(case["kind"] == "convolution" and case["kernel"] == 1 and case["strides"] > 1)


def windows(x: Array, kernel: int, strides: int) -> Array:
    """Return (batch, rows, columns, channels, kernel, kernel): what each output pixel reads."""
    return np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (1, 2))[:, ::strides, ::strides]


def by_products(x: Array, w: Array, g: Array, strides: int) -> dict[str, Array]:
    """Return output and gradients of a convolution of `x`, with its margins, as products of matrices."""
    kernel, (batch, rows, columns, filters) = len(w), g.shape
    y, dx, dw, flat = np.zeros_like(g).reshape(-1, filters), np.zeros_like(x), np.zeros_like(w), g.reshape(-1, filters)
    for i, j in np.ndindex(kernel, kernel):
        read = (slice(None), slice(i, i + strides * rows, strides), slice(j, j + strides * columns, strides))
        pixels = x[read][:, :rows, :columns].reshape(len(flat), -1)
        y += pixels @ w[i, j]
        dw[i, j] = pixels.T @ flat
        dx[read][:, :rows, :columns] += (flat @ w[i, j].T).reshape(batch, rows, columns, -1)
    return {"output": y.reshape(g.shape), "input gradient": dx, "kernel gradient": dw}


def convolution(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, Any, Array]]:
    """Yield of each operation its name, what computes it, and what it should be."""
    import tensorflow as tf

    kernel, strides = case["kernel"], case["strides"]
    size = np.array([case["rows"], case["columns"]])
    out = -(-size // strides) if case["padding"] == "SAME" else (size - kernel) // strides + 1
    margin = np.maximum((out - 1) * strides + kernel - size, 0) if case["padding"] == "SAME" else 0 * size
    x = rng.integers(-3, 4, (case["batch"], *size, case["channels"])).astype("float32")
    w = rng.integers(-3, 4, (kernel, kernel, case["channels"], case["filters"])).astype("float32")
    g = rng.integers(-3, 4, (case["batch"], *out, case["filters"])).astype("float32")
    before = margin // 2
    padded = np.pad(x, ((0, 0), *((b, m - b) for b, m in zip(before, margin, strict=True)), (0, 0)))
    right = by_products(padded, w, g, strides)
    (top, left), (rows, columns) = before, size
    right["input gradient"] = right["input gradient"][:, top : top + rows, left : left + columns]
    common = {"strides": [1, strides, strides, 1], "padding": case["padding"]}
    images, weights, given = (tf.constant(value, tf.float32) for value in (x, w, g))
    raw = tf.raw_ops
    arguments = {
        "output": lambda: raw.Conv2D(input=images, filter=weights, **common),
        "input gradient": lambda: raw.Conv2DBackpropInput(
            input_sizes=x.shape, filter=weights, out_backprop=given, **common
        ),
        "kernel gradient": lambda: raw.Conv2DBackpropFilter(
            input=images, filter_sizes=w.shape, out_backprop=given, **common
        ),
    }
    for name, compute in arguments.items():
        yield name, compute, right[name]


def others(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, Any, Array]]:
    """Yield a pooling or a batch normalisation as `convolution` does; gradients are compared where that is easy."""
    import tensorflow as tf

    kernel, strides, raw = case["kernel"], case["strides"], tf.raw_ops
    x = rng.permutation(np.arange(case["batch"] * case["rows"] * case["columns"] * case["channels"])) - 7.0
    x = x.reshape(case["batch"], case["rows"], case["columns"], case["channels"])
    images = tf.constant(x, tf.float32)
    if case["kind"] == "batch normalisation":
        ones = tf.ones(case["channels"])
        common: Any = {"scale": ones, "epsilon": 1e-3, "is_training": True}
        normalised = raw.FusedBatchNormV3(x=images, offset=ones, mean=tf.zeros([0]), variance=tf.zeros([0]), **common)
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        yield "output", lambda: normalised.y, (x - mean) / np.sqrt(variance + 1e-3) + 1
        reserved = {f"reserve_space_{i}": getattr(normalised, f"reserve_space_{i}") for i in (1, 2, 3)}
        yield (
            "input gradient",
            lambda: raw.FusedBatchNormGradV3(y_backprop=0 * images, x=images, **common, **reserved).x_backprop,
            0 * x,
        )
        return
    common = {"ksize": [1, kernel, kernel, 1], "strides": [1, strides, strides, 1], "padding": "VALID"}
    read = windows(x, kernel, strides)
    given = tf.ones((*read.shape[:4],))
    unit = np.ones((kernel, kernel, 1, 1))
    count = by_products(x[..., :1], unit, np.ones((*read.shape[:3], 1)), strides)["input gradient"] + 0 * x
    if case["kind"] == "average pooling":
        yield "output", lambda: raw.AvgPool(value=images, **common), read.mean((4, 5))
        gradient = lambda: raw.AvgPoolGrad(orig_input_shape=x.shape, grad=given, **common)  # noqa: E731
        yield "input gradient", gradient, count / kernel**2
    else:
        y = read.max((4, 5))
        normalised = raw.MaxPool(input=images, **common)
        yield "output", lambda: normalised, y
        gradient = lambda: raw.MaxPoolGrad(orig_input=images, orig_output=normalised, grad=given, **common)  # noqa: E731
        yield "input gradient", gradient, _places(x, y, kernel, strides)


def _places(x: Array, y: Array, kernel: int, strides: int) -> Array:
    """Return how many windows have their maximum at each place of `x`, whose values are all different."""
    gradient = np.zeros_like(x)
    for i, j in np.ndindex(kernel, kernel):
        rows, columns = y.shape[1:3]
        at = np.s_[:, i : i + strides * rows : strides, j : j + strides * columns : strides]
        gradient[at][:, :rows, :columns] += x[at][:, :rows, :columns] == y
    return gradient
