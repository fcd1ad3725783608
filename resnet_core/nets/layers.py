"""Layers that Keras does not have. To load a saved network with one, use `resnet_core.load` or import this module."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("resnet_core")
class ScalarBias(keras.layers.Layer):  # type: ignore[misc]
    """x + b with a learned scalar b that starts at 0 (Fixup, Zhang et al. 2019)."""

    bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(), initializer=self.bias_initializer, name="bias")

    def call(self, inputs: Any) -> Any:
        return inputs + keras.ops.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable("resnet_core")
class StandardizedConv2D(keras.layers.Conv2D):  # type: ignore[misc]
    """A convolution that standardises its kernel in every call (Qiao et al. 2019).

    Args:
        weight_epsilon: Value added to the variance of each filter.
        arguments, settings: Arguments of `keras.layers.Conv2D`.
    """

    def __init__(self, *arguments: Any, weight_epsilon: float = 1e-6, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.weight_epsilon = weight_epsilon

    def standardized(self, kernel: Any) -> Any:
        """Return a kernel with mean 0 and variance 1 over rows, columns and input channels, in its own precision."""
        weights = keras.ops.cast(kernel, "float32")
        mean = keras.ops.mean(weights, axis=(0, 1, 2), keepdims=True)
        variance = keras.ops.mean(keras.ops.square(weights - mean), axis=(0, 1, 2), keepdims=True)
        return keras.ops.cast((weights - mean) * keras.ops.rsqrt(variance + self.weight_epsilon), kernel.dtype)

    def convolution_op(self, inputs: Any, kernel: Any) -> Any:
        return super().convolution_op(inputs, self.standardized(kernel))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "weight_epsilon": self.weight_epsilon}
