"""Eigenvalues, trace and spectral density of the Hessian (Yao et al. 2020, PyHessian)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from resnet_core.probes.registry import Passes, Row, Sized, register_probe, row, whole
from resnet_core.seeds import generator

if TYPE_CHECKING:
    from resnet_core.probes.subject import Subject


Array = npt.NDArray[np.float64]
Product = Callable[[Array], Array]
"""Function from a vector to its product with the Hessian."""


def _passes(net: Sized) -> Passes:
    return Passes(forward=80 * (1 + net.block_count), backward=160 * (1 + net.block_count))


@register_probe("curvature", passes=_passes, half=False)
def curvature(
    net: "Subject",
    images: Any,
    labels: Any,
    largest: int = 3,
    steps: int = 40,
    draws: int = 20,
    blocks: bool = True,
    training: bool = False,
    seed: int = 0,
) -> Iterator[Row]:
    """Largest eigenvalues, trace and density of the Hessian of the loss, of the network and of each block.

    The loss is the mean cross-entropy of the images, as a function of all trainable variables or, for a block, of those
    of the block. Eigenvalues are computed by Lanczos' method with full orthogonalisation. The trace is Hutchinson's
    estimate with Rademacher vectors. The density is stochastic Lanczos quadrature (Yao et al. 2020, section 3).

    Args:
        net: The network.
        images: (n, height, width, channels).
        labels: (n,), integers.
        largest: Number of eigenvalues, those of the largest magnitude.
        steps: Number of steps of Lanczos' method; at most the number of parameters are made.
        draws: Number of vectors of Hutchinson's estimate.
        blocks: Whether each block is measured, too.
        training: Whether normalisation uses the statistics of the batch; by default it uses the moving statistics.
        seed: Seed of the random vectors.

    Yields:
        Rows with a `quantity`: `eigenvalue`, with its `rank` by magnitude; `trace`, with its `standard_error`; and, for
        the whole network, `density`, where `value` is the weight at `eigenvalue`.
    """
    from resnet_core.probes.hessian import HessianProduct

    variables = net.model.trainable_variables
    hessian = HessianProduct(net, variables, images, labels, training=training)
    for values in _spectrum(hessian, hessian.size, largest, steps, draws, seed, density=True):
        yield whole(**values)
    for block in net.blocks if blocks else ():
        product, size = hessian.product_for(net.part_of(block).model.trainable_variables)
        for values in _spectrum(product, size, largest, steps, draws, seed, density=False):
            yield row(block, **values)


def _spectrum(
    product: Product, size: int, largest: int, steps: int, draws: int, seed: int, *, density: bool
) -> Iterator[dict[str, Any]]:
    eigen = lanczos(product, size, steps, generator(seed, "lanczos"))
    order = np.argsort(-np.abs(eigen.eigenvalues))
    for rank, i in enumerate(order[:largest]):
        yield {"value": float(eigen.eigenvalues[i]), "quantity": "eigenvalue", "rank": rank}
    estimates = trace_estimates(product, size, draws, generator(seed, "hutchinson"))
    error = float(estimates.std(ddof=1) / np.sqrt(draws)) if draws > 1 else np.nan
    yield {"value": float(estimates.mean()), "quantity": "trace", "standard_error": error}
    if density:
        for eigenvalue, weight in zip(eigen.eigenvalues, eigen.weights, strict=True):
            yield {"value": float(weight), "quantity": "density", "eigenvalue": float(eigenvalue)}


@dataclass(frozen=True)
class Ritz:
    """Result of Lanczos' method.

    Attributes:
        eigenvalues: The eigenvalues in ascending order.
        weights: Weight of each eigenvalue in the quadrature; they sum to 1.
    """

    eigenvalues: Array
    weights: Array


def lanczos(product: Product, size: int, steps: int, random: np.random.Generator) -> Ritz:
    """Return the Ritz values of a symmetric matrix from a random start, with full orthogonalisation.

    After as many steps as the matrix has rows, or distinct eigenvalues, the Ritz values are its eigenvalues.

    Args:
        product: Function from a vector to its product with the matrix.
        size: Number of rows of the matrix.
        steps: Number of steps; at most `size` are made.
        random: Generator of the start vector.
    """
    start = random.normal(size=size)
    basis, diagonal, beside = [start / np.linalg.norm(start)], list[float](), list[float]()
    for _ in range(min(steps, size)):
        w = product(basis[-1])
        diagonal.append(float(w @ basis[-1]))
        known = np.stack(basis)
        for _ in range(2):  # one orthogonalisation is not enough in floating point
            w = w - known.T @ (known @ w)
        norm = float(np.linalg.norm(w))
        if norm <= 1e-7 * max(1e-30, max(map(abs, diagonal))):
            break
        beside.append(norm)
        basis.append(w / norm)
    beside = beside[: len(diagonal) - 1]
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return Ritz(values, vectors[0] ** 2)


def trace_estimates(product: Product, size: int, draws: int, random: np.random.Generator) -> Array:
    """Return Hutchinson's estimates of the trace, one for each vector of random signs."""
    signs = (random.choice((-1.0, 1.0), size=size) for _ in range(draws))
    return np.asarray([v @ product(v) for v in signs])
