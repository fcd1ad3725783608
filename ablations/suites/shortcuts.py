"""Options A, B and C of the shortcut, and no shortcut.

Question  How much does the kind of shortcut matter, where the shape changes and everywhere?
Source    He et al. 2015, "Deep Residual Learning for Image Recognition", section 4.1, table 3
Command   resnet-ablate run shortcuts --scale smoke
          resnet-ablate run shortcuts --scale paper --data DIR, a folder of ImageNet
"""

from ablations.designs import grid
from ablations.scales import IMAGENET, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Claim, mean
from resnet_core.nets.spec import NetSpec, Skip, Stem
from resnet_core.nets.zoo import imagenet


def net(depth: int, skip: Skip, width: int = 64, stem: Stem = "imagenet") -> NetSpec:
    """Return an arm's network with four stages. Option B adds parameters to A, and C adds more."""
    return imagenet(depth, width, stem=stem, skip=skip)


SKIPS: tuple[Skip, ...] = ("none", "A", "B", "C")


def claims(margin: float) -> dict[str, Claim]:
    """Return the claims of section 4.1, with a margin within which two test errors count as equal."""
    return {
        f"The test error is lower with option {option} than without the skip.": (
            mean("test_error", skip=option) < mean("test_error", skip="none")
        )
        for option in "ABC"
    } | {
        "The test error is lower with option B than with option A.": (
            mean("test_error", skip="B") < mean("test_error", skip="A")
        ),
        "The test error is lower with option C than with option B.": (
            mean("test_error", skip="C") < mean("test_error", skip="B")
        ),
        f"The test errors with options A and C differ by less than {margin:g}.": (
            (mean("test_error", skip="A") - mean("test_error", skip="C")).within(margin)
        ),
    }


PAPER = "He et al. 2015, table 3, ImageNet, 10-crop"

study = Study(
    name="shortcuts",
    question="How much does the kind of shortcut matter, where the shape changes and everywhere?",
    source="He et al. 2015, section 4.1",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(34,), skip=SKIPS, width=(8,), stem=("cifar",)),
            claims=claims(0.02),
        ),
        "laptop": laptop(
            design=grid(depth=(18,), skip=SKIPS, width=(8,), stem=("cifar",)),
            claims=claims(0.02),
            trial_share=1.0,
        ),
        "paper": Scale(
            design=grid(depth=(34,), skip=SKIPS),
            train=IMAGENET,
            seeds=3,
            claims=claims(0.01),
            published=tuple(
                Published(PAPER, "test_error", {"depth": 34, "skip": skip}, error)
                for skip, error in {"none": 0.2854, "A": 0.2503, "B": 0.2452, "C": 0.2419}.items()
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
