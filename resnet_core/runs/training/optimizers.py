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
        stacked: Whether a variable is a stack of the weights of several blocks along its first axis.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, *, stacked: bool = False) -> None:
        self._weights = weights
        self._step = step
        self._stacked = stacked
        self._slots_of: list[tuple[Any, Any]] = []

    @property
    def state(self) -> list[Any]:
        """The variables that are kept from one update to the next."""
        return [slot for slot, _ in self._slots_of]

    def reset(self) -> None:
        """Set the state to zero, in the current shapes of the weights."""
        for slot, weight in self._slots_of:
            slot.assign(tf.zeros_like(weight))

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        """Update the weights by their gradients, with the learning rate `rate`."""
        raise NotImplementedError

    def _slots(self) -> list[Any]:
        slots = [tf.Variable(tf.zeros_like(w), trainable=False, shape=w.shape) for w in self._weights]
        self._slots_of += zip(slots, self._weights, strict=True)
        return slots

    def _decay_of(self, weight: Any) -> float:
        decays = self._step.weight_decay_of == "all" or weight.shape.rank - self._stacked > 1
        return self._step.weight_decay if decays else 0.0


class Sgd(Optimizer):
    """SGD: v <- m v + g + d w,  w <- w - rate v, or, with Nesterov's momentum, w <- w - rate (g + d w + m v).

    As in PyTorch, the velocity does not contain the learning rate. In Keras' SGD it does, so that a drop of the rate
    takes effect some ten steps late.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, *, stacked: bool = False) -> None:
        super().__init__(weights, step, stacked=stacked)
        self._velocity = self._slots()

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        for weight, velocity, gradient in zip(self._weights, self._velocity, gradients, strict=True):
            decay = self._decay_of(weight)
            tf.raw_ops.ResourceApplyMomentum(
                var=weight.handle, accum=velocity.handle, lr=rate, momentum=self._step.momentum,
                grad=gradient + decay * weight if decay else gradient, use_nesterov=self._step.nesterov,
            )  # fmt: skip


class AdamW(Optimizer):
    """AdamW: w <- w - rate (m̂ / (√v̂ + e) + d w), where m̂ and v̂ are the averages of g and g² divided by 1 - b^t.

    Kingma and Ba 2015, algorithm 1, with the decay of Loshchilov and Hutter 2019, times the rate as in PyTorch.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, *, stacked: bool = False) -> None:
        super().__init__(weights, step, stacked=stacked)
        self._first, self._second = self._slots(), self._slots()
        self._updates = tf.Variable(0.0, trainable=False)
        self._slots_of.append((self._updates, self._updates))

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        beta_1, beta_2 = self._step.beta_1, self._step.beta_2
        updates = self._updates.assign_add(1.0)
        power_1, power_2 = beta_1**updates, beta_2**updates
        for weight, first, second, gradient in zip(self._weights, self._first, self._second, gradients, strict=True):
            if decay := self._decay_of(weight):
                weight.assign_sub(rate * decay * weight)
            # The kernel adds its epsilon to √v, which is √v̂ times √(1 - b^t).
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle, m=first.handle, v=second.handle, beta1_power=power_1, beta2_power=power_2,
                lr=rate, beta1=beta_1, beta2=beta_2, epsilon=self._step.epsilon * tf.sqrt(1.0 - power_2),
                grad=gradient,
            )  # fmt: skip


def optimizer(weights: Sequence[Any], step: StepSpec, *, stacked: bool = False) -> Optimizer:
    """Return the optimiser that `step` names; see `Optimizer`."""
    return {"sgd": Sgd, "adamw": AdamW}[step.optimizer](weights, step, stacked=stacked)
