"""Products of the Hessian of a network's loss with vectors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from resnet_core.probes.part import compiled, stateless
from resnet_core.probes.progress import passed
from resnet_core.probes.subject import Subject

Array = npt.NDArray[np.float64]


class HessianProduct:
    """The product of a vector with the Hessian of the mean cross-entropy of some images by some variables.

    Attributes:
        size: Number of parameters.
    """

    def __init__(self, net: Subject, variables: list[Any], images: Any, labels: Any, *, training: bool) -> None:
        self._net, self._training = net, training
        self._shapes = [tuple(variable.shape) for variable in variables]
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self.size = sum(self._sizes)
        self._paths = [variable.path for variable in variables]
        paths = {path: i for i, path in enumerate(self._paths)}
        self._places = [paths.get(variable.path) for variable in net.model.variables]
        self._batches = list(net.batches(images, labels))
        self._count = len(images)
        self._product = compiled(self._of_batch)
        self._values = [tf.convert_to_tensor(variable.value) for variable in variables]
        self._all = [tf.convert_to_tensor(variable.value) for variable in net.model.variables]

    def __call__(self, vector: Array) -> Array:
        ends = np.cumsum(self._sizes)[:-1]
        parts = [
            part.reshape(shape).astype(np.float32)
            for part, shape in zip(np.split(vector, ends), self._shapes, strict=True)
        ]
        total = np.zeros(self.size)
        for x, y in self._batches:
            passed(len(x), 3)  # forward, and backward twice
            products = self._product(x, y, self._values, self._all, parts)
            total += np.concatenate([np.asarray(product, np.float64).ravel() for product in products])
        return total / self._count

    def product_for(self, variables: list[Any]) -> tuple[Callable[[Array], Array], int]:
        """Return the product with the part of the Hessian that belongs to some variables, and the size of the part."""
        paths = {variable.path for variable in variables}
        inside = np.concatenate([np.full(size, path in paths) for path, size in zip(self._paths, self._sizes)])

        def product(vector: Array) -> Array:
            whole = np.zeros(self.size)
            whole[inside] = vector
            products: Array = self(whole)[inside]
            return products

        return product, int(inside.sum())

    def _of_batch(self, x: Any, y: Any, values: Any, all_values: Any, vector: Any) -> Any:
        with tf.GradientTape() as outer:
            outer.watch(values)
            with tf.GradientTape() as inner:
                inner.watch(values)
                placed = [all_values[i] if place is None else values[place] for i, place in enumerate(self._places)]
                outputs = stateless(self._net.model, x, placed, training=self._training)
                loss = tf.reduce_sum(self._net.losses(outputs, y))
            gradients = inner.gradient(loss, values, unconnected_gradients="zero")
            product = tf.add_n([tf.reduce_sum(g * v) for g, v in zip(gradients, vector, strict=True)])
        return outer.gradient(product, values, unconnected_gradients="zero")
