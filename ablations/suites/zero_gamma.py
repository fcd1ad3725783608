"""The initial value, 0 or 1, of the last gamma of every branch, by batch size.

Question  Does a branch that starts at 0 help, and does it help more with large batches?
Source    Goyal et al. 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour", section 5.1
Command   resnet-ablate run zero-gamma --scale smoke
          resnet-ablate run zero-gamma --scale paper --data DIR, a folder of ImageNet
"""

from typing import Annotated

from pydantic import Field

from ablations.designs import grid
from ablations.scales import DIGITS, IMAGENET, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, Contrast, mean
from resnet_core.nets.spec import NetSpec, Stem
from resnet_core.nets.zoo import imagenet
from resnet_core.runs.spec import TrainSpec


def net(depth: int, gamma: Annotated[int, Field(ge=0, le=1)], width: int = 64, stem: Stem = "imagenet") -> NetSpec:
    """Return an arm's network; `gamma` is the initial factor of the last normalisation of every branch."""
    return imagenet(depth, width, stem=stem, branch_scale="one" if gamma else "zero_gamma")


def train(base: TrainSpec, batch_size: int) -> TrainSpec:
    """Return an arm's training: as many epochs, with the learning rate and the steps of warm-up scaled with the batch.

    The warm-up starts at the unscaled learning rate, as in section 2.2.
    """
    times = batch_size / base.batch_size
    return base.replace(
        batch_size=batch_size,
        learning_rate=base.learning_rate * times,
        warmup_steps=round(base.warmup_steps / times),
        warmup_learning_rate=base.learning_rate,
    )


def gain(batch_size: int) -> Contrast:
    """Return the test error with gamma from 1 minus that with gamma from 0."""
    return mean("test_error", gamma=1, batch_size=batch_size) - mean("test_error", gamma=0, batch_size=batch_size)


def claims(small: int, large: int) -> dict[str, Claim]:
    """Return the claims of section 5.1 for a small and a large batch."""
    return {
        f"With batches of {large}, the test error is lower if gamma starts at 0 than at 1.": gain(large) > 0,
        f"With batches of {small}, the test error is lower if gamma starts at 0 than at 1.": gain(small) > 0,
        f"Starting gamma at 0 lowers the test error by more with batches of {large} than of {small}.": (
            gain(large) > gain(small)
        ),
    }


PAPER = "Goyal et al. 2017, ImageNet"

study = Study(
    name="zero-gamma",
    question="Does a branch that starts at 0 help, and does it help more with large batches?",
    source="Goyal et al. 2017, section 5.1",
    net=net,
    train=train,
    scales={
        "smoke": smoke(
            design=grid(depth=(26,), gamma=(1, 0), batch_size=(32, 256), width=(16,), stem=("cifar",)),
            train=DIGITS.replace(  # 3 epochs of warm-up
                epochs=15, batch_size=32, learning_rate=0.025, warmup_steps=3 * 40, warmup="linear"
            ),
            claims=claims(32, 256),
            learning_rates=(0.0025, 0.008, 0.025),
        ),
        "laptop": laptop(
            design=grid(depth=(26,), gamma=(1, 0), batch_size=(32, 256), width=(16,), stem=("cifar",)),
            train=TrainSpec(
                data="cifar10",
                image_size=16,
                train_size=20_000,
                epochs=4,
                batch_size=32,
                learning_rate=0.025,
                warmup_steps=562,  # an epoch
                warmup="linear",
                weight_decay=0.0,
            ),
            claims=claims(32, 256),
            learning_rates=(0.0025, 0.008, 0.025),
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(50,), gamma=(1, 0), batch_size=(256, 8192)),
            train=IMAGENET.replace(
                learning_rate_drops=(1 / 3, 2 / 3, 8 / 9),
                warmup_share=5 / 90,  # 5 epochs
                warmup="linear",
                weight_decay_of="kernels",
            ),
            seeds=5,
            claims=claims(256, 8192),
            published=tuple(
                Published(PAPER, "test_error", {"gamma": gamma, "batch_size": size}, error)
                for size, errors in {256: (0.2384, 0.2360), 8192: (0.2411, 0.2374)}.items()
                for gamma, error in zip((1, 0), errors, strict=True)
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
