"""`Target`, the networks that are probed, and `StudyTarget`, the kept networks of a study."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from resnet_core.errors import UserError
from resnet_core.probes.requests import Item, ProbeRequest, Sample, Size
from resnet_core.runs.records import networks
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run

if TYPE_CHECKING:
    from resnet_core.probes.registry import Sized
    from resnet_core.runs.execution.measuring import Given

NEXT_SEED = "seed"


class Target(Protocol):
    """A target of probes: one or several networks. It is hashable and can be sent to another process."""

    def __hash__(self) -> int: ...

    @property
    def root(self) -> Path:
        """Folder of the measurements."""

    @property
    def threads(self) -> int:
        """Number of threads of TensorFlow in each process."""

    @property
    def given(self) -> tuple[str, ...]:
        """Inputs that the target provides, by names of `registry.NEEDS`."""

    def items(self, asked: Sequence[ProbeRequest], sample: Sample) -> list[Item]:
        """Return the measurements, ordered so that equal architectures follow each other."""

    def label(self, network_id: str) -> str:
        """Return the name of a network for the terminal."""

    def size(self, network_id: str) -> "Sized":
        """Return the size of a network."""

    def network(self, item: Item) -> "Given":
        """Return the network of an item, and the inputs of its probes."""


@dataclass(frozen=True)
class StudyTarget:
    """The kept networks of a study.

    Attributes:
        root: Folder of the study.
        threads: Number of TensorFlow's threads, as in the study's runs.
        other: The second network, for probes that take one: the id of a run, or `seed` for the next seed of the same
            arm. Empty means `seed` for probes that need a second network, and none for others.
    """

    root: Path
    threads: int
    other: str = ""

    @property
    def given(self) -> tuple[str, ...]:
        """See `Target`."""
        return ("images", "labels", "initial", "other", "train_images", "train_labels")

    def items(self, asked: Sequence[ProbeRequest], sample: Sample) -> list[Item]:
        """See `Target`.

        Raises:
            UserError: No network is kept.
        """
        kept = runs(self.root)
        if not kept:
            raise UserError(
                f"the networks of a study must have been kept to be probed, but {self.root} has none; "
                "`resnet-ablate run … --keep-networks` keeps them (in another --out, if the runs are recorded already)"
            )
        if self.other not in ("", NEXT_SEED, *kept):
            raise UserError(f"--other must be 'seed' or the id of a run with a kept network, but got '{self.other}'")
        return [Item(run, probe, sample, self._other(run, probe)) for run in kept for probe in asked]

    def _other(self, network_id: str, asked: ProbeRequest) -> str:
        needs = asked.probe.needs if self.other else asked.probe.required
        if "other" not in needs or self.other not in ("", NEXT_SEED):
            return self.other if "other" in needs else ""
        kept = runs(self.root)
        alike = sorted((run.seed, name) for name, run in kept.items() if run.factors == kept[network_id].factors)
        names = [name for _, name in alike]
        return names[(names.index(network_id) + 1) % len(names)] if len(names) > 1 else ""

    def label(self, network_id: str) -> str:
        """See `Target`."""
        return runs(self.root)[network_id].label

    def size(self, network_id: str) -> Size:
        """See `Target`."""
        return Size.from_net(runs(self.root)[network_id].net)

    def network(self, item: Item) -> "Given":
        """See `Target`."""
        from resnet_core.runs.execution.measuring import of_run

        run, other = runs(self.root)[item.network_id], item.other
        make = (lambda: networks.network_of(self.root, runs(self.root)[other])) if other else None
        data = _data(run)
        return of_run(run, networks.weights_of(self.root, run), data, item.sample, make)


@lru_cache(maxsize=1)
def runs(root: Path) -> dict[str, Run]:
    """Return the runs with kept networks by id; runs of one architecture follow each other."""
    kept = networks.kept(root)
    runs_kept = [record.run for record in Store(root).records() if record.run.id in kept]
    return {run.id: run for run in sorted(runs_kept, key=lambda run: (str(run.net), run.train.precision, run.seed))}


def _data(run: Run) -> Any:
    from resnet_core.runs.execution.job import dataset, resident

    return dataset(run.train, resident("auto"))
