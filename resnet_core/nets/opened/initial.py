"""Initial values of a network in open shapes, equal to those of `keras_net.build`, without a Keras model."""

import numpy as np

from resnet_core.nets.keras_net import kernel_initializer, variable_seed
from resnet_core.nets.opened.form import Opened
from resnet_core.nets.opened.layout import Array, Shelf, matrix, shape_of, shelves
from resnet_core.nets.opened.tape import Cell


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
    return np.stack([_drawn(cell, init, seed) for cell in cells])


def _drawn(cell: Cell, init: str, seed: int) -> Array:
    seed = variable_seed(seed, f"{cell.layer}/{cell.slot.name}")
    if cell.slot.role == "draw":
        return np.array([seed, 0], cell.slot.dtype)
    drawn: Array = kernel_initializer(init, cell.gain, seed)(cell.shape, "float32").numpy()
    return drawn
