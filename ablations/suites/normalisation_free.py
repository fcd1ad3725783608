"""Residual networks without normalisation, by depth.

Question  What lets a deep residual network train without normalisation, and to which depth?
Source    De and Smith 2020, "Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep
          Networks", section 3; Zhang et al. 2019, "Fixup Initialization"; Bachlechner et al. 2021, "ReZero"
Command   resnet-ablate run normalisation-free --scale smoke

The networks are those of De and Smith, wide and in pre-activation order. ReZero and Fixup have the original order, as
in their papers. Networks without normalisation have biases instead. Each arm is trained at the best of the scale's
learning rates.
"""

from typing import Any, Literal

from ablations.designs import grid
from ablations.scales import WRN, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, mean, rate
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
    "fixup": {"norm": "none", "branch_scale": "fixup", "order": "original"},  # Fixup has its own scalar biases
}


def net(depth: int, scheme: Scheme, width: int) -> NetSpec:
    """Return an arm's network."""
    return wide(depth, width, **SCHEMES[scheme])


TRAINED = ("batch_norm", "none", "skipinit", "rezero", "fixup")
NAMES: dict[Scheme, str] = {"skipinit": "SkipInit", "rezero": "ReZero", "fixup": "Fixup"}


def within_reach(depth: int, measure: str, words: str, scheme: Scheme) -> dict[str, Claim]:
    """Return the claim that a scheme's measure is less than 0.05 above that of batch normalisation."""
    other = mean(measure, depth=depth, scheme="batch_norm")
    claim = mean(measure, depth=depth, scheme=scheme) - other < 0.05
    return {
        f"With {depth} layers, the {words} of {NAMES[scheme]} is less than 0.05 above batch normalisation's.": claim
    }


def claims(deep: int) -> dict[str, Claim]:
    """Return the claims about the deep nets."""
    errors = [within_reach(deep, "test_error", "test error", scheme) for scheme in NAMES]
    return {
        f"With {deep} layers, training fails more often with neither normalisation nor scale than with SkipInit.": (
            rate("failed", depth=deep, scheme="none") > rate("failed", depth=deep, scheme="skipinit")
        ),
        **{text: claim for error in errors for text, claim in error.items()},
        **within_reach(deep, "train_error", "training error", "skipinit"),
    }


study = Study(
    name="normalisation-free",
    question="What lets a deep residual network train without normalisation, and to which depth?",
    source="De and Smith 2020, section 3",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(16, 58), scheme=TRAINED, width=(8,)),
            claims=claims(58),
        ),
        "laptop": laptop(
            design=grid(depth=(10, 40), scheme=TRAINED, width=(8,)),
            claims=claims(40),
            trial_seeds=2,
        ),
        "paper": Scale(
            design=grid(depth=(16, 100, 1000), scheme=tuple(SCHEMES), width=(32,)),
            train=WRN.replace(validation_fraction=0.1),
            seeds=3,
            learning_rates=(0.1, 0.03, 0.01, 0.003, 0.001),
            claims={
                "With 1000 layers, training fails more often with neither normalisation nor scale than with "
                "SkipInit.": (
                    rate("failed", depth=1000, scheme="none") > rate("failed", depth=1000, scheme="skipinit")
                ),
                "With 1000 layers, training fails more often with skip and branch divided by the root of 2 than with "
                "SkipInit.": (
                    rate("failed", depth=1000, scheme="halved_variance") > rate("failed", depth=1000, scheme="skipinit")
                ),
                "With 1000 layers, SkipInit's training error is less than 0.02 above that of 16 layers.": (
                    mean("train_error", depth=1000, scheme="skipinit")
                    - mean("train_error", depth=16, scheme="skipinit")
                    < 0.02
                ),
                "With 100 layers, the test errors of SkipInit and of batch normalisation differ by less than 0.02.": (
                    mean("test_error", depth=100, scheme="skipinit")
                    - mean("test_error", depth=100, scheme="batch_norm")
                ).within(0.02),
            },
            published=tuple(  # what trains has figures too, which are not at hand
                Published(
                    "De and Smith 2020, section 3", "test_error", {"depth": 1000, "scheme": scheme}, None, failed=True
                )
                for scheme in ("none", "halved_variance")
            ),
        ),
    },
)
