"""Gradients of plain and residual nets at the start and at the end of training, with and without normalisation.

Question  Where do gradients go while a network trains, with and without normalisation?
Source    ours
Command   resnet-ablate run gradient-in-training --scale smoke

The measure is log10 of the ratio of two L2 gradients, those of the weights of the second and of the last convolution,
on one batch in training mode. It is above 0 where the gradient is larger near the input. Its gain is the value at the
end of training minus that at the start. The report has the gradient by depth at every step at which it was measured.
"""

from typing import Literal

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Contrast, mean
from resnet_core.nets.spec import NetSpec, Skip, cifar

Norm = Literal["batch", "none"]
SKIPS: tuple[Skip, ...] = ("none", "A")
NORMS: tuple[Norm, ...] = ("batch", "none")


def net(depth: int, skip: Skip, norm: Norm, width: int = 16) -> NetSpec:
    """Return an arm's network."""
    return cifar(depth, width, skip=skip, norm=norm)


def gained(skip: Skip, norm: Norm) -> Contrast:
    """Return how many decades the gradient near the input gains on that near the output in training."""
    return mean("gradient_decades_gained", skip=skip, norm=norm)


def at_end(skip: Skip, norm: Norm) -> Contrast:
    """Return the decades at the end of training."""
    return mean("gradient_decades_at_end", skip=skip, norm=norm)


claims = {
    "With normalisation, the plain net's gradients move towards the output in training.": gained("none", "batch") < 0,
    "With normalisation, the residual net's gradients move towards the output in training.": gained("A", "batch") < 0,
    "Without normalisation, the plain net's gradients move towards the output in training.": gained("none", "none") < 0,
    "With normalisation, the gradients shift less towards the output with the skip than without.": (
        gained("A", "batch") > gained("none", "batch")
    ),
    "At the end, with normalisation, the residual net's gradients near input and output are within a decade.": (
        at_end("A", "batch").within(1)
    ),
}

study = Study(
    name="gradient-in-training",
    question="Where do gradients go while a network trains, with and without normalisation?",
    source="ours",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(38,), skip=SKIPS, norm=NORMS, width=(8,)),
            claims=claims,
        ),
        "laptop": laptop(
            design=grid(depth=(38,), skip=SKIPS, norm=NORMS, width=(8,)),
            claims=claims,
            trial_seeds=2,
        ),
        "paper": Scale(
            design=grid(depth=(56,), skip=SKIPS, norm=NORMS),
            train=HE_2015,
            seeds=3,
            claims=claims,
            untuned=OF_THE_PAPER,
        ),
    },
)
