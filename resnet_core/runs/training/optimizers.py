"""The optimisers. Each keeps its state in variables, which `reset` sets to zero."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from resnet_core.runs.training.step import StepSpec


class Optimizer:
    """Base class of optimisers.

    Args:
        weights: The variables that are updated.
        step: Settings of the update.
        are_kernels: For each variable, what broadcasts to 1 where a value is of a kernel and to 0 elsewhere. By default
            a variable is a kernel if it has several axes.

    Attributes:
        averages: Averages over the updates, each a variable for each weight.
        counts: The other variables that are kept from one update to the next.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, are_kernels: Sequence[Any] | None = None) -> None:
        self._weights = weights
        self._step = step
        self._are_kernels = [float(w.shape.rank > 1) for w in weights] if are_kernels is None else are_kernels
        self.averages: list[list[Any]] = []
        self.counts: list[Any] = []

    @property
    def state(self) -> list[Any]:
        """The variables that are kept from one update to the next."""
        return [*(each for average in self.averages for each in average), *self.counts]

    def reset(self) -> None:
        """Set the state to zero, in the current shapes of the weights."""
        for average in self.averages:
            for variable, weight in zip(average, self._weights, strict=True):
                variable.assign(tf.zeros_like(weight))
        for count in self.counts:
            count.assign(0.0)

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        """Update the weights by their gradients, with the learning rate `rate`."""
        raise NotImplementedError

    def _average(self) -> list[Any]:
        """Add a variable for each weight to `averages`."""
        average = [tf.Variable(tf.zeros_like(w), trainable=False, shape=w.shape) for w in self._weights]
        self.averages.append(average)
        return average

    def _decays(self) -> list[Any]:
        """Return the weight decay of each variable, or `None` for one without."""
        decay = self._step.weight_decay
        shares = [1.0] * len(self._weights) if self._step.weight_decay_of == "all" else self._are_kernels
        return [None if _is_zero(decay) or _is_zero(share) else decay * share for share in shares]


def _is_zero(number: Any) -> bool:
    """Return whether a number is zero whatever the run: one that is no variable."""
    return isinstance(number, float) and not number


class Sgd(Optimizer):
    """SGD: v <- m v + g + d w,  w <- w - rate v, or, with Nesterov's momentum, w <- w - rate (g + d w + m v).

    As in PyTorch, the velocity does not contain the learning rate. In Keras' SGD it does, so that a drop of the rate
    takes effect some ten steps late.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, are_kernels: Sequence[Any] | None = None) -> None:
        super().__init__(weights, step, are_kernels)
        self._velocity = self._average()

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        for weight, velocity, gradient, decay in zip(
            self._weights, self._velocity, gradients, self._decays(), strict=True
        ):
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=velocity.handle, lr=rate, momentum=self._step.momentum,
                grad=gradient if decay is None else gradient + decay * weight, use_nesterov=self._step.nesterov,
            )  # fmt: skip


class AdamW(Optimizer):
    """AdamW: w <- w - rate (m̂ / (√v̂ + e) + d w), where m̂ and v̂ are the averages of g and g² divided by 1 - b^t.

    Kingma and Ba 2015, algorithm 1, with the decay of Loshchilov and Hutter 2019, times the rate as in PyTorch.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, are_kernels: Sequence[Any] | None = None) -> None:
        super().__init__(weights, step, are_kernels)
        self._first, self._second = self._average(), self._average()
        self._updates = tf.Variable(0.0, trainable=False)
        self.counts.append(self._updates)

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        beta_1, beta_2 = self._step.beta_1, self._step.beta_2
        updates = self._updates.assign_add(1.0)
        power_1, power_2 = beta_1**updates, beta_2**updates
        for weight, first, second, gradient, decay in zip(
            self._weights, self._first, self._second, gradients, self._decays(), strict=True
        ):
            if decay is not None:
                weight.assign_sub(rate * decay * weight)
            # The kernel adds its epsilon to √v, which is √v̂ times √(1 - b^t).
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=first.handle, v=second.handle, beta1_power=power_1, beta2_power=power_2,
                lr=rate, beta1=beta_1, beta2=beta_2, epsilon=self._step.epsilon * tf.sqrt(1.0 - power_2),
                grad=gradient,
            )  # fmt: skip


def optimizer(weights: Sequence[Any], step: StepSpec, are_kernels: Sequence[Any] | None = None) -> Optimizer:
    """Return the optimiser that `step` names; see `Optimizer`."""
    return {"sgd": Sgd, "adamw": AdamW}[step.optimizer](weights, step, are_kernels)
