"""ResNet-D, and ResNet-D without each of its parts.

Question  Which of the small changes that make up ResNet-D is worth it?
Source    He et al. 2019, "Bag of Tricks for Image Classification with Convolutional Neural Networks", section 4
Command   resnet-ablate run resnet-d --scale smoke
          resnet-ablate run resnet-d --scale paper --data DIR, a folder of ImageNet

The stem halves the size twice, so images must have at least 16 pixels, and digits are enlarged. The last arm is the
original ResNet of 2015.
"""

from typing import Any, Literal

from ablations.designs import Design, grid, leave_out
from ablations.scales import CIFAR_16, DIGITS, IMAGENET, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, Skip, Stem
from resnet_core.nets.zoo import imagenet


def net(depth: int, width: int, stride_in: Literal["first", "spatial"], stem: Stem, skip: Skip) -> NetSpec:
    """Return an arm's network of bottlenecks.

    Args:
        depth: See `imagenet`.
        width: See `imagenet`.
        stride_in: Convolution with the stride; `spatial` is ResNet-B.
        stem: `deep` is ResNet-C.
        skip: `D` is ResNet-D.
    """
    return imagenet(depth, width, stride_in=stride_in, stem=stem, skip=skip)


D: dict[str, Any] = {"stride_in": "spatial", "stem": "deep", "skip": "D"}
PLAIN: dict[str, Any] = {"stride_in": "first", "stem": "imagenet", "skip": "B"}


def parts(depth: int, width: int) -> Design:
    """Return the arms: ResNet-D, ResNet-D without each part, and the network without all parts."""
    single = leave_out(D, **PLAIN) + grid(**{factor: (level,) for factor, level in PLAIN.items()})
    return grid(depth=(depth,), width=(width,)) * single


claims = {
    "The test error of ResNet-D is lower than that of the original ResNet.": (
        mean("test_error", **D) < mean("test_error", **PLAIN)
    ),
    **{
        f"Without {part}, the test error of ResNet-D is higher.": (
            mean("test_error", **{**D, factor: PLAIN[factor]}) > mean("test_error", **D)
        )
        for factor, part in {
            "skip": "the pooled skip",
            "stem": "the deep stem",
            "stride_in": "the stride in the 3x3 convolution",
        }.items()
    },
}
PAPER = "He et al. 2019, table 5, ImageNet, at their training"

study = Study(
    name="resnet-d",
    question="Which of the small changes that make up ResNet-D is worth it?",
    source="He et al. 2019, section 4",
    net=net,
    scales={
        "smoke": smoke(
            design=parts(26, 16),
            train=DIGITS.replace(image_size=16),
            claims=claims,
        ),
        "laptop": laptop(
            design=parts(26, 16),
            train=CIFAR_16.replace(image_size=32),
            claims=claims,
        ),
        "paper": Scale(
            design=parts(50, 64),
            train=IMAGENET,
            seeds=3,
            claims=claims,
            published=(
                Published(PAPER, "test_error", PLAIN, 0.2379),
                Published(PAPER, "test_error", {**D, "skip": "B"}, 0.2313),
                Published(PAPER, "test_error", D, 0.2284),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
