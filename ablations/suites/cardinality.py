"""Groups of the 3x3 convolution at equal cost, and at twice the cost against more width and more depth.

Question  Is cost better spent on cardinality than on width or on depth?
Source    Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks", section 5.1, tables 3 and 4
Command   resnet-ablate run cardinality --scale smoke
          resnet-ablate run cardinality --scale paper --data DIR, a folder of ImageNet

The widths are those of the paper: 1x64d, 2x40d, 4x24d, 8x14d and 32x4d, with multiply-accumulates equal within 5 %;
and at twice the cost twice the blocks, 1x100d or 64x4d, within 4 %. At smoke and laptop scale all widths are divided by
four, and multiply-accumulates are equal within 9 and 17 %.
"""

from ablations.designs import grid, paired
from ablations.scales import IMAGENET, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, Stem
from resnet_core.nets.zoo import imagenet


def net(depth: int, cardinality: int, group_width: int, width: int = 64, stem: Stem = "imagenet") -> NetSpec:
    """Return an arm's network of bottlenecks, which the paper calls CxGd: C groups of G channels."""
    return imagenet(depth, width, stem=stem, cardinality=cardinality, group_width=group_width)


small_design = (
    paired(depth=(14, 14, 14, 14), cardinality=(1, 2, 4, 32), group_width=(64, 40, 24, 4))
    + paired(depth=(26, 14, 14), cardinality=(1, 1, 64), group_width=(64, 100, 4))
) * grid(width=(16,), stem=("cifar",))
claimed_design = paired(  # the arms of the claims
    depth=(14, 14, 26, 14, 14), cardinality=(1, 32, 1, 1, 64), group_width=(64, 4, 64, 100, 4)
) * grid(width=(16,), stem=("cifar",))

small = {
    "At equal cost, 32x4d has a lower test error than 1x64d.": (
        mean("test_error", depth=14, cardinality=32) < mean("test_error", depth=14, cardinality=1, group_width=64)
    ),
    "At equal cost, 32x4d has a lower final training loss than 1x64d.": (
        mean("train_loss", depth=14, cardinality=32) < mean("train_loss", depth=14, cardinality=1, group_width=64)
    ),
    "At twice the cost, more groups (64x4d) have a lower test error than more width (1x100d).": (
        mean("test_error", cardinality=64) < mean("test_error", group_width=100)
    ),
    "At twice the cost, more groups (64x4d) have a lower test error than more depth (twice the blocks).": (
        mean("test_error", cardinality=64) < mean("test_error", depth=26)
    ),
}
ONCE, TWICE = "Xie et al. 2017, table 3, ImageNet", "Xie et al. 2017, table 4, ImageNet"

study = Study(
    name="cardinality",
    question="Is cost better spent on cardinality than on width or on depth?",
    source="Xie et al. 2017, section 5.1",
    net=net,
    scales={
        "smoke": smoke(
            design=small_design,
            claims=small,
        ),
        "laptop": laptop(
            design=claimed_design,
            claims=small,
        ),
        "paper": Scale(
            design=paired(depth=(50,) * 5, cardinality=(1, 2, 4, 8, 32), group_width=(64, 40, 24, 14, 4))
            + paired(depth=(200, 101, 101), cardinality=(1, 1, 64), group_width=(64, 100, 4)),
            train=IMAGENET,
            seeds=3,
            claims={
                "At equal cost, 32x4d has a lower test error than 1x64d.": (
                    mean("test_error", depth=50, cardinality=32)
                    < mean("test_error", depth=50, cardinality=1, group_width=64)
                ),
                "At equal cost, 32x4d has a lower training error than 1x64d.": (
                    mean("train_error", depth=50, cardinality=32)
                    < mean("train_error", depth=50, cardinality=1, group_width=64)
                ),
                "At twice the cost, more groups (64x4d) have a lower test error than more width (1x100d).": (
                    mean("test_error", cardinality=64) < mean("test_error", group_width=100)
                ),
                "At twice the cost, more width (1x100d) has a lower test error than more depth (200 layers).": (
                    mean("test_error", group_width=100) < mean("test_error", depth=200)
                ),
            },
            published=(
                *(
                    Published(ONCE, "test_error", {"depth": 50, "cardinality": groups, "group_width": width}, error)
                    for groups, width, error in (
                        (1, 64, 0.239),
                        (2, 40, 0.230),
                        (4, 24, 0.226),
                        (8, 14, 0.223),
                        (32, 4, 0.222),
                    )
                ),
                Published(TWICE, "test_error", {"depth": 200, "cardinality": 1, "group_width": 64}, 0.217),
                Published(TWICE, "test_error", {"depth": 101, "cardinality": 1, "group_width": 100}, 0.213),
                Published(TWICE, "test_error", {"depth": 101, "cardinality": 64, "group_width": 4}, 0.204),
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
