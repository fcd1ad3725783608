"""Criticality: blocks of trained networks put back to their initial weights, or to others drawn anew.

Question  Are all blocks of a trained network equally needed?
Source    Zhang, Bengio, Singer 2022, "Are all layers created equal?", section 3 (figures without printed numbers)
Command   resnet-ablate run criticality --scale smoke

After training, one block at a time is put back, the others being as trained. An error near that of the whole network
says that the block is robust, one near chance that it is critical. The first claim tests whether blocks of one network
differ by more than .2 in what they cost; the others, whether a block costs less on average where there are more of
them, back at its initial weights (`reset`) and at others (`randomise`): only the former are those that it was trained
from. All errors are of the network as a whole, on test images, moving statistics being those after training.
"""

from ablations.designs import grid
from ablations.scales import CIFAR_16, CIFAR_16_RATES, DIGITS, DIGITS_RATES, HE_2015, OF_THE_PAPER
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar


def net(depth: int, width: int = 16) -> NetSpec:
    """Return an arm's network."""
    return cifar(depth, width)


def error(statistic: str, depth: int, probe: str = "reset") -> Contrast:
    """Return a statistic, over the blocks, of the error with one block put back."""
    return mean(f"{probe}[unit=block].{statistic}", depth=depth)


def _claims(shallow: int, deep: int) -> dict[str, Claim]:
    return {
        f"Of {deep} layers, the most critical block costs more than a fifth of the images more than the most robust.": (
            error("range", deep) > 0.2
        ),
        f"A block put back costs the net of {deep} layers less than that of {shallow}.": (
            error("mean", deep) < error("mean", shallow)
        ),
        f"A block drawn anew costs the net of {deep} layers less than that of {shallow}.": (
            error("mean", deep, "randomise") < error("mean", shallow, "randomise")
        ),
    }


study = Study(
    name="criticality",
    question="Are all blocks of a trained network equally needed?",
    source="Zhang et al. 2022, section 3",
    net=net,
    probes=("reset", "randomise"),
    scales={
        "smoke": Scale(
            design=grid(depth=(8, 20), width=(8,)),
            train=DIGITS,
            seeds=5,
            claims=_claims(8, 20),
            learning_rates=DIGITS_RATES,
        ),
        "laptop": Scale(
            design=grid(depth=(8, 20), width=(8,)),
            train=CIFAR_16,
            seeds=3,
            claims=_claims(8, 20),
            learning_rates=CIFAR_16_RATES,
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
