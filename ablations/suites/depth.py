"""Plain against residual networks, by depth.

Question  How well does a network train as it gets deeper, with the skip and without it?
Source    He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.2, figure 6
Command   resnet-ablate run depth --scale smoke
"""

from ablations.study import Scale, Study
from resnet_core.nets.spec import NetSpec, Skip, cifar
from resnet_core.runs.spec import TrainSpec


def net(depth: int, skip: Skip, width: int) -> NetSpec:
    """Return an arm's network; with option A, it and its plain twin have equal parameters."""
    return cifar(depth, width, skip=skip)


def train(base: TrainSpec, depth: int) -> TrainSpec:
    """Return an arm's training: 110 layers and more start at a lower rate if the base says how long."""
    return base if depth >= 110 else base.replace(warmup_steps=0)


study = Study(
    name="depth",
    question="How well does a network train as it gets deeper, with the skip and without it?",
    source="He et al. 2015, section 4.2",
    net=net,
    train=train,
    scales={
        "smoke": Scale(
            factors={"depth": (8, 20, 56), "skip": ("none", "A"), "width": (8,)},
            train=TrainSpec(data="digits", steps=300, batch_size=64, learning_rate=0.05, weight_decay=0.0),
            seeds=3,
            cost="18 runs, 2 minutes on two cores",
        ),
        "laptop": Scale(
            factors={"depth": (8, 20, 56), "skip": ("none", "A"), "width": (8,)},
            train=TrainSpec(data="cifar10", image_size=16, train_size=20_000, steps=400, weight_decay=0.0),
            seeds=3,
            cost="18 runs, half an hour on two cores",
        ),
        "paper": Scale(
            factors={"depth": (20, 32, 44, 56, 110), "skip": ("none", "A"), "width": (16,)},
            train=TrainSpec(
                data="cifar10",
                steps=64_000,
                learning_rate_drops=(0.5, 0.75),
                augmentation="crop_flip",
                preprocessing="pixel_mean",
                warmup_steps=400,
            ),
            seeds=5,
            cost="50 runs, not measured; a GPU",
        ),
    },
)
