"""Networks that are trained without a part, and networks from which the part is removed after training.

Question  If a network can be trained without a part, can the trained network also do without it?
Source    ours; removing a part after training is from Veit et al. 2016, section 4.1
Command   resnet-ablate run never-or-after --scale smoke

The part is the branch, or the skip, of the last block of a stage. *Never*: The network is trained without it. A block
without its branch is the identity, so the network has one block less. *After*: The part is removed from the trained
network with all parts and the same seed. The measure is the test error of the remaining network.
"""

from typing import Literal

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, cifar

Without = Literal["nothing", "branch1", "branch2", "branch3", "skip1", "skip2", "skip3"]
WITHOUT: tuple[Without, ...] = ("nothing", "branch1", "branch2", "branch3", "skip1", "skip2", "skip3")
STAGES = (1, 2, 3)


def net(depth: int, without: Without, width: int = 16) -> NetSpec:
    """Return a network that never had the branch, or the skip, of the last block of a stage."""
    whole = cifar(depth, width)
    if without == "nothing":
        return whole
    part, stage = without[:-1], int(without[-1]) - 1
    if part == "branch":
        return whole.replace(depths=tuple(count - (i == stage) for i, count in enumerate(whole.depths)))
    mask = tuple("1" * (count - (i == stage)) + "0" * (i == stage) for i, count in enumerate(whole.depths))
    return whole.replace(skip_mask=mask)


def error(part: str, stage: int, blocks: int, without: Without) -> Contrast:
    """Return the error without a part: after its removal from the whole network, or of a network that never had it."""
    taken = f"block=stage{stage}_block{blocks}" + (",taken_out=skip" if part == "skip" else "")
    return mean(f"lesion[{taken}].mean or test_error", without=without)


def _claims(depth: int) -> dict[str, Claim]:
    blocks = (depth - 2) // 6
    claims: dict[str, Claim] = {}
    for part in ("branch", "skip"):
        for stage in STAGES:
            never: Without = f"{part}{stage}"  # type: ignore[assignment]
            claims[
                f"Removing the {part} of the last block of stage {stage} after training costs more than training "
                "without it."
            ] = error(part, stage, blocks, "nothing") > error(part, stage, blocks, never)
    return claims


study = Study(
    name="never-or-after",
    question="If a network can be trained without a part, can the trained network also do without it?",
    source="ours",
    net=net,
    probes=("lesion", "lesion taken_out=skip"),
    scales={
        "smoke": smoke(
            design=grid(depth=(20,), without=WITHOUT, width=(8,)),
            claims=_claims(20),
        ),
        "laptop": laptop(
            design=grid(depth=(20,), without=WITHOUT, width=(8,)),
            claims=_claims(20),
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(56,), without=WITHOUT),
            train=HE_2015,
            seeds=3,
            claims=_claims(56),
            untuned=OF_THE_PAPER,
        ),
    },
)
