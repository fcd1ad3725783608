"""Mean, variance, dead units and effective rank of the values in a network, from the input on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, register_probe, row

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[np.float64]
RANK_SHARE = 0.99


@register_probe("signal", passes=lambda net: Passes(forward=1), when="any")
def signal(net: "Subject", images: Any, training: bool = True) -> Iterator[Row]:
    """Mean and variance of the channels, dead units and effective rank at every place, branch variance by block.

    The quantities; the first three are from Brock et al. 2021, "Characterizing signal propagation", section 3:

    `mean_squared`: mean over channels of the squared mean of a channel over images and positions.
    `variance`: mean over channels of the variance of a channel.
    `branch_variance`: the same at the end of the branch, before the addition; of residual blocks only.
    `dead`: fraction of channels that are 0 for all images and positions.
    `rank`: number of principal components of the channels that explain 99 % of the variance, divided by the number of
    channels.

    Args:
        net: The network.
        images: (n, height, width, channels), one batch. In training mode the values depend on its size.
        training: Whether normalisation is in training mode, as a network at its initial weights needs it.

    Yields:
        A row for each place and quantity, with `value` and `quantity`.
    """
    value = net.parts[0](images, training=training)
    for place in net.places:
        if place.index:
            block = net.blocks[place.index - 1]
            if block.join is not None:
                branch = np.asarray(net.branch(block)(value, training=training), np.float64)
                yield row(block, value=float(_channels(branch).var(axis=0).mean()), quantity="branch_variance")
            value = net.part_of(block)(value, training=training)
        channels = _channels(np.asarray(value, np.float64))
        for quantity, number in quantities(channels).items():
            yield row(place, value=number, quantity=quantity)


def quantities(channels: Array) -> dict[str, float]:
    """Return the quantities of values of shape (images x positions, channels)."""
    return {
        "mean_squared": float((channels.mean(axis=0) ** 2).mean()),
        "variance": float(channels.var(axis=0).mean()),
        "dead": float((channels == 0.0).all(axis=0).mean()),
        "rank": effective_rank(channels),
    }


def effective_rank(channels: Array, share: float = RANK_SHARE) -> float:
    """Return the number of principal components that explain a share of the variance, over the number of channels."""
    centred = channels - channels.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    total = variances.sum()
    if total == 0.0:
        return 0.0
    # The sums are rounded, so that a share that is reached exactly counts as reached.
    reached = np.round(np.cumsum(variances) / total, 12) >= share
    return float((np.argmax(reached) + 1) / channels.shape[1])


def _channels(values: Array) -> Array:
    return values.reshape(-1, values.shape[-1])
