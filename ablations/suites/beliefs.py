"""Five common sentences about skip connections, written as claims.

Question  Which of five common sentences about skip connections hold?
Source    ours; the sentences are those of introductions to residual networks
Command   resnet-ablate run beliefs --scale smoke

1. A deeper residual net is better.
2. A residual net needs fewer parameters than a plain net with the same error. With option A, two nets of equal depth
   and width have equally many parameters. So the plain net has twice the width, and about four times the parameters.
3. A residual net trains in less time. Two nets of equal depth and width need equally many operations per step, so time
   is counted in steps. The validation error, averaged over the epochs, is lower if it falls sooner.
4. The gradients of a deep plain net vanish. The claims are about the start and the end of training, with and without
   normalisation. A gradient vanishes if it is smaller near the input than near the output.
5. A skip makes the gradients larger. The claims are about gradients near the input, relative to those near the output.
"""

from typing import Literal

from ablations.designs import Design, grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, Skip, cifar

Norm = Literal["batch", "none"]


def net(depth: int, skip: Skip, norm: Norm = "batch", width: int = 8) -> NetSpec:
    """Return an arm's network."""
    return cifar(depth, width, skip=skip, norm=norm)


def near_input(when: str, skip: Skip, width: int, norm: Norm = "batch") -> Contrast:
    """Return log10 of the gradient near the input over that near the output for 56 layers, at `init` or `end`."""
    return mean(f"gradient_decades_at_{when}", depth=56, skip=skip, norm=norm, width=width)


def measured(measure: str, depth: int, skip: Skip, width: int) -> Contrast:
    """Return the mean of a measure over the seeds of a net with normalisation."""
    return mean(measure, depth=depth, skip=skip, norm="batch", width=width)


def claims(width: int) -> dict[str, Claim]:
    """Return the claims of the five sentences for nets of this width."""
    wide = 2 * width
    return {
        "The residual net of 20 layers has a lower test error than that of 8.": (
            measured("test_error", 20, "A", width) < measured("test_error", 8, "A", width)
        ),
        "The residual net of 56 layers has a lower test error than that of 20.": (
            measured("test_error", 56, "A", width) < measured("test_error", 20, "A", width)
        ),
        "With 20 layers, the residual net has a lower test error than the plain net with four times its parameters.": (
            measured("test_error", 20, "A", width) < measured("test_error", 20, "none", wide)
        ),
        "With 56 layers, the residual net has a lower test error than the plain net with four times its parameters.": (
            measured("test_error", 56, "A", width) < measured("test_error", 56, "none", wide)
        ),
        "With 20 layers, the residual net's validation error falls sooner than the plain net's.": (
            measured("mean_val_error", 20, "A", width) < measured("mean_val_error", 20, "none", width)
        ),
        "With 56 layers, the residual net's validation error falls sooner than the plain net's.": (
            measured("mean_val_error", 56, "A", width) < measured("mean_val_error", 56, "none", width)
        ),
        "At the start, the gradients of the plain net of 56 layers are smaller near the input than near the output.": (
            near_input("init", "none", width) < 0
        ),
        "At the start, without normalisation, the plain net's gradients are smaller near the input, too.": (
            near_input("init", "none", width, "none") < 0
        ),
        "At the end of training, the plain net's gradients are smaller near the input than near the output.": (
            near_input("end", "none", width) < 0
        ),
        "At the start, the gradients near the input, relative to the output, are larger with the skip than without.": (
            near_input("init", "A", width) > near_input("init", "none", width)
        ),
        "At the end of training, the gradients near the input are larger with the skip than without.": (
            near_input("end", "A", width) > near_input("end", "none", width)
        ),
    }


def design(width: int) -> Design:
    """Return the arms of the claims."""
    return (
        grid(depth=(8, 20, 56), skip=("none", "A"), norm=("batch",), width=(width,))
        + grid(depth=(56,), skip=("none", "A"), norm=("none",), width=(width,))
        + grid(depth=(20, 56), skip=("none",), norm=("batch",), width=(2 * width,))
    )


laptop_claims = {text: claim for text, claim in claims(8).items() if "56 layers" not in text or "four" not in text}
"""Claims without that on the plain net of 56 layers and width 16, which takes a third of the time of all arms."""
laptop_design = (
    grid(depth=(8,), skip=("A",), norm=("batch",), width=(8,))
    + grid(depth=(20, 56), skip=("none", "A"), norm=("batch",), width=(8,))
    + grid(depth=(56,), skip=("none", "A"), norm=("none",), width=(8,))
    + grid(depth=(20,), skip=("none",), norm=("batch",), width=(16,))
)

study = Study(
    name="beliefs",
    question="Which of five common sentences about skip connections hold?",
    source="ours",
    net=net,
    scales={
        "smoke": smoke(
            design=design(8),
            claims=claims(8),
        ),
        "laptop": laptop(
            design=laptop_design,
            claims=laptop_claims,
        ),
        "paper": Scale(
            design=design(16),
            train=HE_2015,
            seeds=5,
            claims=claims(16),
            untuned=OF_THE_PAPER,
        ),
    },
)
