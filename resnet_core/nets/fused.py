"""Faster and safe kernels for stock layers on the TensorFlow backend.

Keras 3 computes training batch normalisation from primitive operations; TensorFlow has a fused
kernel that is faster and traces in half the time. On a CPU, a convolution with groups is compiled by XLA and takes 20
to 70 times as long as separate convolutions. oneDNN's filter gradient of a strided 1x1 convolution is wrong, or writes
out of bounds, if the number of channels is not a multiple of the vector length. `fuse`, `split_groups` and
`subsample_first` replace the kernels of stock layers. The layers are saved and loaded as before and compute the same
function.
"""

from types import MethodType
from typing import Any

import keras

from resnet_core.nets.layers import StandardizedConv2D


def fuse(layer: keras.layers.BatchNormalization) -> keras.layers.BatchNormalization:
    """Let `layer` (axis 3, no mask) use the fused kernel in training, if the backend has one."""
    if keras.backend.backend() == "tensorflow":
        layer.call = MethodType(_call, layer)
    return layer


def split_groups(layer: keras.layers.Conv2D) -> keras.layers.Conv2D:
    """Let `layer` compute its groups as separate convolutions, if it has several groups and there is no GPU."""
    if keras.backend.backend() == "tensorflow" and layer.groups > 1 and layer.data_format == "channels_last":
        import tensorflow as tf

        if not tf.config.list_physical_devices("GPU"):
            layer.call = MethodType(_call_groups, layer)
    return layer


def subsample_first(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Let every strided 1x1 `Conv2D` in a layer or a model subsample first and convolve at stride 1.

    Only users' layers and saved models need this, since `KerasNet.conv` makes no strided 1x1 convolution.
    """
    stock = keras.layers.Conv2D.convolution_op
    for part in layer._flatten_layers():
        convolves = isinstance(part, keras.layers.Conv2D) and type(part).convolution_op is stock
        if convolves and part.kernel_size == (1, 1) and part.strides != (1, 1):
            part.convolution_op = MethodType(_subsampled, part)
    return layer


def _subsampled(self: keras.layers.Conv2D, inputs: Any, kernel: Any) -> Any:
    pixels = keras.ops.average_pool(inputs, 1, self.strides, data_format=self.data_format)
    return keras.ops.conv(pixels, kernel, data_format=self.data_format)


def _call_groups(self: keras.layers.Conv2D, inputs: Any) -> Any:
    import tensorflow as tf

    kernel = tf.convert_to_tensor(self.kernel)
    kernel = self.standardized(kernel) if isinstance(self, StandardizedConv2D) else kernel
    parts = zip(tf.split(inputs, self.groups, axis=-1), tf.split(kernel, self.groups, axis=-1), strict=True)
    padding = self.padding.upper()
    outputs = tf.concat([tf.nn.conv2d(x, k, self.strides, padding) for x, k in parts], axis=-1)
    return outputs if self.bias is None else tf.nn.bias_add(outputs, tf.convert_to_tensor(self.bias))


def _call(self: keras.layers.BatchNormalization, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    if not (training and self.trainable) or mask is not None:
        return type(self).call(self, inputs, training=training, mask=mask)
    import tensorflow as tf

    outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs,
        scale=tf.cast(self.gamma, tf.float32),
        offset=tf.cast(self.beta, tf.float32),
        mean=tf.zeros([0]),
        variance=tf.zeros([0]),
        epsilon=self.epsilon,
        is_training=True,
    )
    # The kernel returns the unbiased variance; the moving variance of Keras is of the biased one.
    count = tf.cast(tf.size(inputs) / inputs.shape[-1], variance.dtype)
    biased = variance * (count - 1.0) / count
    self.moving_mean.assign(self.moving_mean * self.momentum + mean * (1.0 - self.momentum))
    self.moving_variance.assign(self.moving_variance * self.momentum + biased * (1.0 - self.momentum))
    return outputs
