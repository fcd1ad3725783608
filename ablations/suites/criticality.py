"""Criticality: blocks of trained networks are reset to their initial weights, or to new random weights.

Question  Are all blocks of a trained network equally important?
Source    Zhang, Bengio, Singer 2022, "Are all layers created equal?", section 3 (figures, without printed numbers)
Command   resnet-ablate run criticality --scale smoke

After training, one block at a time is reset, and the others stay as trained. If the error is near that of the intact
network, the block is robust; if it is near chance, the block is critical. The first claim tests whether the errors for
different blocks of one network differ by more than .2. The other claims test whether the reset of a block raises the
error less, on average, in a network with more blocks: to its own initial weights (`reset`), and to new random weights
(`randomise`). All errors are those of the whole network on test images, with the moving statistics after training.
"""

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar


def net(depth: int, width: int = 16) -> NetSpec:
    """Return an arm's network."""
    return cifar(depth, width)


def error(statistic: str, depth: int, probe: str = "reset") -> Contrast:
    """Return a statistic, over the blocks, of the error with one block reset."""
    return mean(f"{probe}[unit=block].{statistic}", depth=depth)


def _claims(shallow: int, deep: int) -> dict[str, Claim]:
    return {
        f"With {deep} layers, resetting the most critical block raises the error by over 0.2 more than the most robust "
        "one.": (error("range", deep) > 0.2),
        f"Resetting a block to its initial weights raises the error less with {deep} layers than with {shallow}.": (
            error("mean", deep) < error("mean", shallow)
        ),
        f"Resetting a block to random weights raises the error less with {deep} layers than with {shallow}.": (
            error("mean", deep, "randomise") < error("mean", shallow, "randomise")
        ),
    }


study = Study(
    name="criticality",
    question="Are all blocks of a trained network equally important?",
    source="Zhang et al. 2022, section 3",
    net=net,
    probes=("reset", "randomise"),
    scales={
        "smoke": smoke(
            design=grid(depth=(8, 20), width=(8,)),
            claims=_claims(8, 20),
        ),
        "laptop": laptop(
            design=grid(depth=(8, 20), width=(8,)),
            claims=_claims(8, 20),
            trial_seeds=2,
        ),
        "paper": Scale(
            design=grid(depth=(20, 56)),
            train=HE_2015,
            seeds=3,
            claims=_claims(20, 56),
            untuned=OF_THE_PAPER,
        ),
    },
)
