"""Plain and residual networks, by depth.

Question  How well does a network train as it gets deeper, with the skip and without it?
Source    He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2, figure 6
Command   resnet-ablate run depth --scale smoke
"""

from ablations.designs import grid
from ablations.scales import HE_2015, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, Skip, cifar
from resnet_core.runs.spec import TrainSpec


def net(depth: int, skip: Skip, width: int) -> NetSpec:
    """Return an arm's network. With option A, it has as many parameters as the plain network."""
    return cifar(depth, width, skip=skip)


def train(base: TrainSpec, depth: int) -> TrainSpec:
    """Return an arm's training. Networks with 110 or more layers start at a lower rate if the base has a warm-up."""
    return base if depth >= 110 else base.replace(warmup_steps=0, warmup_share=0.0)


claims = {
    "With 56 layers, the residual net's test error is lower than the plain net's.": (
        mean("test_error", depth=56, skip="A") < mean("test_error", depth=56, skip="none")
    ),
    "The plain net's test error rises from 20 to 56 layers.": (
        mean("test_error", depth=56, skip="none") > mean("test_error", depth=20, skip="none")
    ),
    "The residual net's test error falls from 20 to 56 layers.": (
        mean("test_error", depth=56, skip="A") < mean("test_error", depth=20, skip="A")
    ),
    "The plain net's training error rises from 20 to 56 layers.": (
        mean("train_error", depth=56, skip="none") > mean("train_error", depth=20, skip="none")
    ),
    "The residual net's training error does not rise by 0.02 or more from 20 to 56 layers.": (
        mean("train_error", depth=56, skip="A") - mean("train_error", depth=20, skip="A") < 0.02
    ),
    "With 56 layers, the plain net's initial gradients are larger near the input than near the output.": (
        mean("gradient_decades_at_init", depth=56, skip="none") > 0
    ),
    "With 56 layers, the plain net's initial gradients grow more towards the input than the residual net's.": (
        mean("gradient_decades_at_init", depth=56, skip="none") > mean("gradient_decades_at_init", depth=56, skip="A")
    ),
}
PAPER = "He et al. 2015, table 6"

study = Study(
    name="depth",
    question="How well does a network train as it gets deeper, with the skip and without it?",
    source="He et al. 2015, section 4.2",
    net=net,
    train=train,
    scales={
        "smoke": smoke(
            design=grid(depth=(8, 20, 56), skip=("none", "A"), width=(8,)),
            claims=claims,
        ),
        "laptop": laptop(
            design=grid(depth=(8, 20, 56), skip=("none", "A"), width=(8,)),
            seeds=5,
            claims=claims,
            trial_seeds=2,
        ),
        "paper": Scale(
            design=grid(depth=(20, 32, 44, 56, 110), skip=("none", "A"), width=(16,)),
            train=HE_2015,
            seeds=5,
            claims={
                **claims,
                "The residual net's test error falls from 20 to 110 layers.": (
                    mean("test_error", depth=110, skip="A") < mean("test_error", depth=20, skip="A")
                ),
                "With 110 layers, the plain net's test error is above 0.6.": (
                    mean("test_error", depth=110, skip="none") > 0.6
                ),
            },
            published=(
                *(
                    Published(PAPER, "test_error", {"depth": depth, "skip": "A"}, error)
                    for depth, error in {20: 0.0875, 32: 0.0751, 44: 0.0717, 56: 0.0697}.items()
                ),
                Published(PAPER, "test_error", {"depth": 110, "skip": "A"}, 0.0643, "best", 5),
                Published(PAPER, "test_error", {"depth": 110, "skip": "A"}, 0.0661, "mean", 5, spread=0.0016),
                Published("He et al. 2015, figure 6", "test_error", {"depth": 110, "skip": "none"}, 0.6, failed=True),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
