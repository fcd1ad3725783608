"""`NetworkPart`: a part of a network with its compiled passes, at any values of its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from resnet_core.probes.progress import passed

Weights = Mapping[str, Any]
"""Values that replace those of variables, by the path of the variable."""


@dataclass
class NetworkPart:
    """A part of a network with its compiled forward pass.

    Attributes:
        model: The part as a model; its weights are the network's.
        share: Its share of the network, for the progress of a measurement.
    """

    model: keras.Model
    share: float = 1.0
    _compiled: dict[bool, Callable[..., Any]] = field(default_factory=dict)
    _gradients: dict[bool, Callable[..., Any]] = field(default_factory=dict)

    def __call__(self, x: Any, weights: Weights | None = None, *, training: bool = False) -> Any:
        """Return the part's output for a batch. In training mode, batch statistics are used, and the moving statistics
        do not change.

        Args:
            x: The batch.
            weights: Values that replace those of some variables.
            training: Whether normalisation and dropout are in training mode.
        """
        if training not in self._compiled:
            self._compiled[training] = compiled(self._forward(training))
        passed(x.shape[0], self.share)
        changed = weights or {}
        # All values are tensors, so that replacing some of them causes no new trace.
        values = [changed.get(variable.path, tf.convert_to_tensor(variable.value)) for variable in self.model.variables]
        return self._compiled[training](x, values)

    def vjp(self, x: Any, upstream: Any, *, training: bool = False) -> Any:
        """Return the vector-Jacobian product: the gradient of sum(`upstream` · output) by the part's input, for a
        batch.

        Args:
            x: The batch.
            upstream: A tensor of the shape of the output.
            training: See `__call__`.
        """
        if training not in self._gradients:
            self._gradients[training] = compiled(self._backward(training))
        passed(x.shape[0], self.share)
        return self._gradients[training](x, upstream, [tf.convert_to_tensor(v.value) for v in self.model.variables])

    def _backward(self, training: bool) -> Callable[[Any, Any, list[Any]], Any]:
        def backward(x: Any, upstream: Any, values: list[Any]) -> Any:
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = stateless(self.model, x, values, training=training)
            return tape.gradient(y, x, output_gradients=upstream, unconnected_gradients="zero")

        return backward

    def _forward(self, training: bool) -> Callable[[Any, list[Any]], Any]:
        def forward(x: Any, values: list[Any]) -> Any:
            return stateless(self.model, x, values, training=training)

        return forward


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function compiled by TensorFlow.

    TensorFlow warns of a function that is traced again and again, and takes all closures and methods of one code for
    one function; a `partial` is a function of its own.
    """
    return tf.function(partial(function), autograph=False, reduce_retracing=True)  # type: ignore[no-any-return]


def stateless(model: keras.Model, x: Any, values: list[Any], *, training: bool) -> Any:
    """Return a model's output with these values for its variables, without writing to the variables."""
    with keras.StatelessScope(state_mapping=zip(model.variables, values, strict=True)):
        return model(x, training=training)
