"""Half precision: Keras' policy while a network is built, and the scale of the loss for float16."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import tensorflow as tf

HIGHEST_SCALE = 2.0**15
STEPS_TO_GROW = 2000


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Context manager in which new layers have the policy `name`."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


class LossScale:
    """A factor that keeps the gradients of half precision from underflow (Micikevicius et al. 2018, section 3.2).

    An update with gradients that are not finite is skipped, and the scale is halved. After `STEPS_TO_GROW` updates
    with finite gradients in a row, the scale is doubled.
    """

    def __init__(self) -> None:
        self.value = tf.Variable(HIGHEST_SCALE, trainable=False)
        self._finite_steps = tf.Variable(0, trainable=False)
        self.state = [self.value, self._finite_steps]

    def reset(self) -> None:
        """Set the scale to its initial value."""
        self.value.assign(HIGHEST_SCALE)
        self._finite_steps.assign(0)

    def apply(self, gradients: Sequence[Any], update: Callable[[], None]) -> None:
        """Call `update` if the gradients are finite, and adapt the scale."""
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(gradient)) for gradient in gradients])

        def make() -> tf.Tensor:
            update()
            return self._finite_steps + 1

        steps = tf.cond(finite, make, lambda: tf.constant(0))
        grows = steps >= STEPS_TO_GROW
        self._finite_steps.assign(tf.where(grows, 0, steps))
        factor = tf.where(finite, tf.where(grows, 2.0, 1.0), 0.5)
        self.value.assign(tf.clip_by_value(self.value * factor, 1.0, HIGHEST_SCALE))
