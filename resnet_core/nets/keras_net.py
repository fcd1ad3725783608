"""`build`: the network of a spec as a plain `keras.Model` of stock layers."""

import keras

from resnet_core.nets.fused import fuse
from resnet_core.nets.interpreter import Interpreter, Shape, Value
from resnet_core.nets.network import network
from resnet_core.nets.spec import NetSpec
from resnet_core.seeds import generator

INITIALIZERS = {
    "he_fan_in": {"scale": 2.0, "mode": "fan_in", "distribution": "truncated_normal"},
    "he_fan_out": {"scale": 2.0, "mode": "fan_out", "distribution": "truncated_normal"},
    "glorot": {"scale": 1.0, "mode": "fan_avg", "distribution": "uniform"},
}


def build(spec: NetSpec, seed: int = 0) -> keras.Model:
    """Return the network that `spec` describes, its weights drawn from `seed`.

    The model maps a batch of images, (batch, height, width, channels), to logits, (batch, classes).
    The weights of a layer are a function of `seed` and of the layer's name: a residual net with
    skip A and its plain twin start from the same weights.
    """
    images = keras.Input(spec.input_shape, name="images")
    model = keras.Model(images, network(KerasNet(spec), images), name="network")
    initialise(model, spec, seed)
    return model


def initialise(model: keras.Model, spec: NetSpec, seed: int) -> None:
    """Set every variable of `model` to its initial value: what `build(spec, seed)` returns."""
    for layer in model.layers:
        for variable in layer.variables:
            variable.assign(_initial_value(variable, f"{layer.name}/{variable.name}", spec, seed))


def _initial_value(variable: keras.Variable, path: str, spec: NetSpec, seed: int) -> object:
    if variable.name == "kernel":
        word = int(generator(seed, "init", path).integers(2**31))
        initializer = keras.initializers.VarianceScaling(**INITIALIZERS[spec.init], seed=word)
        return initializer(variable.shape, variable.dtype)
    ones = variable.name in ("gamma", "moving_variance")
    return keras.ops.full(variable.shape, 1.0 if ones else 0.0, variable.dtype)


class KerasNet(Interpreter):
    """Values are Keras tensors, channels last; layers are stock layers of Keras."""

    def shape(self, x: Value) -> Shape:
        rows, columns, channels = x.shape[1:]
        return rows, columns, channels

    def conv(self, x: Value, filters: int, kernel_size: int, strides: int = 1, *, name: str) -> Value:
        # At stride 2, Keras' "same" pads an even size on the right and bottom only, which centres
        # the pixels on 1, 3, 5, ... and not, as the papers and option A have it, on 0, 2, 4, ...
        padding = "same"
        if strides > 1 and kernel_size > 1:
            x = keras.layers.ZeroPadding2D(kernel_size // 2, name=f"{self.prefix}{name}_pad")(x)
            padding = "valid"
        layer = keras.layers.Conv2D(filters, kernel_size, strides, padding, use_bias=False, name=self.prefix + name)
        return layer(x)

    def norm(self, x: Value, *, name: str) -> Value:
        layer = keras.layers.BatchNormalization(
            momentum=self.spec.bn_momentum, epsilon=self.spec.bn_epsilon, name=self.prefix + name
        )
        return fuse(layer)(x)

    def relu(self, x: Value, *, name: str) -> Value:
        return keras.layers.ReLU(name=self.prefix + name)(x)

    def identity(self, x: Value, *, name: str) -> Value:
        return keras.layers.Identity(name=self.prefix + name)(x)

    def add(self, x: Value, y: Value, *, name: str) -> Value:
        return keras.layers.Add(name=self.prefix + name)([x, y])

    def subsample(self, x: Value, strides: int, *, name: str) -> Value:
        return keras.layers.MaxPooling2D(1, strides, name=self.prefix + name)(x)

    def pad_channels(self, x: Value, channels: int, *, name: str) -> Value:
        # Read as channels-first, the third and last axis of a channels-last map are its columns'.
        missing = channels - x.shape[-1]
        layer = keras.layers.ZeroPadding2D(
            ((0, 0), (0, missing)), data_format="channels_first", name=self.prefix + name
        )
        return layer(x)

    def global_average_pool(self, x: Value, *, name: str) -> Value:
        return keras.layers.GlobalAveragePooling2D(name=self.prefix + name)(x)

    def dense(self, x: Value, units: int, *, name: str) -> Value:
        return keras.layers.Dense(units, dtype="float32", name=self.prefix + name)(x)
