"""Gradient magnitude, layer by layer."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from resnet_core.probes.registry import Passes, Row, register_probe

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


@register_probe("gradients", passes=lambda net: Passes(forward=1, backward=1), when="any")
def gradients(net: "Subject", images: Any, labels: Any) -> Iterator[Row]:
    """L2 norm of the gradient of the loss by every kernel and by every value between blocks.

    The loss is the mean cross-entropy of the batch. Normalisation and dropout are in training mode, since in inference
    mode an untrained network with normalisation behaves like one without it. Every run measures this probe.

    Args:
        net: The network.
        images: (n, height, width, channels), one batch. The norms depend on its size.
        labels: (n,), integers.

    Yields:
        Rows of three probes. `weight_gradient_l2`: a row for each layer with a kernel. `weight_gradient_rms`: the same,
        divided by the root of the number of weights. `activation_gradient_l2`: a row for each place.
    """
    from resnet_core.probes.gradient_norms import GradientProbe

    yield from GradientProbe(net.model, net.layers, net.places, net.losses)(images, labels)
