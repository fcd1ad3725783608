"""Similarity of two representations: debiased centred kernel alignment (CKA), over minibatches."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError
from resnet_core.probes.registry import Passes, Row, register_probe, row
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[Any]
LEAST_BATCH = 4


@register_probe("similarity", passes=lambda net: Passes(forward=1))
def similarity(
    net: "Subject", images: Any, other: Any = None, batch: int = 64, permutations: int = 20, seed: int = 0
) -> Iterator[Row]:
    """CKA of every place of a network with every place of it, or another's (Kornblith 2019; Nguyen 2021).

    CKA is linear, by the unbiased estimator of HSIC (Song et al. 2012, equation 5). The estimates are summed over the
    minibatches before they are divided, so that CKA hardly depends on the size of the minibatches. The null
    distribution of each value is that of the same two places with the images of one permuted within each minibatch.

    Args:
        net: The network.
        images: (n, height, width, channels). A last minibatch of fewer than four images is left out.
        other: The second network; by default the first one.
        batch: Number of images of a minibatch, at least four.
        permutations: Number of permutations for the null distribution.
        seed: Seed of the permutations.

    Yields:
        A row for each pair of places: `value`, the CKA; `other_layer` and `other_index`; `apart`, the distance of the
        two in places; `null_low` and `null_high`, between which 95 % of the permuted values lie.
    """
    from resnet_core.probes.subject import subject_of

    second = net if other is None else subject_of(other)
    if len(images) < LEAST_BATCH or batch < LEAST_BATCH:
        raise UserError(f"CKA without bias needs minibatches of at least {LEAST_BATCH} images, but got {len(images)}")
    pairs = Alignment(len(net.places), len(second.places), permutations)
    for start in range(0, len(images), batch):
        x = images[start : start + batch]
        if len(x) < LEAST_BATCH:
            break
        rows = [np.asarray(value) for value in net.at_places(x)]
        columns = rows if second is net else [np.asarray(value) for value in second.at_places(x)]
        orders = [generator(seed, "similarity", start, i).permutation(len(x)) for i in range(permutations)]
        pairs.add(rows, columns, orders)
    low, high = pairs.null()
    for i, place in enumerate(net.places):
        for j, beside in enumerate(second.places):
            yield row(
                place, value=float(pairs.cka[i, j]), other_layer=beside.layer, other_index=beside.index,
                apart=abs(i - j), null_low=float(low[i, j]), null_high=float(high[i, j]),
            )  # fmt: skip


class Alignment:
    """CKA between several representations, accumulated over minibatches.

    Args:
        rows: Number of representations on one side.
        columns: Number of representations on the other side.
        permutations: Number of permutations for the null distribution.
    """

    def __init__(self, rows: int, columns: int, permutations: int = 0) -> None:
        self._cross = np.zeros((1 + permutations, rows, columns))
        self._own_rows, self._own_columns = np.zeros(rows), np.zeros(columns)

    def add(self, rows: Sequence[Array], columns: Sequence[Array], orders: Sequence[Array] = ()) -> None:
        """Add a minibatch: representations of the same images, (n, …) each, and permutations of the images."""
        grams = [centred(gram(x)) for x in rows]
        others = grams if columns is rows else [centred(gram(y)) for y in columns]
        n = len(rows[0])
        flat = np.stack([k.ravel() for k in grams]) / (n * (n - 3))
        for i, order in enumerate([np.arange(n), *orders]):
            self._cross[i] += flat @ np.stack([other[np.ix_(order, order)].ravel() for other in others]).T
        self._own_rows += [(k**2).sum() / (n * (n - 3)) for k in grams]
        self._own_columns += [(k**2).sum() / (n * (n - 3)) for k in others]

    @property
    def cka(self) -> npt.NDArray[np.float64]:
        """CKA of every pair; NaN where a representation does not vary."""
        observed: npt.NDArray[np.float64] = self._divided()[0]
        return observed

    def null(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Return the bounds between which 95 % of the permuted values lie; NaN without permutations."""
        permuted = self._divided()[1:]
        if not len(permuted):
            nothing = np.full(self.cka.shape, np.nan)
            return nothing, nothing
        low, high = np.quantile(permuted, (0.025, 0.975), axis=0)
        return low, high

    def _divided(self) -> npt.NDArray[np.float64]:
        scale = np.sqrt(np.outer(self._own_rows, self._own_columns))
        with np.errstate(invalid="ignore", divide="ignore"):
            divided: npt.NDArray[np.float64] = np.where(scale > 0, self._cross / scale, np.nan)
        return divided


def cka(x: Array, y: Array) -> float:
    """Return the debiased linear CKA of two representations of the same n images, (n, …) each.

    Raises:
        UserError: n is below four, or differs between the two.
    """
    if len(x) != len(y) or len(x) < LEAST_BATCH:
        raise UserError(f"CKA needs two representations of the same images, at least 4, but got {len(x)} and {len(y)}")
    pair = Alignment(1, 1)
    pair.add([x], [y])
    return float(pair.cka[0, 0])


def gram(x: Array) -> Array:
    """Return the inner products, (n, n), of n representations whose features are centred and scaled by one factor."""
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    flat = flat - flat.mean(axis=0)
    size = np.sqrt((flat**2).mean())
    flat = flat / size if size > 0 else flat  # CKA does not depend on the scale; thus squares do not overflow
    return np.asarray(flat @ flat.T)


def centred(k: Array) -> Array:
    """Return an unbiasedly centred matrix of inner products, with diagonal 0 (Song et al. 2012, equation 5)."""
    n = len(k)
    k = k.copy()
    np.fill_diagonal(k, 0.0)
    means = k.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    k -= means[:, None] + means[None, :]
    np.fill_diagonal(k, 0.0)
    return k
