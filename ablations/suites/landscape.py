"""Landscapes: the loss around trained networks, with and without skips, by depth.

Question  Is the loss around a trained network smoother with skips, and by how much with depth?
Source    Li et al. 2018, "Visualizing the loss landscape of neural nets", section 5
Command   resnet-ablate run landscape --scale smoke

The measure is log10 of the largest loss along one random direction, up to a distance of 1. The filters of the direction
are scaled to the norms of the network's filters. The losses of an arm's seeds differ by orders of magnitude, so one
seed would dominate a mean of the losses themselves. The first claim tests whether this loss is higher for the deep
network without skips. The second tests whether depth raises it by a larger factor without skips. Neither is about
convexity.
"""

from typing import Literal

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar

Skip = Literal["none", "A"]
SKIPS: tuple[Skip, ...] = ("none", "A")


def net(depth: int, skip: Skip, width: int = 16) -> NetSpec:
    """Return an arm's network. At equal depth, both have equally many parameters."""
    return cifar(depth, width, skip=skip)


def height(depth: int, skip: Skip) -> Contrast:
    """Return log10 of the largest loss along the direction."""
    return mean("landscape.log10_largest", depth=depth, skip=skip)


def _claims(shallow: int, deep: int) -> dict[str, Claim]:
    return {
        f"Around the net of {deep} layers, the loss rises higher without skips.": (
            height(deep, "none") > height(deep, "A")
        ),
        f"From {shallow} to {deep} layers, the loss around the net rises by a larger factor without skips.": (
            height(deep, "none") - height(shallow, "none") > height(deep, "A") - height(shallow, "A")
        ),
    }


PAPER = "Li et al. 2018, table 1, CIFAR-10"

study = Study(
    name="landscape",
    question="Is the loss around a trained network smoother with skips, and by how much with depth?",
    source="Li et al. 2018, section 5",
    net=net,
    probes=("landscape",),
    scales={
        "smoke": smoke(
            design=grid(depth=(8, 32), skip=SKIPS, width=(8,)),
            claims=_claims(8, 32),
        ),
        "laptop": laptop(
            design=grid(depth=(8, 32), skip=SKIPS, width=(8,)),
            claims=_claims(8, 32),
        ),
        "paper": Scale(
            design=grid(depth=(20, 56, 110), skip=SKIPS),
            train=HE_2015,
            seeds=3,
            claims=_claims(20, 110),
            published=tuple(
                Published(PAPER, "test_error", {"depth": depth, "skip": skip}, error)
                for depth, errors in {20: (0.0818, 0.0737), 56: (0.1331, 0.0589), 110: (0.1644, 0.0579)}.items()
                for skip, error in zip(SKIPS, errors, strict=True)
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
