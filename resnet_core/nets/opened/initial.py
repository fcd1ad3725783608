"""Initial values of a network in open shapes, equal to those of `keras_net.build`, without a Keras model."""

import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from resnet_core.nets.keras_net import INITIALIZERS, variable_seed
from resnet_core.nets.opened.form import Opened
from resnet_core.nets.opened.layout import Array, Shelf, matrix, shape_of, shelves

SEEDS = 2**31 - 2  # Keras takes a seed modulo this
TRUNCATED_DEVIATION = 0.87962566103423978  # standard deviation of a standard normal between -2 and 2


def initial(net: Opened, init: str, seed: int) -> list[dict[Shelf, Array]]:
    """Return the initial values of each segment, a matrix for each shelf.

    Args:
        net: The network.
        init: Name of the initialiser, see `NetSpec.init`.
        seed: Seed of the draws.
    """
    return [
        {
            shelf: matrix([stacked(net, i, slot, init, seed) for slot in shelf.slots], len(net.blocks[i]), shelf.dtype)
            for shelf in shelves(segment)
        }
        for i, segment in enumerate(net.kind.segments)
    ]


def stacked(net: Opened, segment: int, slot: int, init: str, seed: int) -> Array:
    """Return the initial values of a slot, stacked over the blocks of the segment."""
    about, cells = net.kind.segments[segment].slots[slot], net.cells(segment, slot)
    if not cells:
        return np.zeros((0, *shape_of(net, segment, slot)), about.dtype)
    if all(cell.start is not None for cell in cells):
        starts = np.array([cell.start for cell in cells], about.dtype)
        return np.broadcast_to(starts.reshape(-1, *(1 for _ in cells[0].shape)), (len(cells), *cells[0].shape))
    seeds = [variable_seed(seed, f"{cell.layer}/{about.name}") for cell in cells]
    if about.role == "draw":
        return np.array([[each, 0] for each in seeds], about.dtype)
    return _kernels(cells[0].shape, init, [cell.gain for cell in cells], seeds)


def _kernels(shape: tuple[int, ...], init: str, gains: Sequence[float], seeds: Sequence[int]) -> Array:
    """Return a kernel of this shape for each gain and seed, stacked: that of `kernel_initializer`, bit for bit.

    A call of a Keras initialiser takes ten times as long as its draw.
    """
    settings, field = INITIALIZERS[init], math.prod(shape[:-2])
    fan_in, fan_out = field * shape[-2], field * shape[-1]
    fan = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}[settings["mode"]]
    variances = [settings["scale"] * gain**2 / max(1.0, fan) for gain in gains]
    normal = settings["distribution"] == "truncated_normal"
    draw = tf.raw_ops.StatelessTruncatedNormal if normal else tf.raw_ops.StatelessRandomUniform
    sides = tf.constant(shape)
    states = np.array([[each % SEEDS, 0] for each in seeds], np.int32)
    drawn = np.stack([draw(shape=sides, seed=state, dtype=tf.float32).numpy() for state in states])

    def column(values: Sequence[float]) -> Array:
        return np.array(values, np.float32).reshape(-1, *(1 for _ in shape))

    if normal:
        deviations = column([math.sqrt(variance) / TRUNCATED_DEVIATION for variance in variances])
        return drawn * deviations + np.float32(0.0)  # no zero has a sign
    limits = column([math.sqrt(3.0 * variance) for variance in variances])
    return drawn * (2.0 * limits) - limits
