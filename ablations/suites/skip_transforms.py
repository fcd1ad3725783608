"""Transforms on the skip: none, a factor, a gate, a convolution, dropout.

Question  Does the skip have to be the identity?
Source    He et al. 2016, "Identity Mappings in Deep Residual Networks", section 3.1, table 1
Command   resnet-ablate run skip-transforms --scale smoke
"""

from typing import Any, Literal

from ablations.designs import Design, grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Contrast, mean, rate
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
    """Return an arm's network. Only gates use `gate_bias`: the higher it is, the less passes the skip at the start."""
    return cifar(depth, width, **TRANSFORMS[transform], gate_bias=gate_bias)


def transforms(depth: int, width: int) -> Design:
    """Return the arms: every transform, and gates that start open and closed."""
    every = grid(depth=(depth,), transform=tuple(TRANSFORMS), gate_bias=(0.0, -6.0), width=(width,))
    return every.only("gate_bias", transform=GATES)


def error(transform: Transform, **levels: float) -> Contrast:
    """Return the test error with a transform on the skip."""
    return mean("test_error", transform=transform, **levels)


claims = {
    "The test error is lower with the identity than with skip and branch halved.": error("identity") < error("halved"),
    "The test error is lower with the identity than with a 1x1 convolution.": error("identity") < error("conv"),
    "The test error is lower with the identity than with an exclusive gate that starts open.": (
        error("identity") < error("exclusive_gate", gate_bias=-6.0)
    ),
    "The test error is higher with an exclusive gate that starts half shut than with one that starts open.": (
        error("exclusive_gate", gate_bias=0.0) > error("exclusive_gate", gate_bias=-6.0)
    ),
    "The test error is higher with a gate on the skip alone that starts half shut than with one that starts open.": (
        error("shortcut_gate", gate_bias=0.0) > error("shortcut_gate", gate_bias=-6.0)
    ),
    "With the skip alone halved, the test error is above 0.2.": error("halved_skip") > 0.2,
    "With dropout on the skip, the test error is above 0.2.": error("dropout") > 0.2,
    "Training fails more often with dropout on the skip than with the identity.": (
        rate("failed", transform="dropout") > rate("failed", transform="identity")
    ),
}
FAILING: dict[str, Transform] = {"With the skip alone halved": "halved_skip", "With dropout on the skip": "dropout"}
laptop_claims = {text: claim for text, claim in claims.items() if "above 0.2" not in text} | {
    f"{words}, the test error is more than 0.1 above the identity's.": error(transform) - error("identity") > 0.1
    for words, transform in FAILING.items()
}
PAPER = "He et al. 2016, table 1"

study = Study(
    name="skip-transforms",
    question="Does the skip have to be the identity?",
    source="He et al. 2016, section 3.1",
    net=net,
    scales={
        "smoke": smoke(
            design=transforms(38, 8),
            claims=claims,
        ),
        "laptop": laptop(
            design=transforms(20, 8),
            claims=laptop_claims,
            trial_share=1.0,
        ),
        "paper": Scale(
            design=transforms(110, 16)
            + grid(depth=(110,), transform=("exclusive_gate",), gate_bias=(-7.0,), width=(16,)),
            train=HE_2015,
            seeds=5,
            claims=claims,
            published=(
                *(
                    Published(PAPER, "test_error", arm, error, "median", 5)
                    for arm, error in (
                        ({"transform": "identity"}, 0.0661),
                        ({"transform": "halved"}, 0.1235),
                        ({"transform": "exclusive_gate", "gate_bias": -6.0}, 0.0870),
                        ({"transform": "exclusive_gate", "gate_bias": -7.0}, 0.0981),
                        ({"transform": "shortcut_gate", "gate_bias": 0.0}, 0.1286),
                        ({"transform": "shortcut_gate", "gate_bias": -6.0}, 0.0691),
                        ({"transform": "conv"}, 0.1222),
                    )
                ),
                *(
                    Published(PAPER, "test_error", arm, 0.2, "median", 5, failed=True)
                    for arm in (
                        {"transform": "halved_skip"},
                        {"transform": "exclusive_gate", "gate_bias": 0.0},
                        {"transform": "dropout"},
                    )
                ),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
