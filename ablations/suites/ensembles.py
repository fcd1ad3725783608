"""Ensembles of paths: one or several blocks are removed from trained networks.

Question  Does removing a block hurt a trained residual net as little as removing a member hurts an ensemble?
Source    Veit, Wilber, Belongie 2016, sections 4.1 and 4.2 (figures without printed numbers)
Command   resnet-ablate run ensembles --scale smoke

After training, blocks are removed. In a residual net, y = S(x) replaces y = S(x) + F(x). In a plain net, a block that
keeps the shape becomes the identity. The residual net has the pre-activation order, so its output is a sum over paths;
with a ReLU after the addition it would not be.
"""

from typing import Literal

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, cifar

Network = Literal["plain", "residual"]


def net(depth: int, network: Network, width: int = 16) -> NetSpec:
    """Return an arm's network. At equal depth, both have equally many parameters except for the last normalisation."""
    return cifar(depth, width, skip="none") if network == "plain" else cifar(depth, width, order="full_preactivation")


ONE = "lesion[changes_shape=False]"
claims = {
    "Removing a block costs the plain net more than the residual net.": (
        mean(f"{ONE}.mean", network="plain") > mean(f"{ONE}.mean", network="residual")
    ),
    "Whichever block is removed, the plain net's error is above 0.5.": (mean(f"{ONE}.smallest", network="plain") > 0.5),
    "The residual net's error rises with the number of blocks that are removed.": (
        mean("lesions[over=count].slope", network="residual") > 0
    ),
    "Each further block that is removed raises the residual net's error by less than 0.2.": (
        mean("lesions[over=count].slope", network="residual") < 0.2
    ),
}
NETWORKS = ("plain", "residual")

study = Study(
    name="ensembles",
    question="Does removing a block hurt a trained residual net as little as removing a member hurts an ensemble?",
    source="Veit et al. 2016, sections 4.1 and 4.2",
    net=net,
    probes=("lesion", "lesions", "shuffle", "paths"),
    scales={
        "smoke": smoke(
            design=grid(depth=(20,), network=NETWORKS, width=(8,)),
            claims=claims,
        ),
        "laptop": laptop(
            design=grid(depth=(20,), network=NETWORKS, width=(8,)),
            claims=claims,
            trial_seeds=2,
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(110,), network=NETWORKS),
            train=HE_2015,
            seeds=3,
            claims=claims,
            untuned=OF_THE_PAPER,
        ),
    },
)
