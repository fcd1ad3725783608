"""Similarity of the values between the blocks of wide and of deep networks.

Question  Are the blocks of wide and of deep networks similar to each other?
Source    Nguyen, Raghu, Kornblith 2021, "Do wide and deep networks learn the same things?", section 4 (figures alone)
Command   resnet-ablate run similarity --scale smoke

The measure is the mean of debiased linear CKA over all pairs of distinct places of the trained network, on test images.
Pairs of a place with itself, whose CKA is 1, are left out, since their share is smaller in deep networks. Nguyen et al.
find a block structure, in which all places are similar, if a network is large for its data. A claim compares a network
with a wider or deeper one, seed by seed. It is not about what the places share: neighbours are similar in any residual
network, since the skip passes the values on.
"""

from ablations.designs import one_at_a_time
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar


def net(depth: int, width: int) -> NetSpec:
    """Return an arm's network."""
    return cifar(depth, width)


def alike(depth: int, width: int) -> Contrast:
    """Return the mean of CKA over all pairs of distinct places."""
    return mean("similarity[apart!=0].mean", depth=depth, width=width)


def _claims(depths: tuple[int, int], widths: tuple[int, int]) -> dict[str, Claim]:
    first = alike(depths[0], widths[0])
    return {
        f"The places of a net {widths[1] // widths[0]} times as wide are more similar to each other.": (
            alike(depths[0], widths[1]) > first
        ),
        f"The places of a net of {depths[1]} layers are more similar than those of a net of {depths[0]}.": (
            alike(depths[1], widths[0]) > first
        ),
    }


study = Study(
    name="similarity",
    question="Are the blocks of wide and of deep networks similar to each other?",
    source="Nguyen et al. 2021, section 4",
    net=net,
    probes=("similarity",),
    scales={
        "smoke": smoke(
            design=one_at_a_time({"depth": 14, "width": 4}, depth=(32,), width=(16,)),
            claims=_claims((14, 32), (4, 16)),
        ),
        "laptop": laptop(
            design=one_at_a_time({"depth": 14, "width": 8}, depth=(32,), width=(32,)),
            claims=_claims((14, 32), (8, 32)),
        ),
        "paper": Scale(
            design=one_at_a_time({"depth": 38, "width": 16}, depth=(164,), width=(160,)),
            train=HE_2015,
            seeds=3,
            claims=_claims((38, 164), (16, 160)),
            untuned=OF_THE_PAPER,
        ),
    },
)
