"""The updates, written out; each keeps its state in variables that `reset` sets back."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from resnet_core.runs.training.step import StepSpec


class Optimizer:
    """Updates `weights`. Its `state`, variables, is zero at first.

    Args:
        weights: The variables.
        step: What to update them by.
        stacked: Whether a variable is a stack of weights, of which one is as the variable without its first axis.
    """

    def __init__(self, weights: Sequence[Any], step: StepSpec, *, stacked: bool = False) -> None:
        self._weights = weights
        self._step = step
        self._stacked = stacked
        self._slots_of: list[tuple[Any, Any]] = []

    @property
    def state(self) -> list[Any]:
        """What is kept from one update to the next."""
        return [slot for slot, _ in self._slots_of]

    def reset(self) -> None:
        """Forget all updates, and take the shapes that the weights have now."""
        for slot, weight in self._slots_of:
            slot.assign(tf.zeros_like(weight))

    def apply(self, gradients: Sequence[Any], rate: Any) -> None:
        """Make one update at this learning rate."""
        raise NotImplementedError

    def _slots(self) -> list[Any]:
        slots = [tf.Variable(tf.zeros_like(w), trainable=False, shape=w.shape) for w in self._weights]
        self._slots_of += zip(slots, self._weights, strict=True)
        return slots

    def _decay_of(self, weight: Any) -> float:
        decays = self._step.weight_decay_of == "all" or weight.shape.rank - self._stacked > 1
        return self._step.weight_decay if decays else 0.0


class Sgd(Optimizer):
    """v <- m v + g + d w,  w <- w - rate v, or, with Nesterov's momentum, w <- w - rate (g + d w + m v).

    The learning rate is no part of the velocity, as in Torch; Keras' SGD folds it in, so that a drop of
    the rate acts ten steps late.
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
    """w <- w - rate (m̂ / (√v̂ + e) + d w): m̂ and v̂ are the averages of g and g², divided by 1 - b^t.

    Kingma and Ba 2015, algorithm 1; the decay of Loshchilov and Hutter 2019, times the rate as in Torch.
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
