"""The one layer that Keras does not have."""

from typing import Any

import keras


@keras.saving.register_keras_serializable("resnet_core")
class ScalarBias(keras.layers.Layer):  # type: ignore[misc]
    """x + b, b one learned number, from 0 (Fixup, Zhang et al. 2019).

    To load a saved network that has it, use `resnet_core.load`, or import `resnet_core.nets.layers` first.
    """

    bias_initializer = keras.initializers.Zeros()

    def build(self, input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(), initializer=self.bias_initializer, name="bias")

    def call(self, inputs: Any) -> Any:
        return inputs + keras.ops.cast(self.bias, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
