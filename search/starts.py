"""Starting points of a search: published networks, or the best points of an earlier search."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError
from resnet_core.nets.own import spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network
from resnet_core.runs.records.store import Store
from search.listing import best_first, in_order, objectives_of, plan_of
from search.oracles import ORACLES
from search.request import Search
from search.space import Values

MOST = 5  # starting points from an earlier search
SHAPE = ("input_shape", "classes")


def starts_of(search: Search, words: Sequence[str]) -> list[Values]:
    """Return the points of `--start`: the point within the limits nearest to a network, or the best of a folder.

    Raises:
        UserError: A word is neither a network nor a folder, or the oracle takes no starting points.
    """
    if words and ORACLES[search.oracle].fidelities:
        raise UserError(f"--start needs an oracle that trains every trial in full, but got --oracle {search.oracle}")
    starts: list[Values] = []
    for word in words:
        taken = _of_search(search, Path(word)) if Path(word).is_dir() else [nearest_to(search, network(word))]
        starts += [values for values in taken if values not in starts]
    return starts


def nearest_to(search: Search, net: NetSpec) -> Values:
    """Return the values within the limits whose network differs least from `net`; see `distance`."""

    def amount(values: Values) -> float:
        excess = search.excess(values)
        return excess * 1e6 if excess > 1 else distance(spec_of(search.run_of(values).net), net)

    return search.space.least(amount)[0]


def distance(first: NetSpec, other: NetSpec) -> float:
    """Return the distance of two networks, a sum over the fields.

    Texts that differ count 1, and numbers the difference of their logarithms. In sequences, such as depths, each
    additional entry counts 1.
    """
    return sum(
        _difference(getattr(first, name), getattr(other, name)) for name in NetSpec.model_fields if name not in SHAPE
    )


def _difference(first: Any, other: Any) -> float:
    if first == other:
        return 0.0
    if isinstance(first, tuple) and isinstance(other, tuple):
        more = abs(len(first) - len(other))
        return more + sum(_difference(a, b) for a, b in zip(first, other, strict=False))
    numbers = [value for value in (first, other) if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == 2 and min(numbers) > 0:
        return abs(math.log2(numbers[0] / numbers[1]))
    return 1.0


def _of_search(search: Search, root: Path) -> list[Values]:
    """Return the best points of an earlier search that are in the space and within the limits of this search.

    Raises:
        UserError: There is no such point.
    """
    plan = plan_of(root)
    best = best_first(in_order(plan, list(Store(root).records())), objectives_of(plan))
    points = [values for values in (_here(search, record.run.factors) for record in best[:MOST]) if values]
    if not points:
        raise UserError(
            f"--start must be of a search whose best points are in the space '{search.space.name}' and its limits, "
            f"but none of {root} is"
        )
    return points


def _here(search: Search, factors: Mapping[str, Any]) -> Values | None:
    """Return the values of a point of this space, or `None` if the space does not have them all."""
    given = {name: value for name, value in factors.items() if value is not None}
    values = search.space.active(given)
    known = {hp.name: hp for hp in search.space.hyperparameters.space if hp.name in values}
    inside = all(_has(known[name], value) for name, value in values.items())
    return values if inside and given.keys() <= values.keys() and search.excess(values) <= 1 else None


def _has(hp: Any, value: Any) -> bool:
    if type(hp).__name__ == "Float":
        return isinstance(value, int | float) and bool(hp.min_value <= value <= hp.max_value)
    return value in list(hp.values)
