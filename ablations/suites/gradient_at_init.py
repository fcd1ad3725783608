"""Gradients at the initial weights: plain, residual and pre-activation networks, with and without normalisation.

Question  Do gradients grow or shrink towards the input before any training, and by how much with depth?
Source    ratios that were measured with PyTorch, see `RATIOS`
Command   resnet-ablate run gradient-at-init --scale smoke

The networks are not trained and have He's initial weights. The measure is log10 of the ratio of two L2 gradients, those
of the weights of the second and of the last convolution, on one batch in training mode.
"""

from math import log10
from typing import Any, Literal

from ablations.designs import grid
from ablations.study import Published, Scale, Study
from analysis.claims import Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.spec import TrainSpec

Network = Literal["plain", "residual", "preactivation"]
NETWORKS: dict[Network, dict[str, Any]] = {
    "plain": {"skip": "none"},
    "residual": {},
    "preactivation": {"order": "full_preactivation"},
}
DEPTHS = (20, 56, 110)


def net(depth: int, network: Network, norm: Literal["batch", "none"], width: int = 16) -> NetSpec:
    """Return an arm's network. At equal depth, all three have equally many parameters."""
    return cifar(depth, width, norm=norm, **NETWORKS[network])


def decades(network: Network, norm: str, depth: int) -> Contrast:
    """Return the measure of the study: log10 of the ratio of the gradients."""
    return mean("gradient_decades_at_init", network=network, norm=norm, depth=depth)


claims = {
    "With 56 layers and normalisation, the plain net's gradients grow towards the input by more than a decade.": (
        decades("plain", "batch", 56) > 1
    ),
    "With normalisation, the plain net's gradients grow more towards the input at 110 layers than at 56.": (
        decades("plain", "batch", 110) > decades("plain", "batch", 56)
    ),
    "With 110 layers and normalisation, the residual net's gradients grow by less than a decade.": (
        decades("residual", "batch", 110) < 1
    ),
    "With 110 layers and no normalisation, the plain net's gradients stay within a decade.": (
        decades("plain", "none", 110).within(1)
    ),
}
RATIOS: dict[tuple[Network, str], tuple[float, ...]] = {  # by depth
    ("plain", "batch"): (4.1, 786, 1.4e6),
    ("residual", "batch"): (1.2, 3.1, 5.0),
    ("preactivation", "batch"): (2.0, 12, 25),
    ("plain", "none"): (0.34, 0.85, 4.8),
    ("residual", "none"): (0.35, 0.35, 0.27),
}
MEASURED = "measured with PyTorch 2.13: a batch of CIFAR-10, He's initial weights"
published = tuple(
    Published(
        MEASURED, "gradient_decades_at_init", {"network": network, "norm": norm, "depth": depth}, log10(ratio), runs=3
    )
    for (network, norm), ratios in RATIOS.items()
    for depth, ratio in zip(DEPTHS, ratios, strict=True)
)
UNTRAINED = "nothing is trained"
every = {"depth": DEPTHS, "network": tuple(NETWORKS), "norm": ("batch", "none")}

study = Study(
    name="gradient-at-init",
    question="Do gradients grow or shrink towards the input before any training, and by how much with depth?",
    source="ratios measured with PyTorch",
    net=net,
    probe=ProbeSpec(steps=(0,), each_epoch=False),
    scales={
        "smoke": Scale(
            design=grid(**every, width=(8,)),
            train=TrainSpec(data="digits", steps=0),
            seeds=3,
            claims=claims,
            untuned=UNTRAINED,
        ),
        "laptop": Scale(
            design=grid(**every),
            train=TrainSpec(data="cifar10", train_size=1000, steps=0),
            seeds=3,
            claims=claims,
            published=published,
            untuned=UNTRAINED,
        ),
        "paper": Scale(
            design=grid(**every),
            train=TrainSpec(data="cifar10", steps=0),
            seeds=10,
            claims=claims,
            published=published,
            untuned=UNTRAINED,
        ),
    },
)
