"""Skips on some stages only, or on some blocks only.

Question  Which stages and which blocks need their skip?
Source    after Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", which takes
          blocks from trained networks
Command   resnet-ablate run partial-skips --scale smoke
"""

from collections.abc import Callable
from typing import Literal, get_args

from ablations.designs import Design, grid, one_at_a_time
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, cifar

Stages = Literal["123", "23", "13", "12", "1", "2", "3", "none"]
Blocks = Literal["all", "first", "rest", "odd"]
BLOCKS: dict[Blocks, Callable[[int], bool]] = {
    "all": lambda block: True,
    "first": lambda block: block == 1,
    "rest": lambda block: block > 1,
    "odd": lambda block: block % 2 == 1,
}


def net(depth: int, stages: Stages, blocks: Blocks, width: int = 16) -> NetSpec:
    """Return an arm's network. All arms have equally many parameters.

    Args:
        depth: See `cifar`.
        stages: The stages that have skips; `none` for the plain net.
        blocks: The blocks of these stages that have skips: `all`; the `first`, in which the shape changes; the `rest`;
            or every second block, starting with the first, `odd`.
        width: See `cifar`.
    """
    whole = cifar(depth, width)
    if stages == "none":
        return whole.replace(skip="none")
    if (stages, blocks) == ("123", "all"):
        return whole
    return whole.keep_skips(lambda stage, block: str(stage) in stages and BLOCKS[blocks](block))


def parts(depth: int, width: int) -> Design:
    """Return the arms: all skips, those of some stages, and those of some blocks."""
    base = {"stages": "123", "blocks": "all"}
    some = one_at_a_time(base, stages=get_args(Stages)[1:], blocks=get_args(Blocks)[1:])
    return grid(depth=(depth,), width=(width,)) * some


claims = {
    "The training error is higher without any skip than with the skips of the first blocks only.": (
        mean("train_error", stages="none") > mean("train_error", blocks="first")
    ),
    "The training error is higher with the skips of the first blocks only than with all skips.": (
        mean("train_error", blocks="first") > mean("train_error", stages="123", blocks="all")
    ),
    "With every second skip, the training error is less than 0.02 above that with all skips.": (
        mean("train_error", blocks="odd") - mean("train_error", stages="123", blocks="all") < 0.02
    ),
    "Without the skips of one stage, the mean training error is less than 0.02 above that with all skips.": (
        (mean("train_error", stages="23") + mean("train_error", stages="13") + mean("train_error", stages="12")) / 3
        - mean("train_error", stages="123", blocks="all")
        < 0.02
    ),
}

study = Study(
    name="partial-skips",
    question="Which stages and which blocks need their skip?",
    source="after Veit et al. 2016",
    net=net,
    scales={
        "smoke": smoke(
            design=parts(38, 8),
            claims=claims,
        ),
        "laptop": laptop(
            design=parts(20, 8),
            claims=claims,
        ),
        "paper": Scale(
            design=parts(56, 16),
            train=HE_2015.replace(warmup_steps=0),
            seeds=5,
            claims=claims,
            untuned=OF_THE_PAPER,
        ),
    },
)
