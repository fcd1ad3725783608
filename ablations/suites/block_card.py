"""What each block of a trained network does: residual nets of two depths, and their plain twins.

Question  What does each block of a trained network do, and does it do less in a deeper one?
Source    Veit et al. 2016, section 4.1; Jastrzębski et al. 2018, "Residual Connections Encourage Iterative Inference",
          section 3
Command   resnet-ablate run block-card --scale smoke

The report has the block card: a table with one row for each block, and its lesion, reset, gradient, similarity and
cost. The claims compare means over the blocks that keep the shape, or over pairs of neighbouring places.
"""

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, Skip, cifar

SKIPS: tuple[Skip, ...] = ("none", "A")


def net(depth: int, skip: Skip, width: int = 16) -> NetSpec:
    """Return an arm's network. At equal depth, both have equally many parameters."""
    return cifar(depth, width, skip=skip)


def one_less(depth: int, skip: Skip) -> Contrast:
    """Return the test error without one block that keeps the shape, in the mean over these blocks."""
    return mean("lesion[changes_shape=False].mean", depth=depth, skip=skip)


def neighbours(depth: int, skip: Skip) -> Contrast:
    """Return CKA of places with one block between them, in the mean over the pairs."""
    return mean("similarity[apart=1].mean", depth=depth, skip=skip)


def _claims(shallow: int, deep: int) -> dict[str, Claim]:
    return {
        f"Without one block, the residual net of {deep} layers has a lower test error than that of {shallow}.": (
            one_less(deep, "A") < one_less(shallow, "A")
        ),
        f"With {deep} layers, the residual net has a lower test error without one block than the plain net.": (
            one_less(deep, "A") < one_less(deep, "none")
        ),
        f"With {deep} layers, neighbouring places are more similar in the residual net than in the plain net.": (
            neighbours(deep, "A") > neighbours(deep, "none")
        ),
        f"The blocks of the residual net of {deep} layers move their input down the gradient of the loss.": (
            mean("iterative.mean", depth=deep, skip="A") < 0
        ),
    }


study = Study(
    name="block-card",
    question="What does each block of a trained network do, and does it do less in a deeper one?",
    source="Veit et al. 2016, section 4.1; Jastrzębski et al. 2018, section 3",
    net=net,
    probes=("lesion", "reset", "iterative", "signal", "similarity", "linear_probe"),
    scales={
        "smoke": smoke(
            design=grid(depth=(14, 38), skip=SKIPS, width=(8,)),
            claims=_claims(14, 38),
        ),
        "laptop": laptop(
            design=grid(depth=(20, 56), skip=SKIPS, width=(8,)),
            claims=_claims(20, 56),
        ),
        "paper": Scale(
            design=grid(depth=(20, 56), skip=SKIPS),
            train=HE_2015,
            seeds=3,
            claims=_claims(20, 56),
            untuned=OF_THE_PAPER,
        ),
    },
)
