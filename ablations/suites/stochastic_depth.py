"""Branches that are dropped at random during training.

Question  Does dropping blocks at random during training lower the test error of the whole network?
Source    Huang et al. 2016, "Deep Networks with Stochastic Depth", section 4
Command   resnet-ablate run stochastic-depth --scale smoke
"""

from ablations.designs import grid
from ablations.scales import OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, cifar
from resnet_core.runs.spec import TrainSpec


def net(depth: int, survival: float, width: int = 16) -> NetSpec:
    """Return an arm's network. The last block is kept with probability `survival`, earlier blocks more often."""
    return cifar(depth, width, survival=survival, zero_pooling="average")


claims = {
    "The test error is lower if the last block survives with probability 0.5 than if no block is dropped.": (
        mean("test_error", survival=0.5) < mean("test_error", survival=1.0)
    ),
    "The final training loss is higher if the last block survives with probability 0.5 than if no block is dropped.": (
        mean("train_loss", survival=0.5) > mean("train_loss", survival=1.0)
    ),
}
PAPER = "Huang et al. 2016, CIFAR-10"

study = Study(
    name="stochastic-depth",
    question="Does dropping blocks at random during training lower the test error of the whole network?",
    source="Huang et al. 2016, section 4",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(56,), survival=(1.0, 0.8, 0.5), width=(8,)),
            claims=claims,
        ),
        "laptop": laptop(
            design=grid(depth=(56,), survival=(1.0, 0.8, 0.5), width=(8,)),
            claims=claims,
        ),
        "paper": Scale(
            design=grid(depth=(110,), survival=(1.0, 0.5)),
            train=TrainSpec(  # from the released main.lua: Nesterov's momentum, and decay of all weights
                data="cifar10",
                epochs=500,
                learning_rate_drops=(0.5, 0.75),
                nesterov=True,
                weight_decay_of="all",
                augmentation="crop_flip",
            ),
            seeds=5,
            claims=claims,
            published=(
                Published(PAPER, "test_error", {"survival": 1.0}, 0.0641),
                Published(PAPER, "test_error", {"survival": 0.5}, 0.0525),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
