"""The kind of a network: its blocks, with equal ones joined, whatever their number and width."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from resnet_core.nets.blocks import residual_block
from resnet_core.nets.interpreter import Shape
from resnet_core.nets.network import head, stem
from resnet_core.nets.opened.tape import Cell, NotOpen, Operand, RecordedCall, Tape
from resnet_core.nets.registry import code_of
from resnet_core.nets.spec import NetSpec

MOST_SEQUENCES = 4  # of equal blocks per stage


@dataclass(frozen=True)
class Segment:
    """What a trace depends on in a sequence of equal blocks, in the stem, or in the head.

    Attributes:
        calls: The calls of one of the blocks.
        rolled: Whether the number of blocks is open. Such blocks keep the shape of their input.
        shape: Height and width of the output; `None` for the head.
    """

    calls: tuple[RecordedCall, ...]
    rolled: bool
    shape: tuple[int, ...]

    @property
    def slots(self) -> tuple[Operand, ...]:
        """The slots of a block's calls, in order."""
        return tuple(slot for call in self.calls for slot in call.slots)


@dataclass(frozen=True)
class Kind:
    """Everything that the trace of a network in open shapes depends on. Equal kinds share a trace.

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
        kind: Its kind.
        blocks: For each segment, the names of its blocks and the cells of their slots.
    """

    kind: Kind
    blocks: tuple[tuple[tuple[str, tuple[Cell, ...]], ...], ...]

    def cells(self, segment: int, slot: int) -> list[Cell]:
        """Return the cells of a slot, block by block."""
        return [cells[slot] for _, cells in self.blocks[segment]]


def why_not(spec: NetSpec) -> str | None:
    """Return why a network has no open form, or `None` if it has one."""
    try:
        opened(spec)
    except NotOpen as reason:
        return str(reason)
    return None


def opened(spec: NetSpec) -> Opened:
    """Return a network in open shapes.

    Raises:
        NotOpen: The network has no open form.
        UserError: The block of the spec is not registered, or returns the wrong number of channels.
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
    most = 2 + MOST_SEQUENCES * len(spec.depths)
    if len(runs) > most:
        raise NotOpen(f"its blocks form {len(runs) - 2} sequences of equal blocks, but at most {most - 2} are possible")
    segments = tuple(run[0].segment for run in runs)
    blocks = tuple(tuple((block.name, block.cells) for block in run if not block.is_spare) for run in runs)
    return Opened(Kind(spec.input_shape[:2], segments), blocks)


@dataclass(frozen=True)
class _Block:
    """A block of a network. If `is_spare`, the network does not have it."""

    name: str
    stage: int
    segment: Segment
    cells: tuple[Cell, ...]
    is_spare: bool = False

    def is_alike(self, other: "_Block") -> bool:
        """Return whether the other block can be in the same segment."""
        same = self.segment.rolled and self.stage == other.stage and self.segment == other.segment
        return same and all(a.shape == b.shape for a, b in zip(self.cells, other.cells, strict=True))


def _blocks(spec: NetSpec) -> Iterator[_Block]:
    """Yield the stem, the blocks and the head.

    A stage of one block gets a spare block, which the network does not have. Thus the kind of the network equals that
    of networks with deeper stages.
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
        raise NotOpen(f"`{name}` returns a value that is not a map")
    return shape
