"""What rides on the skip: nothing, a factor, a gate, a convolution, a dropout.

Question  Does the skip have to be the identity?
Source    He et al. 2016, "Identity Mappings in Deep Residual Networks", section 3.1, table 1
Command   resnet-ablate run skip-transforms --scale smoke
Cost      45 runs, 4 minutes on two cores at smoke scale
Finding   At smoke scale, the mean training loss is 0.55 higher with skip and branch halved than with the identity,
          0.35 higher with a 1x1 convolution, and 0.60 higher with a gate that starts half shut than with one that
          starts open
"""

from typing import Any, Literal

from ablations.designs import Design, grid
from ablations.scales import CIFAR_16, DIGITS, HE_2015
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, cifar

Transform = Literal["identity", "halved_skip", "halved", "exclusive_gate", "shortcut_gate", "conv", "dropout"]
TRANSFORMS: dict[Transform, dict[str, Any]] = {
    "identity": {},
    "halved_skip": {"skip_transform": "scale", "skip_factor": 0.5, "branch_factor": 1.0},
    "halved": {"skip_transform": "scale", "skip_factor": 0.5, "branch_factor": 0.5},
    "exclusive_gate": {"skip_transform": "exclusive_gate"},
    "shortcut_gate": {"skip_transform": "shortcut_gate"},
    "conv": {"skip_transform": "conv"},
    "dropout": {"skip_transform": "dropout", "skip_dropout": 0.5},
}
GATES = ("exclusive_gate", "shortcut_gate")


def net(depth: int, transform: Transform, gate_bias: float = -6.0, width: int = 16) -> NetSpec:
    """Return an arm's network; only gates read `gate_bias`, the higher the more of the skip is shut at first."""
    return cifar(depth, width, **TRANSFORMS[transform], gate_bias=gate_bias)


def transforms(depth: int, width: int) -> Design:
    """Return the arms of every transform, the gates with open and with shut biases."""
    every = grid(depth=(depth,), transform=tuple(TRANSFORMS), gate_bias=(0.0, -6.0), width=(width,))
    return every.only("gate_bias", transform=GATES)


small = {
    "the mean training loss is higher with skip and branch halved than with the identity": (
        mean("mean_loss", transform="halved") > mean("mean_loss", transform="identity")
    ),
    "it is higher with a 1x1 convolution on the skip": (
        mean("mean_loss", transform="conv") > mean("mean_loss", transform="identity")
    ),
    "it is higher with a dropout on the skip": (
        mean("mean_loss", transform="dropout") > mean("mean_loss", transform="identity")
    ),
    "a gate that shuts half of the skip at first has a higher one than a gate that is nearly open": (
        mean("mean_loss", transform="shortcut_gate", gate_bias=0.0)
        > mean("mean_loss", transform="shortcut_gate", gate_bias=-6.0)
    ),
}
PAPER = "He et al. 2016, table 1, median of 5"

study = Study(
    name="skip-transforms",
    question="Does the skip have to be the identity?",
    source="He et al. 2016, section 3.1",
    net=net,
    scales={
        "smoke": Scale(
            design=transforms(38, 8), train=DIGITS, seeds=5, cost="45 runs, 4 minutes on two cores", claims=small
        ),
        "laptop": Scale(design=transforms(56, 8), train=CIFAR_16, seeds=3, claims=small),
        "paper": Scale(
            design=transforms(110, 16)
            + grid(depth=(110,), transform=("exclusive_gate",), gate_bias=(-7.0,), width=(16,)),
            train=HE_2015,
            seeds=5,
            claims={
                "the test error is lower with the identity than with skip and branch halved": (
                    mean("test_error", transform="identity") < mean("test_error", transform="halved")
                ),
                "it is lower than with an exclusive gate": (
                    mean("test_error", transform="identity")
                    < mean("test_error", transform="exclusive_gate", gate_bias=-6.0)
                ),
                "it is lower than with a 1x1 convolution": (
                    mean("test_error", transform="identity") < mean("test_error", transform="conv")
                ),
                "with a dropout it is above 0.2": mean("test_error", transform="dropout") > 0.2,
            },
            published=(  # halved_skip, dropout, and an exclusive gate of bias 0 "fail", above 0.2
                Published(PAPER, "test_error", {"transform": "identity"}, 0.0661),
                Published(PAPER, "test_error", {"transform": "halved"}, 0.1235),
                Published(PAPER, "test_error", {"transform": "exclusive_gate", "gate_bias": -6.0}, 0.0870),
                Published(PAPER, "test_error", {"transform": "exclusive_gate", "gate_bias": -7.0}, 0.0981),
                Published(PAPER, "test_error", {"transform": "shortcut_gate", "gate_bias": 0.0}, 0.1286),
                Published(PAPER, "test_error", {"transform": "shortcut_gate", "gate_bias": -6.0}, 0.0691),
                Published(PAPER, "test_error", {"transform": "conv"}, 0.1222),
            ),
        ),
    },
)
