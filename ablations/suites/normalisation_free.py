"""Residual networks without normalisation, by depth.

Question  What lets a deep residual network train without normalisation, and to which depth?
Source    De and Smith 2020, "Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep
          Networks", section 3; Zhang et al. 2019, "Fixup Initialization"; Bachlechner et al. 2021, "ReZero"
Command   resnet-ablate run normalisation-free --scale smoke
Cost      50 runs and 20 trials of learning rates, 6 minutes on two cores at smoke scale
Finding   At smoke scale, of 58 layers, no net trains with neither normalisation nor scale; the training errors of
          SkipInit, ReZero and Fixup are within 0.02 of batch normalisation's

Networks are De and Smith's, wide and in pre-activation order; ReZero and Fixup are in the original order, as in their
papers. Networks without normalisation have biases in its place. Each arm takes the best of the scale's learning rates.
"""

from typing import Any, Literal

from ablations.designs import grid
from ablations.scales import CIFAR_16, DIGITS, WRN
from ablations.study import Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import wide

Scheme = Literal["batch_norm", "none", "halved_variance", "skipinit", "rezero", "fixup"]
BARE = {"norm": "none", "conv_bias": True}
SCHEMES: dict[Scheme, dict[str, Any]] = {
    "batch_norm": {},
    "none": BARE,
    "halved_variance": {**BARE, "skip_transform": "scale", "skip_factor": 0.5**0.5, "branch_factor": 0.5**0.5},
    "skipinit": {**BARE, "branch_scale": "skipinit"},
    "rezero": {**BARE, "branch_scale": "rezero", "order": "original"},
    "fixup": {"norm": "none", "branch_scale": "fixup", "order": "original"},  # has scalar biases of its own
}


def net(depth: int, scheme: Scheme, width: int) -> NetSpec:
    """Return an arm's network."""
    return wide(depth, width, **SCHEMES[scheme])


small = {
    "of 58 layers, the training error is higher with neither normalisation nor scale than with SkipInit": (
        mean("train_error", depth=58, scheme="none") > mean("train_error", depth=58, scheme="skipinit")
    ),
    "SkipInit's is not higher than batch normalisation's by 0.05 or more": (
        mean("train_error", depth=58, scheme="skipinit") - mean("train_error", depth=58, scheme="batch_norm") < 0.05
    ),
    "nor is ReZero's": (
        mean("train_error", depth=58, scheme="rezero") - mean("train_error", depth=58, scheme="batch_norm") < 0.05
    ),
    "nor is Fixup's": (
        mean("train_error", depth=58, scheme="fixup") - mean("train_error", depth=58, scheme="batch_norm") < 0.05
    ),
}

study = Study(
    name="normalisation-free",
    question="What lets a deep residual network train without normalisation, and to which depth?",
    source="De and Smith 2020, section 3",
    net=net,
    scales={
        "smoke": Scale(
            design=grid(depth=(16, 58), scheme=("batch_norm", "none", "skipinit", "rezero", "fixup"), width=(8,)),
            train=DIGITS,
            seeds=5,
            cost="50 runs and 20 trials of learning rates, 6 minutes on two cores",
            learning_rates=(0.05, 0.01),
            claims=small,
        ),
        "laptop": Scale(
            design=grid(depth=(16, 58), scheme=tuple(SCHEMES), width=(8,)),
            train=CIFAR_16,
            seeds=3,
            learning_rates=(0.1, 0.02),
            claims=small,
        ),
        "paper": Scale(  # the papers' own figures are at learning rates, or of networks, that these are not
            design=grid(depth=(16, 100, 1000), scheme=tuple(SCHEMES), width=(32,)),
            train=WRN.replace(validation_fraction=0.1),
            seeds=3,
            learning_rates=(0.1, 0.03, 0.01, 0.003, 0.001),
            claims={
                "of 1000 layers, the training error is lower with SkipInit than with neither": (
                    mean("train_error", depth=1000, scheme="skipinit") < mean("train_error", depth=1000, scheme="none")
                ),
                "and than with skip and branch over the root of 2": (
                    mean("train_error", depth=1000, scheme="skipinit")
                    < mean("train_error", depth=1000, scheme="halved_variance")
                ),
                "of 1000 layers, SkipInit's training error is not higher than that of 16 by 0.02 or more": (
                    mean("train_error", depth=1000, scheme="skipinit")
                    - mean("train_error", depth=16, scheme="skipinit")
                    < 0.02
                ),
                "of 100 layers, SkipInit's test error is within 0.02 of batch normalisation's": (
                    mean("test_error", depth=100, scheme="skipinit")
                    - mean("test_error", depth=100, scheme="batch_norm")
                ).within(0.02),
            },
        ),
    },
)
