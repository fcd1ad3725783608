"""What a network may cost at most, known from its spec alone."""

from dataclasses import dataclass

from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.spec import TrainSpec

FLOAT = 4  # bytes
KEPT = {"sgd": 3, "adamw": 4}  # of each parameter: its value, its gradient, what the optimiser keeps
GIB = 2**30


def training_bytes(net: NetSpec, train: TrainSpec) -> int:
    """Return about how many bytes a training step needs, in float32: activations, parameters, gradients, optimiser."""
    of = cost(net)
    return of.activation_bytes * train.batch_size + FLOAT * KEPT[train.optimizer] * of.trainable


@dataclass(frozen=True)
class Limits:
    """Bounds; none for no bound.

    Attributes:
        parameters: Trainable ones.
        macs: Multiply-accumulates of an image.
        memory: GiB of a training step, see `training_bytes`.
    """

    parameters: float | None = None
    macs: float | None = None
    memory: float | None = None

    @property
    def text(self) -> str:
        """The bounds in words; empty without any."""
        named = {"parameters": self.parameters, "macs": self.macs, "memory": self.memory}
        return ", ".join(f"{name} <= {value:g}" for name, value in named.items() if value is not None)

    def excess(self, net: NetSpec, train: TrainSpec) -> float:
        """Return the greatest ratio of a cost to its bound; at most 1 if all are met."""
        of = cost(net)
        ratios = [
            amount / bound
            for amount, bound in (
                (of.trainable, self.parameters),
                (of.macs, self.macs),
                (training_bytes(net, train) / GIB, self.memory),
            )
            if bound is not None
        ]
        return max(ratios, default=0.0)
