"""Options A, B and C of the shortcut, against none.

Question  How much does it matter what carries the skip where the shape changes, or everywhere?
Source    He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.1, table 3
Command   resnet-ablate run shortcuts --scale smoke
          resnet-ablate run shortcuts --scale paper --data DIR, a folder of ImageNet
Cost      20 runs, 2 minutes on two cores at smoke scale
Finding   At smoke scale, the training error is 0.65 lower with option A than without the skip; that the options
          differ by less than 0.02 is not shown
"""

from ablations.designs import grid
from ablations.scales import CIFAR_16, DIGITS, IMAGENET
from ablations.study import Published, Scale, Study
from analysis.claims import mean
from resnet_core.nets.spec import NetSpec, Skip, Stem
from resnet_core.nets.zoo import imagenet


def net(depth: int, skip: Skip, width: int = 64, stem: Stem = "imagenet") -> NetSpec:
    """Return an arm's network, of four stages; B has parameters that A lacks, and C more."""
    return imagenet(depth, width, stem=stem, skip=skip)


SKIPS: tuple[Skip, ...] = ("none", "A", "B", "C")

small = {
    "without parameters on the skip, the training error is lower than without the skip": (
        mean("train_error", skip="A") < mean("train_error", skip="none")
    ),
    "the test errors of A and B differ by less than 0.02": (
        (mean("test_error", skip="A") - mean("test_error", skip="B")).within(0.02)
    ),
    "the test errors of B and C differ by less than 0.02": (
        (mean("test_error", skip="B") - mean("test_error", skip="C")).within(0.02)
    ),
}
PAPER = "He et al. 2015, table 3, ImageNet, 10-crop"

study = Study(
    name="shortcuts",
    question="How much does it matter what carries the skip where the shape changes, or everywhere?",
    source="He et al. 2015, section 4.1",
    net=net,
    scales={
        "smoke": Scale(
            design=grid(depth=(34,), skip=SKIPS, width=(8,), stem=("cifar",)),
            train=DIGITS,
            seeds=5,
            cost="20 runs, 2 minutes on two cores",
            claims=small,
        ),
        "laptop": Scale(
            design=grid(depth=(18, 34), skip=SKIPS, width=(16,), stem=("cifar",)), train=CIFAR_16, seeds=3, claims=small
        ),
        "paper": Scale(
            design=grid(depth=(34,), skip=SKIPS),
            train=IMAGENET,
            seeds=3,
            claims={
                "each option's test error is lower than that without the skip": (
                    mean("test_error", skip="A") < mean("test_error", skip="none")
                ),
                "B's test error is lower than A's": mean("test_error", skip="B") < mean("test_error", skip="A"),
                "C's test error is lower than B's": mean("test_error", skip="C") < mean("test_error", skip="B"),
                "those of A and C differ by less than 0.01": (
                    (mean("test_error", skip="A") - mean("test_error", skip="C")).within(0.01)
                ),
            },
            published=tuple(
                Published(PAPER, "test_error", {"depth": 34, "skip": skip}, error)
                for skip, error in {"none": 0.2854, "A": 0.2503, "B": 0.2452, "C": 0.2419}.items()
            ),
        ),
    },
)
