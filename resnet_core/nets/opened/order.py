"""The order of layers with a kernel in `keras.Model.layers`, without a Keras model."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from resnet_core.nets.opened.form import Opened
from resnet_core.nets.opened.tape import Cell, RecordedCall

LAYERS = {"blur": (0, 2), "conv_along_channels": (1, 1)}
"""Number of Keras operations before and after the main one, for methods that become several operations. The others have
(0, 0).
"""


class Kernel(NamedTuple):
    """A kernel, and its position by segment, slot and block."""

    cell: Cell
    segment: int
    slot: int
    block: int


def kernels(net: Opened) -> Iterator[Kernel]:
    """Yield the kernels in the order of `keras.Model.layers`."""
    for i, segment in enumerate(net.kind.segments):
        slots = kernel_slots(segment.calls)
        for j, (_, cells) in enumerate(net.blocks[i]):
            yield from (Kernel(cells[slot], i, slot, j) for slot in slots)


@lru_cache(maxsize=256)
def kernel_slots(calls: tuple[RecordedCall, ...]) -> tuple[int, ...]:
    """Return the positions of the kernels among the slots of a block, in Keras' order of layers.

    Keras sorts layers by the length of their longest path to the output. Layers with paths of equal length have the
    order of a depth-first search from the output.
    """
    ways = _ways_to_the_end(calls)
    met = {number: i for i, number in enumerate(_from_the_end(calls))}
    slots, slot = [], 0
    for number, call in enumerate(calls, start=1):
        if any(each.name == "kernel" for each in call.slots):
            place = next(i for i, each in enumerate(call.slots) if each.name == "kernel")
            slots.append((-ways[number] - _around(call)[1], met[number], slot + place))
        slot += len(call.slots)
    return tuple(place for *_, place in sorted(slots))


def _around(call: RecordedCall) -> tuple[int, int]:
    """Return how many Keras operations a call has before and after the main one."""
    settings = dict(call.settings)
    pads = settings.get("margin") or settings.get("padding") in ("zeros", "lowest")
    scalar = call.word == "scale" and call.slots[0].shape == (1,)
    return (1, 1) if scalar else LAYERS.get(call.word, (1, 0) if pads else (0, 0))


def _ways_to_the_end(calls: tuple[RecordedCall, ...]) -> dict[int, int]:
    """Return the number of operations on the longest path from each value to the last."""
    ways = {len(calls): 0}
    for number in range(len(calls), 0, -1):
        if number in ways:
            call = calls[number - 1]
            way = ways[number] + 1 + sum(_around(call))
            for value in call.inputs:
                ways[value] = max(way, ways.get(value, 0))
    return ways


def _from_the_end(calls: tuple[RecordedCall, ...]) -> list[int]:
    """Return the numbers of the calls in the order of a depth-first search from the last."""
    met: dict[int, None] = {}
    pending = [len(calls)]
    while pending:
        number = pending.pop()
        if number and number not in met:
            met[number] = None
            pending += reversed(calls[number - 1].inputs)
    return list(met)
