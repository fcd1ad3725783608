"""`Limits`: bounds of the cost of a network, computed from its spec."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from resnet_core.arguments import checked_class
from resnet_core.nets.cost import cost
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import TrainSpec

FLOAT = 4  # bytes
KEPT = {"sgd": 3, "adamw": 4}  # values per parameter: the parameter, its gradient, and the state of the optimiser
GIB = 2**30


def training_bytes(net: NetSpec, train: TrainSpec) -> int:
    """Return the approximate memory of a training step in bytes, in float32: activations, parameters, gradients and the
    state of the optimiser.

    Standardised weights also need memory for the standardised copies.
    """
    network_cost = cost(net)
    copies = KEPT[train.optimizer] + 2 * net.standardize_weights
    return network_cost.activation_bytes * train.batch_size + FLOAT * copies * network_cost.trainable


def run_bytes(net: NetSpec, train: TrainSpec, probe: ProbeSpec) -> int:
    """Return the approximate peak memory of a run in bytes, without its images and TensorFlow itself.

    A probe keeps the activations of its batch. An evaluation keeps only a part of the activations of its batch.
    """
    network_cost = cost(net)
    most = max(train.batch_size, probe.batch_size, train.evaluation_batch)
    return training_bytes(net, train) + network_cost.activation_bytes * (most - train.batch_size)


def within_step(
    train: TrainSpec, probe: ProbeSpec, given: Mapping[str, Collection[str]]
) -> tuple[TrainSpec, ProbeSpec]:
    """Return both specs with batches of evaluation and probe no larger than the training batch.

    Args:
        train: The training.
        probe: The measurements during the training.
        given: Names of the fields of `train` and `probe` that the user gave, which do not change.
    """
    if "evaluation_batch" not in given["train"]:
        train = train.replace(evaluation_batch=min(train.evaluation_batch, train.batch_size))
    if "batch_size" not in given["probe"]:
        probe = probe.replace(batch_size=min(probe.batch_size, train.batch_size))
    return train, probe


@checked_class
@dataclass(frozen=True)
class Limits:
    """Upper bounds of the cost of a network; `None` for no bound.

    Attributes:
        parameters: Number of trainable parameters.
        macs: Multiply-accumulates of an image.
        memory: Memory of a run in GiB, see `run_bytes`.
    """

    parameters: float | None = None
    macs: float | None = None
    memory: float | None = None

    @property
    def text(self) -> str:
        """The bounds as text; empty if there are none."""
        named = {"parameters": self.parameters, "macs": self.macs, "memory": self.memory}
        return ", ".join(f"{name} <= {value:g}" for name, value in named.items() if value is not None)

    def excess(self, net: NetSpec, train: TrainSpec, probe: ProbeSpec | None = None) -> float:
        """Return the largest ratio of a cost to its bound, which is at most 1 if all bounds are met. Without a probe,
        memory is that of a training step.
        """
        network_cost, takes = cost(net), run_bytes(net, train, probe) if probe else training_bytes(net, train)
        ratios = [
            amount / bound
            for amount, bound in (
                (network_cost.trainable, self.parameters),
                (network_cost.macs, self.macs),
                (takes / GIB, self.memory),
            )
            if bound is not None
        ]
        return max(ratios, default=0.0)
