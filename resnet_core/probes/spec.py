"""What is measured of a network while it trains, and when: `ProbeSpec`."""

from typing import Annotated

from pydantic import Field, NonNegativeInt

from resnet_core.spec_model import Spec


class ProbeSpec(Spec):
    """Which steps are probed, and on which batch.

    A step is counted in updates already made: step 0 is the network at its initial weights.

    Attributes:
        steps: Steps at which every probe is taken. The gradients of the first ten steps can change
            by many orders of magnitude, so several early steps belong here. A run that ends before one has no such row.
        each_epoch: Whether the end of every epoch is probed as well.
        batch_size: Size of the fixed batch, the same images in every probe of a run and in every
            run of a data seed. The norms depend on it, so compare only at one size.
        step_gradients: Every how many steps the gradients of a training step itself are measured, from
            step 0 on: of its own batch, augmented, by its own loss, in a pass that is made anyway. 0 for never.
        latency: How often the trained network is timed at a single image; the median is kept with what the run has
            used, since it is no function of the spec. 0 for never.
    """

    steps: tuple[NonNegativeInt, ...] = (0, 1, 2, 5, 10, 20, 50, 100)
    each_epoch: bool = True
    batch_size: Annotated[int, Field(ge=2)] = 128
    step_gradients: NonNegativeInt = 0
    latency: NonNegativeInt = 0

    def due(self, step: int, *, ends_epoch: bool) -> bool:
        """Return whether the network is probed after `step` updates."""
        return step in self.steps or (self.each_epoch and ends_epoch)

    def due_in_step(self, step: int) -> bool:
        """Return whether the update that follows `step` updates measures its gradients."""
        return self.step_gradients > 0 and step % self.step_gradients == 0
