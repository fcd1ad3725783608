"""The values of a segment's slots as matrices with a row per block; those of one role and dtype form one matrix."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from resnet_core.nets.opened.form import Kind, Opened, Segment
from resnet_core.nets.opened.tape import Role

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Shelf:
    """The slots whose values form one matrix.

    Attributes:
        role: Their role.
        dtype: Their dtype.
        slots: Their positions among the slots of the segment, in the order of the columns.
    """

    role: Role
    dtype: str
    slots: tuple[int, ...]


@lru_cache(maxsize=256)
def shelves(segment: Segment) -> tuple[Shelf, ...]:
    """Return the shelves of a segment. The first is that of the weights; it may be empty."""
    groups: dict[tuple[Role, str], list[int]] = {("weight", "float32"): []}
    for place, slot in enumerate(segment.slots):
        groups.setdefault((slot.role, slot.dtype), []).append(place)
    return tuple(Shelf(role, dtype, tuple(places)) for (role, dtype), places in groups.items())


def shaped(segment: Segment) -> list[int]:
    """Return the positions of the slots whose shape has several axes, some of them open."""
    return [i for i, slot in enumerate(segment.slots) if len(slot.shape) > 1 and None in slot.shape]


def kernel_places(segment: Segment) -> list[int]:
    """Return the positions of the kernels among the slots of a segment."""
    return [i for i, slot in enumerate(segment.slots) if slot.role == "weight" and slot.name == "kernel"]


def shape_of(net: Opened, segment: int, slot: int) -> tuple[int, ...]:
    """Return the shape of a slot in one block; an open axis is 1 if the network has no block in the segment."""
    cells = net.cells(segment, slot)
    about = net.kind.segments[segment].slots[slot]
    return tuple(cells[0].shape) if cells else tuple(side or 1 for side in about.shape)


def layout_of(net: Opened, segment: int) -> Array:
    """Return the sizes of all slots, shelf by shelf, followed by the shapes of the slots in `shaped`."""
    about = net.kind.segments[segment]
    places = [place for shelf in shelves(about) for place in shelf.slots]
    sizes = [_size(net, segment, place) for place in places]
    return np.array([*sizes, *(side for place in shaped(about) for side in shape_of(net, segment, place))], np.int32)


def are_kernels(net: Opened, segment: int) -> Array:
    """Return 1 for each column of the weights that belongs to a kernel, a weight of several axes, and 0 for others."""
    about = net.kind.segments[segment]
    places = shelves(about)[0].slots
    several = [float(len(about.slots[place].shape) > 1) for place in places]
    return np.repeat(np.array(several, np.float32), [_size(net, segment, place) for place in places])


def _size(net: Opened, segment: int, slot: int) -> int:
    return math.prod(shape_of(net, segment, slot))


def matrix(stacks: Sequence[Array], blocks: int, dtype: str) -> Array:
    """Return the values of slots, each stacked over the blocks, as one matrix."""
    rows = [stack.reshape(blocks, math.prod(stack.shape[1:])) for stack in stacks]
    return np.concatenate([np.zeros((blocks, 0), dtype), *rows], 1, dtype=dtype)


def of_role(kind: Kind, role: Role) -> Iterator[tuple[int, Shelf]]:
    """Yield segment and shelf of a role."""
    for segment, about in enumerate(kind.segments):
        yield from ((segment, shelf) for shelf in shelves(about) if shelf.role == role)


def places(kind: Kind, role: Role) -> list[tuple[int, int]]:
    """Return segment and slot of a role, in the order of `stacks`."""
    return [(segment, slot) for segment, shelf in of_role(kind, role) for slot in shelf.slots]


def stacks(net: Opened, role: Role, matrices: Sequence[Array]) -> list[Array]:
    """Return the values of each slot, stacked over the blocks, from the matrices of a role."""
    of_slots = []
    for (segment, shelf), rows in zip(of_role(net.kind, role), matrices, strict=True):
        ends = accumulate((_size(net, segment, slot) for slot in shelf.slots), initial=0)
        for slot, (start, end) in zip(shelf.slots, pairwise(ends), strict=True):
            of_slots.append(rows[:, start:end].reshape(len(rows), *shape_of(net, segment, slot)))
    return of_slots


def matrices(net: Opened, role: Role, of_slots: Sequence[Array]) -> list[Array]:
    """Return the matrices of a role; the inverse of `stacks`."""
    given = iter(of_slots)
    return [
        matrix([next(given) for _ in shelf.slots], len(net.blocks[segment]), shelf.dtype)
        for segment, shelf in of_role(net.kind, role)
    ]
