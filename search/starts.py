"""Starting points of a search: published networks, or the best points of an earlier search."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from resnet_core.errors import UserError
from resnet_core.nets.own import spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network
from resnet_core.runs.records.record import Record
from search.listing import ranked_in
from search.oracles import ORACLES
from search.request import Search
from search.space import Values

MOST = 5  # starting points from an earlier search
SHAPE = ("input_shape", "classes")


def starts_of(search: Search, words: Sequence[str]) -> list[Values]:
    """Return the points of `--start`: those within the limits nearest to a network, or to the best of a folder.

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


def nearest_to(search: Search, net: NetSpec, start: Values | None = None) -> Values:
    """Return the values within the limits whose network differs least from `net`; see `distance`.

    Args:
        search: The search.
        net: The network.
        start: Values from which the descent begins; by default, the defaults.
    """

    def amount(values: Values) -> float:
        excess = search.excess(values)
        return excess * 1e6 if excess > 1 else distance(spec_of(search.run_of(values).net), net)

    return search.space.least(amount, start)[0]


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
    """Return the points of this search that are nearest to the best points of an earlier one.

    Raises:
        UserError: The earlier search has no completed trial.
    """
    best = ranked_in(root)
    if not best:
        raise UserError(f"--start must be of a search with a completed trial, but {root} has none")
    points: list[Values] = []
    for record in best[:MOST]:
        values = _here(search, record)
        if values not in points:
            points.append(values)
    return points


def _here(search: Search, record: Record) -> Values:
    """Return the point of this search nearest to a trial of another one.

    The point has the trial's values, as far as this space has them, and its fixed ones. If this changes the network, or
    it is over the limits, the values are changed one at a time until the network is as near as possible.
    """
    given: Values = {}
    for name, value in record.run.factors.items():
        known = [hp for hp in search.space.hyperparameters.space if hp.name == name]
        if known and all(_has(hp, value) for hp in known):
            given[name] = value
    values, net = search.space.active(given), spec_of(record.run.net)
    if search.excess(values) <= 1 and distance(spec_of(search.run_of(values).net), net) == 0:
        return values
    return nearest_to(search, net, values)


def _has(hp: Any, value: Any) -> bool:
    if type(hp).__name__ == "Float":
        return isinstance(value, int | float) and bool(hp.min_value <= value <= hp.max_value)
    return value in list(hp.values)
