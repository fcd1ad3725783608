"""What kind a network is of: its blocks, equal ones rolled up, apart from how many and how wide they are."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from resnet_core.nets.blocks import residual_block
from resnet_core.nets.interpreter import Shape
from resnet_core.nets.network import head, stem
from resnet_core.nets.opened.tape import Call, Cell, NotOpen, Slot, Tape
from resnet_core.nets.registry import code_of
from resnet_core.nets.spec import NetSpec

MOST_RUNS = 4  # of equal blocks, a stage


@dataclass(frozen=True)
class Segment:
    """A run of equal blocks, or the stem or the head, as far as a trace depends on it.

    Attributes:
        calls: Of one of the blocks.
        rolled: Whether there may be any number of them: they keep the shape of what they are applied to.
        shape: Height and width of what it returns; of the head, none.
    """

    calls: tuple[Call, ...]
    rolled: bool
    shape: tuple[int, ...]

    @property
    def slots(self) -> tuple[Slot, ...]:
        """What a block reads beside values, in the order of its calls."""
        return tuple(slot for call in self.calls for slot in call.slots)


@dataclass(frozen=True)
class Kind:
    """All that the trace of a network in open shapes depends on: equal kinds share it.

    Attributes:
        shape: Height and width of an image.
        segments: The stem, runs of equal blocks, the head.
    """

    shape: tuple[int, int]
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Opened:
    """A network in open shapes.

    Attributes:
        kind: What it has in common with others.
        blocks: For each segment the names of its blocks, and what is in the slots of each.
    """

    kind: Kind
    blocks: tuple[tuple[tuple[str, tuple[Cell, ...]], ...], ...]

    def cells(self, segment: int, slot: int) -> list[Cell]:
        """Return what is in a slot of a segment, block by block."""
        return [cells[slot] for _, cells in self.blocks[segment]]


def why_not(spec: NetSpec) -> str | None:
    """Return why a network has no open form, in plain words, or None if it has one."""
    try:
        opened(spec)
    except NotOpen as reason:
        return str(reason)
    return None


def opened(spec: NetSpec) -> Opened:
    """Return a network in open shapes.

    Raises:
        NotOpen: It has no such form.
        UserError: The block of the spec is not registered, or returns another number of channels than it is to.
    """
    return _opened(spec, code_of(spec.block))


@lru_cache(maxsize=64)
def _opened(spec: NetSpec, code: str) -> Opened:
    runs: list[list[_Block]] = []
    for block in _blocks(spec):
        if runs and runs[-1][-1].is_alike(block):
            runs[-1].append(block)
        else:
            runs.append([block])
    most = 2 + MOST_RUNS * len(spec.depths)
    if len(runs) > most:
        raise NotOpen(f"its blocks are of {len(runs) - 2} runs of equal ones, and {most - 2} are rolled up at most")
    segments = tuple(run[0].segment for run in runs)
    there = tuple(tuple((block.name, block.cells) for block in run if not block.is_spare) for run in runs)
    return Opened(Kind(spec.input_shape[:2], segments), there)


@dataclass(frozen=True)
class _Block:
    """A block of one network; `is_spare`: one more than there are."""

    name: str
    stage: int
    segment: Segment
    cells: tuple[Cell, ...]
    is_spare: bool = False

    def is_alike(self, other: "_Block") -> bool:
        """Return whether the other block may follow in one run."""
        same = self.segment.rolled and self.stage == other.stage and self.segment == other.segment
        return same and all(a.shape == b.shape for a, b in zip(self.cells, other.cells, strict=True))


def _blocks(spec: NetSpec) -> Iterator[_Block]:
    """Yield the stem, the blocks and the head.

    A stage of one block has a spare one, so that it is of the kind of a deeper one: a run of no blocks.
    """
    at = Tape(spec, "stem")
    y = stem(at, at.start(spec.input_shape))
    yield _Block("stem", 0, Segment(tuple(at.calls), False, y.shape[:2]), tuple(at.cells))
    before, shape = 0, y.shape
    for stage, (depth, width) in enumerate(zip(spec.depths, spec.widths, strict=True), start=1):
        spare = depth == 1 and spec.stride_block == "first" and not spec.skip_mask
        for block in range(1, depth + 1 + spare):
            name, strides = f"stage{stage}_block{block}", spec.strides_of(stage, block)
            at = Tape(spec, name)
            y = residual_block(at, at.start(shape), width, strides, stage=stage, block=block, index=before + block)
            segment = Segment(tuple(at.calls), y.shape == shape, y.shape[:2])
            yield _Block(name, stage, segment, tuple(at.cells), block > depth)
            shape = _map_of(y.shape, name)
        before += depth
    at = Tape(spec, "head")
    head(at, at.start(shape))
    yield _Block("head", 0, Segment(tuple(at.calls), False, ()), tuple(at.cells))


def _map_of(shape: Shape, name: str) -> Shape:
    if len(shape) != 3:
        raise NotOpen(f"`{name}` returns no map")
    return shape
