"""Several objectives at once: fronts, crowding, hypervolume and knee of a set of points.

A value that is not finite is worse than every finite value of its objective, and equal to other such values. `moocore`
computes ranks and hypervolumes.
"""

from collections.abc import Sequence

import moocore
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Directions = Sequence[str] | None  # "min" or "max" for each objective; `None` minimises all


def costs(values: npt.ArrayLike, directions: Directions = None) -> Array:
    """Return the values, (points, objectives), with all objectives to be minimised, and inf where not finite."""
    table = np.atleast_2d(np.asarray(values, dtype=float))
    signs = np.array([-1.0 if direction == "max" else 1.0 for direction in directions or ["min"] * table.shape[1]])
    if len(signs) != table.shape[1]:
        raise ValueError(f"each of {table.shape[1]} objectives needs a direction, but got {len(signs)}")
    table = table * signs + 0.0  # turns -0 into 0
    return np.where(np.isfinite(table), table, np.inf)


def front_ranks(values: npt.ArrayLike, directions: Directions = None) -> npt.NDArray[np.int64]:
    """Return the rank of each point's front: 0 if no point dominates it, 1 if only points of rank 0 do, and so on.

    Args:
        values: (points, objectives). Equal points have equal ranks.
        directions: "min" or "max" of each objective.
    """
    table = costs(values, directions)
    if table.size == 0:
        return np.zeros(len(table), dtype=np.int64)
    places = np.stack([np.unique(column, return_inverse=True)[1] for column in table.T], axis=1)
    return np.asarray(moocore.pareto_rank(places.astype(float)), dtype=np.int64)


def crowding(values: npt.ArrayLike, ranks: npt.NDArray[np.int64]) -> Array:
    """Return the crowding distance of each point in its front (Deb et al. 2002): larger is less crowded.

    It is the sum, over objectives, of the distance between the neighbours of the point as a share of the front's range.
    It is inf at an end of a front, also in an objective in which all points are equal, and 0 between two equal points.

    Args:
        values: (points, objectives), in any directions.
        ranks: What `front_ranks` returns.
    """
    table = costs(values)
    distances = np.zeros(len(table))
    for rank in np.unique(ranks):
        members = np.flatnonzero(ranks == rank)
        for column in table[members].T:
            finite = column[np.isfinite(column)]
            span = np.ptp(finite) if len(finite) else 0.0
            order = np.argsort(column, kind="stable")
            distances[members[order[[0, -1]]]] = np.inf
            if span > 0 and len(members) > 2:
                filled = np.where(np.isfinite(column), column, finite.max() + span)[order]
                distances[members[order[1:-1]]] += (filled[2:] - filled[:-2]) / span
    return distances


def hypervolume(values: npt.ArrayLike, directions: Directions, reference: npt.ArrayLike) -> float:
    """Return the hypervolume: the volume between the points and the reference (Zitzler and Thiele 1998).

    Args:
        values: (points, objectives). A point that is not better than the reference in every objective adds nothing.
        directions: "min" or "max" of each objective.
        reference: A point, (objectives,).
    """
    table = costs(values, directions)
    bound = costs(reference, directions)[0]
    better = table[(table < bound).all(axis=1)]
    return float(moocore.hypervolume(better, ref=bound)) if len(better) else 0.0


def knee(values: npt.ArrayLike, directions: Directions = None) -> int:
    """Return the index of the knee of the front: the point farthest from the plane through the front's extremes.

    The objectives are scaled to [0, 1] over the front. The plane is where their sum is 1, if the extremes are the
    corners of the scaled box, as is the case for two objectives. The knee is the point with the smallest sum (Das 1999,
    the bulge from the convex hull of individual minima), and the first such point among equals. The result is -1 if no
    point is finite in all objectives.

    Args:
        values: (points, objectives).
        directions: "min" or "max" of each objective.
    """
    table = costs(values, directions)
    front = np.flatnonzero((front_ranks(table) == 0) & np.isfinite(table).all(axis=1))
    if not len(front):
        return -1
    low, high = table[front].min(axis=0), table[front].max(axis=0)
    scaled = (table[front] - low) / np.where(high > low, high - low, 1.0)
    return int(front[scaled.sum(axis=1).argmin()])
