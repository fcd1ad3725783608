"""`ProbeSpec`: what is measured during training, and when."""

from typing import Annotated

from pydantic import Field, NonNegativeInt

from resnet_core.spec_model import Spec


class ProbeSpec(Spec):
    """At which steps a network is probed, and on which batch.

    Steps count the updates that have been made: at step 0 the network has its initial weights.

    Attributes:
        steps: Steps at which the network is probed. Include several early steps: gradients can change by many orders of
            magnitude within the first ten. A run that ends before a step has no rows for it.
        each_epoch: Whether the network is also probed at the end of every epoch.
        batch_size: Size of the fixed batch. All probes of a run, and all runs of a data seed, use the same images.
            Norms depend on the size, so compare only at equal sizes.
        step_gradients: Interval in steps, from step 0, at which the gradients of the training step itself are recorded:
            on its own augmented batch, by its own loss, at no extra pass. 0 for never.
        latency: Number of times that the trained network is timed on a single image; 0 for never. The median is
            recorded in `usage`, because a spec does not determine it.
        by_class: Whether `balanced_accuracy`, `f1_macro` and `worst_class_accuracy` are recorded wherever the accuracy
            is.
    """

    steps: tuple[NonNegativeInt, ...] = (0, 1, 2, 5, 10, 20, 50, 100)
    each_epoch: bool = True
    batch_size: Annotated[int, Field(ge=2)] = 128
    step_gradients: NonNegativeInt = 0
    latency: NonNegativeInt = 0
    by_class: bool = False

    def due(self, step: int, *, ends_epoch: bool) -> bool:
        """Return whether the network is probed after `step` updates."""
        return step in self.steps or (self.each_epoch and ends_epoch)

    def due_in_step(self, step: int) -> bool:
        """Return whether the update that follows `step` updates measures its gradients."""
        return self.step_gradients > 0 and step % self.step_gradients == 0
