"""The interpreter's methods as TensorFlow operations on tensors with open numbers of channels.

Each computes the same as the layers of `KerasNet`. A map is (batch, height, width, channels).
"""

from functools import cache
from typing import Any, Literal

import keras
import tensorflow as tf


@cache
def splits_groups() -> bool:
    """Return whether a convolution with groups is computed group by group, as in `fused.split_groups`."""
    return not tf.config.list_physical_devices("GPU")


class Words:
    """Computes the calls of one block.

    Attributes:
        training: Whether in training mode.
        statistics: In training mode, mean and variance of the batch of each batch normalisation, added in order.
    """

    def __init__(self, *, training: bool) -> None:
        self.training = training
        self.statistics: list[Any] = []

    def conv(
        self, x: Any, kernel: Any, bias: Any = None, *, strides: int, groups: int, margin: int | None,
        weight_epsilon: float | None,
    ) -> Any:  # fmt: skip
        """Convolve, with explicit zero padding or TensorFlow's own padding."""
        if weight_epsilon is not None:
            mean, variance = tf.nn.moments(kernel, (0, 1, 2), keepdims=True)
            kernel = (kernel - mean) * tf.math.rsqrt(variance + weight_epsilon)
        padding = "SAME" if margin is None else "VALID"
        if margin:
            x = tf.pad(x, [[0, 0], [margin, margin], [margin, margin], [0, 0]])
        if groups > 1 and splits_groups():
            parts = zip(tf.split(x, groups, axis=-1), tf.split(kernel, groups, axis=-1), strict=True)
            y = tf.concat([tf.nn.conv2d(part, its, strides, padding) for part, its in parts], axis=-1)
        else:
            y = tf.nn.conv2d(x, kernel, strides, padding)
        return y if bias is None else tf.nn.bias_add(y, bias)

    def batch_norm(
        self, x: Any, gamma: Any, beta: Any, moving_mean: Any = None, moving_variance: Any = None, *, epsilon: float,
        momentum: float,
    ) -> Any:  # fmt: skip
        """Normalise by the batch statistics in training mode, and record them; otherwise by the moving statistics."""
        empty = tf.zeros([0])
        y, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=x, scale=gamma, offset=beta, mean=empty if self.training else moving_mean,
            variance=empty if self.training else moving_variance, epsilon=epsilon, is_training=self.training,
        )  # fmt: skip
        if self.training:
            # The kernel returns the unbiased variance; the moving variance of Keras is of the biased one.
            count = tf.cast(tf.reduce_prod(tf.shape(x)[:-1]), variance.dtype)
            self.statistics += [tf.stop_gradient(mean), tf.stop_gradient(variance * (count - 1.0) / count)]
        return y

    def group_norm(self, x: Any, gamma: Any, beta: Any, *, groups: int, epsilon: float) -> Any:
        """Normalise each image's groups of channels."""
        shape = tf.shape(x)
        parts = tf.reshape(x, tf.concat([shape[:-1], [groups, shape[-1] // groups]], 0))
        mean, variance = tf.nn.moments(parts, (1, 2, 4), keepdims=True)
        factor = tf.math.rsqrt(variance + epsilon) * tf.reshape(gamma, (groups, -1))
        return tf.reshape(parts * factor - mean * factor + tf.reshape(beta, (groups, -1)), shape)

    def activation(self, x: Any, *, function: str) -> Any:
        """Apply Keras' activation function of this name."""
        return keras.activations.get(function)(x)

    def identity(self, x: Any) -> Any:
        """Return `x`."""
        return x

    def add(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return x + y

    def multiply(self, x: Any, y: Any) -> Any:
        """Return x * y."""
        return x * y

    def linear(self, x: Any, factor: Any, offset: Any) -> Any:
        """Return factor * x + offset."""
        return x * factor + offset

    def scale(self, x: Any, kernel: Any, bias: Any = None) -> Any:
        """Return x times a learned factor, plus a learned scalar."""
        return x * kernel if bias is None else x * kernel + bias

    def shift(self, x: Any, bias: Any) -> Any:
        """Return x plus a learned scalar."""
        return x + bias

    def dropout(
        self, x: Any, rate: Any, seed_generator_state: Any, *, unit: Literal["value", "sample", "batch"]
    ) -> Any:
        """Drop values, samples or the batch in training; the draws are those of Keras' layer."""
        if not self.training:
            return x
        batch = tf.shape(x)[0]
        shapes = {"value": None, "sample": tf.stack([batch, 1, 1, 1]), "batch": [1, 1, 1, 1]}
        seed = tf.cast(tf.math.floormod(seed_generator_state, tf.int32.max - 1), tf.int32)
        return tf.nn.experimental.stateless_dropout(x, rate, seed, noise_shape=shapes[unit])

    def subsample(self, x: Any, *, strides: int) -> Any:
        """Return every `strides`-th row and column, by average pooling of size 1."""
        return tf.nn.avg_pool2d(x, 1, strides, "VALID")

    def pool(self, x: Any, *, kind: str, size: int, strides: int, padding: str) -> Any:
        """Pool windows, padded by zeros, by the lowest value, or by TensorFlow."""
        if kind == "average":
            return tf.nn.avg_pool2d(x, size, strides, "SAME")
        if padding == "same":
            return tf.nn.max_pool2d(x, size, strides, "SAME")
        margin = [size // 2, size // 2]
        value = float("-inf") if padding == "lowest" else 0.0
        padded = tf.pad(x, [[0, 0], margin, margin, [0, 0]], constant_values=value)
        return tf.nn.max_pool2d(padded, size, strides, "VALID")

    def blur(self, x: Any, *, strides: int) -> Any:
        """Apply the binomial filter, as two averages of 2x2."""
        x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
        return tf.nn.avg_pool2d(tf.nn.avg_pool2d(x, 2, 1, "VALID"), 2, strides, "VALID")

    def conv_along_channels(self, x: Any, kernel: Any) -> Any:
        """Convolve a vector along its channels."""
        return tf.nn.conv1d(x[:, :, None], kernel, 1, "SAME")[:, None, None, :, 0]

    def pad_channels(self, x: Any, before: Any, after: Any) -> Any:
        """Add channels of zeros."""
        none = tf.zeros([3, 2], tf.int32)
        return tf.pad(x, tf.concat([none, [tf.stack([before, after])]], 0))

    def global_average_pool(self, x: Any, *, keepdims: bool) -> Any:
        """Return the mean of each channel."""
        return tf.reduce_mean(x, (1, 2), keepdims=keepdims)

    def dense(self, x: Any, kernel: Any, bias: Any) -> Any:
        """Return x times a matrix, plus a vector."""
        return tf.matmul(x, kernel) + bias
