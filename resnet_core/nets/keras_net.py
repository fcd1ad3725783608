"""`build`: the network of a spec as a `keras.Model` of stock layers."""

import json
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, Literal

import keras
from pydantic import NonNegativeInt

from resnet_core.arguments import checked
from resnet_core.errors import UserError
from resnet_core.nets.fused import fuse, split_groups, subsample_first
from resnet_core.nets.interpreter import Interpreter, Pooling, Shape, Value
from resnet_core.nets.layers import ScalarBias, StandardizedConv2D
from resnet_core.nets.network import network
from resnet_core.nets.own import Net, OwnNet
from resnet_core.nets.own_model import own_model
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.users_layer import MADE_BY, apply_layer, initialise_as_new
from resnet_core.seeds import generator

INITIALIZERS: dict[str, dict[str, Any]] = {
    "he_fan_in": {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal"},
    "he_fan_out": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
    "glorot": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"},
}
MOST_LAYERS_OF_A_BLOCK = 40  # on one path, in the blocks of this project


@checked
def build(spec: Net, seed: NonNegativeInt = 0) -> keras.Model:
    """Return the network that `spec` describes, with initial weights from `seed`.

    The model maps a batch of images, (batch, height, width, channels), to logits, (batch, classes);
    images are (batch, channels, height, width) where Keras' `image_data_format` says channels first.
    The initial weights of a layer depend on `seed` and the layer's name only. So a network with skip A and its plain
    twin start from the same weights.
    """
    if isinstance(spec, OwnNet):
        model = own_model(spec)
        initialise(model, seed)
        return model
    net = KerasNet(spec, seed)
    images = keras.Input(net.ordered(spec.input_shape), name="images")
    with recursion_room(MOST_LAYERS_OF_A_BLOCK * sum(spec.depths)):
        model = keras.Model(images, network(net, images), name="network")
    for layer in model.layers:
        if hasattr(layer, MADE_BY):  # the others were drawn from `seed` when they were built
            _initialise_layer(layer, seed)
    return model


@checked
def load(path: str | Path) -> keras.Model:
    """Return the network in a `.keras` file, saved from a model of `build`.

    `keras.saving.load_model` works too, up to some 300 blocks; for networks with Fixup, `resnet_core.nets.layers` must
    be imported first.

    Raises:
        UserError: There is no such file, or it is not a network.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            layers = json.loads(archive.read("config.json"))["config"]["layers"]
        with recursion_room(len(layers)):
            return subsample_first(keras.saving.load_model(path))
    except (OSError, zipfile.BadZipFile, ValueError, KeyError) as error:
        raise UserError(f"a network must be a .keras file, but {path} cannot be loaded: {error}") from None


@contextmanager
def recursion_room(layers: int) -> Iterator[None]:
    """Raise Python's recursion limit for a model of this many layers. Keras walks the graph by recursion, and the
    default limit is reached at some 300 blocks.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, 1000 + 10 * layers))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


def initialise(model: keras.Model, seed: int) -> None:
    """Set every variable of `model` to its initial value in `build(spec, seed)`."""
    for layer in model.layers:
        _initialise_layer(layer, seed)


def _initialise_layer(layer: keras.layers.Layer, seed: int) -> None:
    if not _has_initializers(layer):
        initialise_as_new(layer, variable_seed(seed, layer.name))
        return
    for variable in layer.variables:
        drawn = variable_seed(seed, f"{layer.name}/{variable.name}")
        if variable.name == "seed_generator_state":
            variable.assign([drawn, 0])
            continue
        initializer = getattr(layer, f"{variable.name}_initializer")
        settings = initializer.get_config()
        if "seed" in settings:
            initializer = type(initializer).from_config({**settings, "seed": drawn})
        variable.assign(initializer(variable.shape, variable.dtype))


def _has_initializers(layer: keras.layers.Layer) -> bool:
    """Return whether every variable of a layer has an initialiser of its name, as in Keras' own layers."""
    names = [variable.name for variable in layer.variables]
    inner = any(part.variables for part in layer._flatten_layers(include_self=False))
    return not inner and all(
        name == "seed_generator_state" or callable(getattr(layer, f"{name}_initializer", None)) for name in names
    )


def variable_seed(seed: int, path: str) -> int:
    """Return the seed of the initial value of one variable, by its path `layer/variable`."""
    return int(generator(seed, "init", path).integers(2**31))


def kernel_initializer(init: str, gain: float, seed: int) -> keras.initializers.Initializer:
    """Return the initialiser of this name, multiplied by `gain`."""
    if gain == 0.0:
        return keras.initializers.Zeros()
    settings = INITIALIZERS[init]
    return keras.initializers.VarianceScaling(**{**settings, "scale": settings["scale"] * gain**2}, seed=seed)


class KerasNet(Interpreter):
    """Builds a network of stock Keras layers. Values are Keras tensors. Only the scalar bias of Fixup and the
    standardised convolution are layers of this project.

    Args:
        spec: The network.
        seed: Seed of the initial weights.
    """

    def __init__(self, spec: NetSpec, seed: int = 0) -> None:
        super().__init__(spec)
        self._seed = seed
        self._last = keras.config.image_data_format() == "channels_last"
        self._axis = -1 if self._last else 1

    def ordered(self, shape: Shape) -> Shape:
        """Return (height, width, channels) in the order of Keras' data format."""
        return shape if self._last else (shape[2], shape[0], shape[1])

    def shape(self, x: Value) -> Shape:
        first, second, third = x.shape[1:]
        return (first, second, third) if self._last else (second, third, first)

    def _initializer(self, gain: float, name: str) -> keras.initializers.Initializer:
        """Return the initialiser of a layer's kernel, that of the spec times `gain`."""
        return kernel_initializer(self.spec.init, gain, variable_seed(self._seed, f"{self.prefix}{name}/kernel"))

    def conv(
        self, x: Value, filters: int, kernel_size: int, strides: int = 1, *, name: str, groups: int = 1,
        bias: bool | None = None, gain: float = 1.0, bias_start: float = 0.0, normalised: bool = True,
        standardized: bool = True,
    ) -> Value:  # fmt: skip
        x, strides = self.at_stride_one(x, kernel_size, strides, name=name)
        # At stride 2, Keras' "same" pads an even size on the right and bottom only, which centres the
        # output pixels on 1, 3, 5, ... In the papers and in option A they are centred on 0, 2, 4, ...
        padding = "same"
        if strides > 1 and self.spec.padding == "explicit":
            x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{self.prefix}{name}_pad")(x)
            padding = "valid"
        kind, more = keras.layers.Conv2D, {}
        if standardized and self.spec.standardize_weights:
            kind, more = StandardizedConv2D, {"weight_epsilon": self.spec.weight_epsilon}
        layer = kind(
            filters, kernel_size, strides, padding, groups=groups, **more,
            use_bias=self.has_bias(bias, normalised=normalised),
            kernel_initializer=self._initializer(gain, name),
            bias_initializer=keras.initializers.Constant(bias_start),
            name=self.prefix + name,
        )  # fmt: skip
        return split_groups(layer)(x)

    def norm(self, x: Value, *, name: str, gamma_start: float = 1.0) -> Value:
        gamma, epsilon = keras.initializers.Constant(gamma_start), self.spec.norm_epsilon
        common = {"epsilon": epsilon, "axis": self._axis, "gamma_initializer": gamma, "name": self.prefix + name}
        match self.spec.norm:
            case "batch":
                layer = fuse(keras.layers.BatchNormalization(momentum=self.spec.bn_momentum, **common))
            case "group":
                layer = keras.layers.GroupNormalization(self.spec.norm_groups, **common)
            case "layer":
                layer = keras.layers.GroupNormalization(1, **common)
            case "none" if self.spec.branch_scale == "fixup":
                return self.shift(x, name=f"{name}_shift")
            case "none":
                return x
        return layer(x)

    def activation(self, x: Value, *, name: str, function: str | None = None) -> Value:
        return keras.layers.Activation(function or self.spec.activation, name=self.prefix + name)(x)

    def identity(self, x: Value, *, name: str) -> Value:
        return keras.layers.Identity(name=self.prefix + name)(x)

    def add(self, x: Value, y: Value, *, name: str) -> Value:
        return keras.layers.Add(name=self.prefix + name)([x, y])

    def multiply(self, x: Value, y: Value, *, name: str) -> Value:
        return keras.layers.Multiply(name=self.prefix + name)([x, y])

    def linear(self, x: Value, factor: float, offset: float = 0.0, *, name: str) -> Value:
        return keras.layers.Rescaling(factor, offset, name=self.prefix + name)(x)

    def scale(self, x: Value, *, name: str, start: float, per_channel: bool = False, shifted: bool = False) -> Value:
        # A product with a vector is an EinsumDense that sums over nothing; a scalar is a vector over an axis of one.
        name, shape, factor = self.prefix + name, tuple(x.shape[1:]), keras.initializers.Constant(start)
        if per_channel:
            axis = "abc"[self._axis - 1 if self._axis > 0 else self._axis]
            product = keras.layers.EinsumDense(f"zabc,{axis}->zabc", shape, kernel_initializer=factor, name=name)
            return product(x)
        bias = "d" if shifted else None
        product = keras.layers.EinsumDense(
            "zabcd,d->zabcd", (*shape, 1), bias_axes=bias, kernel_initializer=factor, name=f"{name}_factor"
        )
        widened = keras.layers.Reshape((*shape, 1), name=f"{name}_widen")(x)
        return keras.layers.Reshape(shape, name=name)(product(widened))

    def shift(self, x: Value, *, name: str) -> Value:
        return ScalarBias(name=self.prefix + name)(x)

    def dropout(
        self, x: Value, rate: float, *, name: str, unit: Literal["value", "sample", "batch"] = "value"
    ) -> Value:
        shapes = {"value": None, "sample": (None, 1, 1, 1), "batch": (1, 1, 1, 1)}
        seed = variable_seed(self._seed, f"{self.prefix}{name}/seed_generator_state")
        return keras.layers.Dropout(rate, shapes[unit], seed=seed, name=self.prefix + name)(x)

    def subsample(self, x: Value, strides: int, *, name: str) -> Value:
        # A mean of one value is exact, even if the value is not finite, and its gradient reads no tensor.
        return keras.layers.AveragePooling2D(1, strides, name=self.prefix + name)(x)

    def pool(self, x: Value, kind: Pooling, size: int, strides: int, *, name: str) -> Value:
        if kind == "average":
            return keras.layers.AveragePooling2D(size, strides, "same", name=self.prefix + name)(x)
        padding = "same"
        if self.spec.pool_padding == "zeros":
            x = keras.layers.ZeroPadding2D(size // 2, name=f"{self.prefix}{name}_pad")(x)
            padding = "valid"
        elif self.spec.padding == "explicit" and strides > 1:  # by minus infinity, since values may be negative
            margin = (size // 2, size // 2)
            margins = ((0, 0), *self.ordered((margin, margin, (0, 0))))  # type: ignore[arg-type]
            x = keras.ops.pad(x, margins, constant_values=-inf)
            padding = "valid"
        return keras.layers.MaxPooling2D(size, strides, padding, name=self.prefix + name)(x)

    def blur(self, x: Value, strides: int, *, name: str) -> Value:
        # Two averages of 2x2, one after the other, are the binomial filter.
        margins = ((0, 0), *self.ordered(((1, 1), (1, 1), (0, 0))))  # type: ignore[arg-type]
        x = keras.ops.pad(x, margins, mode="reflect")
        x = keras.layers.AveragePooling2D(2, 1, "valid", name=f"{self.prefix}{name}_first")(x)
        return keras.layers.AveragePooling2D(2, strides, "valid", name=self.prefix + name)(x)

    def conv_along_channels(self, x: Value, kernel_size: int, *, name: str) -> Value:
        initializer, name, channels = self._initializer(1.0, name), self.prefix + name, x.shape[-1]
        x = keras.layers.Reshape((channels, 1), name=f"{name}_column")(x)
        layer = keras.layers.Conv1D(
            1, kernel_size, padding="same", use_bias=False, data_format="channels_last",
            kernel_initializer=initializer, name=name,
        )  # fmt: skip
        return keras.layers.Reshape(self.ordered((1, 1, channels)), name=f"{name}_map")(layer(x))

    def pad_channels(self, x: Value, before: int, after: int, *, name: str) -> Value:
        # In the other data format, the axis of the channels is that of the columns, or of the rows.
        other, margins = ("channels_first", (0, 1)) if self._last else ("channels_last", (1, 0))
        padding = tuple((before, after) if margin else (0, 0) for margin in margins)
        return keras.layers.ZeroPadding2D(padding, data_format=other, name=self.prefix + name)(x)

    def global_average_pool(self, x: Value, *, name: str, keepdims: bool = False) -> Value:
        return keras.layers.GlobalAveragePooling2D(keepdims=keepdims, name=self.prefix + name)(x)

    def dense(self, x: Value, units: int, *, name: str, gain: float = 1.0) -> Value:
        initializer = self._initializer(gain, name)
        return keras.layers.Dense(units, kernel_initializer=initializer, dtype="float32", name=self.prefix + name)(x)

    def layer(
        self, x: Value, make: Callable[..., Any], *, name: str, macs: int | None = None, kept_bytes: int | None = None
    ) -> Value:
        layer, y = apply_layer(make, self.prefix + name, x)
        subsample_first(layer)  # after it is built, since only then it has its sublayers
        return y
