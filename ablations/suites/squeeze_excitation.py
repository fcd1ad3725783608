"""Squeeze-and-excitation at the end of every branch.

Question  Does squeeze-and-excitation at the end of each branch lower the test error?
Source    Hu et al. 2018, "Squeeze-and-Excitation Networks", CIFAR-10
Command   resnet-ablate run squeeze-excitation --scale smoke

The training is that of He et al. 2016, with whose errors the paper compares its own. Excitation adds parameters, which
the verdicts show.
"""

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import preactivation


def net(depth: int, reduction: int, width: int = 16) -> NetSpec:
    """Return an arm's network, with channels divided by `reduction` in the excitation; 0 means no excitation."""
    return preactivation(depth, width, se_reduction=reduction)


small = {
    "The test error is lower with the excitation than without it.": (
        mean("test_error", reduction=4) < mean("test_error", reduction=0)
    ),
    "The final training loss is lower with the excitation than without it.": (
        mean("train_loss", reduction=4) < mean("train_loss", reduction=0)
    ),
}
PAPER = "Hu et al. 2018, CIFAR-10"

study = Study(
    name="squeeze-excitation",
    question="Does squeeze-and-excitation at the end of each branch lower the test error?",
    source="Hu et al. 2018",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(20, 56), reduction=(0, 4), width=(8,)),
            claims=small,
        ),
        "laptop": laptop(
            design=grid(depth=(20,), reduction=(0, 4), width=(8,)),
            claims=small,
            trial_seeds=2,
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(110, 164), reduction=(0, 16)),
            train=HE_2015,
            seeds=5,
            claims={
                f"With {depth} layers, the test error is lower with the excitation than without it.": (
                    mean("test_error", depth=depth, reduction=16) < mean("test_error", depth=depth, reduction=0)
                )
                for depth in (110, 164)
            },
            published=tuple(
                Published(PAPER, "test_error", {"depth": depth, "reduction": reduction}, error)
                for depth, errors in {110: (0.0637, 0.0521), 164: (0.0546, 0.0439)}.items()
                for reduction, error in zip((0, 16), errors, strict=True)
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
