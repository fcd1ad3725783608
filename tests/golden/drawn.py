"""Weights and images that are a function of names and shapes, for this project and for others alike. NumPy only."""

import zlib

import numpy as np

SIZE = 112
IMAGES = 2


def drawn(name, shape):
    """Return the tensor of this name: kernels of variance 2 / fan in, statistics and scales near 1, shifts near 0."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype("float32")
    if len(shape) > 1:
        return (rng.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))).astype("float32")
    if name.endswith("weight"):
        return rng.uniform(0.3, 0.9, shape).astype("float32")
    return (0.1 * rng.normal(size=shape)).astype("float32")


def images(size=SIZE):
    """Return images as (n, channels, rows, columns)."""
    return np.random.default_rng(0).normal(size=(IMAGES, 3, size, size)).astype("float32")
