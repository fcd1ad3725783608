"""ResNet-D, and it without each of its parts.

Question  Which of the small changes that make up ResNet-D is worth it?
Source    He et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks", section 4
Command   resnet-ablate run resnet-d --scale smoke
          resnet-ablate run resnet-d --scale paper --data DIR, a folder of ImageNet
Cost      25 runs, 3 minutes on two cores at smoke scale
Finding   At smoke scale, five seeds decide none of the claims

The stem halves twice, so images have 16 pixels at least: digits are enlarged. The last arm is the network of 2015.
"""

from typing import Any, Literal

from ablations.designs import Design, grid, leave_out
from ablations.scales import CIFAR_16, DIGITS, IMAGENET
from ablations.study import Scale, Study
from analysis.claims import Claim, mean
from resnet_core.nets.spec import NetSpec, Skip, Stem
from resnet_core.nets.zoo import imagenet


def net(depth: int, width: int, stride_in: Literal["first", "spatial"], stem: Stem, skip: Skip) -> NetSpec:
    """Return an arm's network of bottlenecks.

    Args:
        depth: As of `imagenet`.
        width: As of `imagenet`.
        stride_in: Which convolution halves; `spatial` is ResNet-B.
        stem: `deep` is ResNet-C.
        skip: `D` is ResNet-D.
    """
    return imagenet(depth, width, stride_in=stride_in, stem=stem, skip=skip)


D: dict[str, Any] = {"stride_in": "spatial", "stem": "deep", "skip": "D"}
PLAIN: dict[str, Any] = {"stride_in": "first", "stem": "imagenet", "skip": "B"}


def parts(depth: int, width: int) -> Design:
    """Return ResNet-D, it without each part, and it without all."""
    one = leave_out(D, **PLAIN) + grid(**{factor: (level,) for factor, level in PLAIN.items()})
    return grid(depth=(depth,), width=(width,)) * one


def claims(measure: str, words: str) -> dict[str, Claim]:
    """Return the claims on a measure."""
    return {
        f"the {words} of ResNet-D is lower than that of the network of 2015": mean(measure, **D)
        < mean(measure, **PLAIN),
        **{
            f"without {part}, the {words} is higher": mean(measure, **{**D, factor: PLAIN[factor]}) > mean(measure, **D)
            for factor, part in {
                "stride_in": "the stride in the 3x3",
                "stem": "the deep stem",
                "skip": "the pooled skip",
            }.items()
        },
    }


study = Study(
    name="resnet-d",
    question="Which of the small changes that make up ResNet-D is worth it?",
    source="He et al. 2019, section 4",
    net=net,
    scales={
        "smoke": Scale(
            design=parts(26, 16),
            train=DIGITS.replace(image_size=16),
            seeds=5,
            cost="25 runs, 3 minutes on two cores",
            claims=claims("mean_loss", "mean training loss"),
        ),
        "laptop": Scale(
            design=parts(26, 16),
            train=CIFAR_16.replace(image_size=32, steps=1000),
            seeds=3,
            claims=claims("test_error", "test error"),
        ),
        "paper": Scale(  # the figure at hand is a difference, 0.29 points for the pooled skip
            design=parts(50, 64), train=IMAGENET, seeds=3, claims=claims("test_error", "test error")
        ),
    },
)
