"""Shattering: the similarity of the gradients of neighbouring inputs, and the signal, at the initial weights.

Question  Do gradients at the initial weights look like noise as depth grows, and do skips prevent it?
Source    Balduzzi et al. 2017, "The shattered gradients problem", section 2: 1/2^L in plain nets, 1/√L in residual
          nets with normalisation; signal: Brock et al. 2021, section 3
Command   resnet-ablate run shattering --scale smoke

The networks are not trained. The measure is the autocorrelation of a gradient at neighbouring points of a line of
inputs: the gradient of a projection of the last block's output by the input. The first claim compares both networks at
the largest depth. The second compares the loss of autocorrelation with depth. The third is about the signal: skips add
up variance. Normalisation is in training mode over the points of the line, so the gradient by one point includes its
effect on the statistics of all points. This removes the common part of the gradients, so the values are below the 1/√L
of the paper, which holds for fixed statistics.
"""

from typing import Literal

from ablations.designs import grid
from ablations.study import Scale, Study
from analysis.claims import Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import TrainSpec

Skip = Literal["none", "A"]
SKIPS: tuple[Skip, ...] = ("none", "A")
DEPTHS = (8, 20, 56)


def net(depth: int, skip: Skip, width: int = 16) -> NetSpec:
    """Return an arm's network. At equal depth, both have equally many parameters."""
    return cifar(depth, width, skip=skip)


def alike(depth: int, skip: Skip) -> Contrast:
    """Return the autocorrelation, at neighbouring points, of the last place's gradient by the input."""
    return mean("shattering[lag=1].last", depth=depth, skip=skip)


def variance(depth: int, skip: Skip) -> Contrast:
    """Return the variance of the channels after the last block."""
    return mean("signal[quantity=variance].last", depth=depth, skip=skip)


claims = {
    "With 56 layers, the gradients of neighbouring inputs are more similar with skips than without.": (
        alike(56, "A") > alike(56, "none")
    ),
    "From 8 to 56 layers, the similarity of gradients falls more without skips.": (
        alike(8, "none") - alike(56, "none") > alike(8, "A") - alike(56, "A")
    ),
    "The variance after the last block is larger at 56 layers than at 8 with skips.": (
        variance(56, "A") > variance(8, "A")
    ),
}
UNTRAINED = "nothing is trained"

study = Study(
    name="shattering",
    question="Do gradients at the initial weights look like noise as depth grows, and do skips prevent it?",
    source="Balduzzi et al. 2017, section 2; Brock et al. 2021, section 3",
    net=net,
    probe=ProbeSpec(steps=(0,), each_epoch=False),
    probes=("shattering", "signal"),
    scales={
        "smoke": Scale(
            design=grid(depth=DEPTHS, skip=SKIPS, width=(8,)),
            train=TrainSpec(data="digits", steps=0),
            seeds=3,
            claims=claims,
            untuned=UNTRAINED,
        ),
        "laptop": Scale(
            design=grid(depth=DEPTHS, skip=SKIPS),
            train=TrainSpec(data="cifar10", train_size=1000, steps=0),
            seeds=3,
            claims=claims,
            untuned=UNTRAINED,
        ),
        "paper": Scale(
            design=grid(depth=DEPTHS, skip=SKIPS),
            train=TrainSpec(data="cifar10", steps=0),
            seeds=10,
            claims=claims,
            untuned=UNTRAINED,
        ),
    },
)
