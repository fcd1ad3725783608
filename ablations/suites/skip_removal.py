"""Networks with ordinary and with grouped convolutions, with and without all skips.

Question  What does a network lose without its skips, and does cardinality make up for it?
Source    Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks", section 5.1
Command   resnet-ablate run skip-removal --scale smoke
          resnet-ablate run skip-removal --scale paper --data DIR, a folder of ImageNet

The skips are option B, so a network without them also lacks the parameters of four projections.
"""

from typing import Any, Literal

from ablations.designs import grid
from ablations.scales import IMAGENET, OF_THE_PAPER, laptop, smoke
from ablations.study import Published, Scale, Study
from analysis.claims import Contrast, mean
from resnet_core.nets.spec import NetSpec, Skip, Stem
from resnet_core.nets.zoo import imagenet

Network = Literal["resnet", "resnext"]
NETWORKS: dict[Network, dict[str, Any]] = {"resnet": {}, "resnext": {"cardinality": 32, "group_width": 4}}


def net(depth: int, network: Network, skip: Skip, width: int = 64, stem: Stem = "imagenet") -> NetSpec:
    """Return an arm's network of bottlenecks. 1x64d and 32x4d have equal cost."""
    return imagenet(depth, width, stem=stem, skip=skip, **NETWORKS[network])


def removed(measure: str, network: Network) -> Contrast:
    """Return the rise of a measure without the skips."""
    return mean(measure, network=network, skip="none") - mean(measure, network=network, skip="B")


claims = {
    "Without its skips, the ResNet's test error is higher.": removed("test_error", "resnet") > 0,
    "Without its skips, the ResNeXt's test error is higher.": removed("test_error", "resnext") > 0,
    "Without its skips, the ResNeXt's test error rises by less than the ResNet's.": (
        removed("test_error", "resnext") < removed("test_error", "resnet")
    ),
}
PAPER = "Xie et al. 2017, section 5.1, ImageNet"

study = Study(
    name="skip-removal",
    question="What does a network lose without its skips, and does cardinality make up for it?",
    source="Xie et al. 2017, section 5.1",
    net=net,
    scales={
        "smoke": smoke(
            design=grid(depth=(26,), network=tuple(NETWORKS), skip=("B", "none"), width=(16,), stem=("cifar",)),
            claims=claims,
        ),
        "laptop": laptop(
            design=grid(depth=(26,), network=tuple(NETWORKS), skip=("B", "none"), width=(16,), stem=("cifar",)),
            claims=claims,
            trial_seeds=2,
        ),
        "paper": Scale(
            design=grid(depth=(50,), network=tuple(NETWORKS), skip=("B", "none")),
            train=IMAGENET,
            seeds=3,
            claims=claims,
            published=tuple(
                Published(PAPER, "test_error", {"network": network, "skip": skip}, error)
                for network, errors in {"resnet": (0.239, 0.312), "resnext": (0.222, 0.261)}.items()
                for skip, error in zip(("B", "none"), errors, strict=True)
            ),
            untuned=OF_THE_PAPER,
        ),
    },
)
