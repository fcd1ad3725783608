"""`Tape`: the interpreter that records a block as a list of calls.

A call separates what the trace depends on from what is data. The trace depends on the methods, their inputs, strides
and groups. The shapes of weights, their initial values, factors, rates and numbers of channels are data.
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, Literal

from resnet_core.nets.fields import NetFields
from resnet_core.nets.interpreter import Interpreter, Pooling, Shape, Value

Role = Literal["weight", "statistic", "draw", "number"]


class NotOpen(Exception):
    """A network has no open form; the message says why."""


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand of a call besides its inputs, as far as the trace depends on it.

    Attributes:
        name: Name of the variable in its Keras layer, or of an argument of the method.
        role: `weight`: a trained variable. `statistic`: a moving average. `draw`: the state of a random generator.
            `number`: a constant that may differ between blocks and networks.
        shape: The shape; `None` is an open axis.
        dtype: The dtype.
    """

    name: str
    role: Role
    shape: tuple[int | None, ...] = ()
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A call of a method in a block, as far as the trace depends on it.

    Attributes:
        word: Name of the method of `words.Words` that computes it.
        inputs: Numbers of its inputs: 0 is the block's input, i the value of the block's i-th call.
        settings: Other arguments.
        slots: Its other operands.
    """

    word: str
    inputs: tuple[int, ...]
    settings: tuple[tuple[str, Hashable], ...] = ()
    slots: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """The initial value of a slot in one block of a network.

    Attributes:
        slot: The slot.
        layer: Name of the layer.
        shape: Shape of the value.
        start: The constant initial value; `None` if it is drawn at random.
        gain: Factor of a drawn kernel.
    """

    slot: Operand
    layer: str
    shape: Shape | tuple[int, ...]
    start: float | None
    gain: float = 1.0


@dataclass(frozen=True, eq=False, slots=True)
class Written:
    """A value in a block: the result of its `number`-th call, counted from 1; 0 is the block's input."""

    shape: Any
    number: int
    calls: list[RecordedCall]


class Tape(Interpreter):
    """Records one block, or the stem or the head; values are `Written`."""

    def __init__(self, spec: NetFields, scope: str) -> None:
        super().__init__(spec)
        self.prefix = f"{scope}_"
        self.calls: list[RecordedCall] = []
        self.cells: list[Cell] = []

    def start(self, shape: Shape) -> Written:
        """Return the block's input."""
        return Written(shape, 0, self.calls)

    def _call(self, word: str, inputs: list[Written], shape: Any, *cells: Cell, **settings: Hashable) -> Written:
        if any(x.calls is not self.calls for x in inputs):
            raise NotOpen(f"a block reads a value of another block (in `{self.prefix.rstrip('_')}`)")
        slots = tuple(cell.slot for cell in cells)
        self.calls.append(RecordedCall(word, tuple(x.number for x in inputs), tuple(settings.items()), slots))
        self.cells += cells
        return Written(shape, len(self.calls), self.calls)

    def _kernel(self, layer: str, shape: tuple[int, ...], gain: float, open_axes: int = 2) -> Cell:
        closed = shape[: len(shape) - open_axes]
        slot = Operand("kernel", "weight", (*closed, *(None for _ in range(open_axes))))
        return Cell(slot, self.prefix + layer, shape, 0.0 if gain == 0.0 else None, gain)

    def _vector(self, layer: str, name: str, channels: int, start: float, role: Role = "weight") -> Cell:
        return Cell(Operand(name, role, (None,)), self.prefix + layer, (channels,), start)

    def _number(self, name: str, value: float, dtype: str = "float32") -> Cell:
        return Cell(Operand(name, "number", (), dtype), "", (), value)

    def shape(self, x: Value) -> Shape:
        return x.shape  # type: ignore[no-any-return]

    def _strided(self, x: Written, strides: int, channels: int | None = None) -> Shape:
        rows, columns, before = x.shape
        return -(-rows // strides), -(-columns // strides), before if channels is None else channels

    def conv(
        self, x: Written, filters: int, kernel_size: int, strides: int = 1, *, name: str, groups: int = 1,
        bias: bool | None = None, gain: float = 1.0, bias_start: float = 0.0, normalised: bool = True,
        standardized: bool = True,
    ) -> Written:  # fmt: skip
        x, strides = self.at_stride_one(x, kernel_size, strides, name=name)
        margin = kernel_size // 2 if strides > 1 and self.spec.padding == "explicit" else None
        cells = [self._kernel(name, (kernel_size, kernel_size, x.shape[2] // groups, filters), gain)]
        if self.has_bias(bias, normalised=normalised):
            cells.append(self._vector(name, "bias", filters, bias_start))
        weight_epsilon = self.spec.weight_epsilon if standardized and self.spec.standardize_weights else None
        shape = self._strided(x, strides, filters)
        return self._call(
            "conv", [x], shape, *cells, strides=strides, groups=groups, margin=margin, weight_epsilon=weight_epsilon
        )

    def norm(self, x: Written, *, name: str, gamma_start: float = 1.0) -> Written:
        spec, channels = self.spec, x.shape[2]
        if spec.norm == "none":
            return self.shift(x, name=f"{name}_shift") if spec.branch_scale == "fixup" else x
        cells = [self._vector(name, "gamma", channels, gamma_start), self._vector(name, "beta", channels, 0.0)]
        if spec.norm == "batch":
            cells += [
                self._vector(name, "moving_mean", channels, 0.0, "statistic"),
                self._vector(name, "moving_variance", channels, 1.0, "statistic"),
            ]
            return self._call("batch_norm", [x], x.shape, *cells, epsilon=spec.norm_epsilon, momentum=spec.bn_momentum)
        groups = spec.norm_groups if spec.norm == "group" else 1
        return self._call("group_norm", [x], x.shape, *cells, groups=groups, epsilon=spec.norm_epsilon)

    def activation(self, x: Written, *, name: str, function: str | None = None) -> Written:
        return self._call("activation", [x], x.shape, function=function or self.spec.activation)

    def identity(self, x: Written, *, name: str) -> Written:
        return self._call("identity", [x], x.shape)

    def add(self, x: Written, y: Written, *, name: str) -> Written:
        return self._call("add", [x, y], x.shape)

    def multiply(self, x: Written, y: Written, *, name: str) -> Written:
        return self._call("multiply", [x, y], x.shape)

    def linear(self, x: Written, factor: float, offset: float = 0.0, *, name: str) -> Written:
        return self._call("linear", [x], x.shape, self._number("factor", factor), self._number("offset", offset))

    def scale(
        self, x: Written, *, name: str, start: float, per_channel: bool = False, shifted: bool = False
    ) -> Written:
        if per_channel:
            return self._call("scale", [x], x.shape, self._vector(name, "kernel", x.shape[2], start))
        layer = f"{self.prefix}{name}_factor"
        cells = [Cell(Operand("kernel", "weight", (1,)), layer, (1,), start)]
        if shifted:
            cells.append(Cell(Operand("bias", "weight", (1,)), layer, (1,), 0.0))
        return self._call("scale", [x], x.shape, *cells)

    def shift(self, x: Written, *, name: str) -> Written:
        return self._call("shift", [x], x.shape, Cell(Operand("bias", "weight"), self.prefix + name, (), 0.0))

    def dropout(
        self, x: Written, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value"
    ) -> Written:
        if not rate:
            return self._call("identity", [x], x.shape)
        state = Cell(Operand("seed_generator_state", "draw", (2,), "int64"), self.prefix + name, (2,), None)
        return self._call("dropout", [x], x.shape, self._number("rate", rate), state, unit=unit)

    def subsample(self, x: Written, strides: int, *, name: str) -> Written:
        return self._call("subsample", [x], self._strided(x, strides), strides=strides)

    def pool(self, x: Written, kind: Pooling, size: int, strides: int, *, name: str) -> Written:
        padding = "same"
        if kind == "max" and self.spec.pool_padding == "zeros":
            padding = "zeros"
        elif kind == "max" and self.spec.padding == "explicit" and strides > 1:
            padding = "lowest"
        return self._call(
            "pool", [x], self._strided(x, strides), kind=kind, size=size, strides=strides, padding=padding
        )

    def blur(self, x: Written, strides: int, *, name: str) -> Written:
        return self._call("blur", [x], self._strided(x, strides), strides=strides)

    def conv_along_channels(self, x: Written, kernel_size: int, *, name: str) -> Written:
        kernel = self._kernel(name, (kernel_size, 1, 1), 1.0)
        slot = Operand("kernel", "weight", (None, 1, 1))
        cell = Cell(slot, kernel.layer, kernel.shape, kernel.start)
        return self._call("conv_along_channels", [x], (1, 1, x.shape[-1]), cell)

    def pad_channels(self, x: Written, before: int, after: int, *, name: str) -> Written:
        rows, columns, channels = x.shape
        margins = [self._number("before", before, "int32"), self._number("after", after, "int32")]
        return self._call("pad_channels", [x], (rows, columns, before + channels + after), *margins)

    def global_average_pool(self, x: Written, *, name: str, keepdims: bool = False) -> Written:
        channels = x.shape[2]
        shape = (1, 1, channels) if keepdims else (channels,)
        return self._call("global_average_pool", [x], shape, keepdims=keepdims)

    def dense(self, x: Written, units: int, *, name: str, gain: float = 1.0) -> Written:
        kernel = self._kernel(name, (x.shape[-1], units), gain)
        return self._call("dense", [x], (units,), kernel, self._vector(name, "bias", units, 0.0))

    def layer(
        self, x: Written, make: Callable[..., Any], *, name: str, macs: int | None = None, kept_bytes: int | None = None
    ) -> Written:
        raise NotOpen(f"the layer `{self.prefix}{name}` is made by `at.layer`, which the open form does not support")
