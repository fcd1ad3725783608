"""What goes beside the record of a run: its trained network, and what probes have measured of it."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from resnet_core.errors import UserError
from resnet_core.folders import write_beside
from resnet_core.probes.asked import Asked, Sample
from resnet_core.runs.data import Dataset
from resnet_core.runs.records import measurements, networks
from resnet_core.runs.spec import Run

OnWeights = Callable[[list[networks.Array]], None]


@dataclass
class Beside:
    """The files that go beside the record of one run.

    Attributes:
        run: The run.
        data: Its data set.
        keep_network: Whether its trained network is kept.
        probes: Probes to measure, at their steps or when it has completed.
        sample: Images for these probes.
        root: Folder in which measurements at a step are written at once, since a run that goes on from a later state
            does not come by this step again. None where no state is kept.
        files: Contents of the files by their places in the folder of the study.

    Raises:
        UserError: The run has no images of the sample.
    """

    run: Run
    data: Dataset
    keep_network: bool
    probes: Sequence[Asked]
    sample: Sample
    root: Path | None
    files: dict[str, bytes] = field(default_factory=dict)
    _weights: list[list[networks.Array]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.probes:
            from resnet_core.runs.execution.measuring import part_of

            part_of(self.run, self.data, self.sample)

    @property
    def on_trained(self) -> OnWeights | None:
        """What takes the trained weights; none if nothing is made of them."""
        return self._weights.append if self.keep_network or any(probe.step is None for probe in self.probes) else None

    @property
    def at_steps(self) -> dict[int, OnWeights]:
        """What takes the weights after so many updates."""
        return {probe.step: self._at(probe.step) for probe in self.probes if probe.step is not None}

    def after(self) -> dict[str, bytes]:
        """Return all files of a run that has ended, those of its trained network among them if it has completed."""
        for weights in self._weights:
            if self.keep_network:
                self.files[networks.name_of(self.run.id)] = networks.encoded(weights)
            self._measure(None, weights)
        return self.files

    def _at(self, step: int) -> OnWeights:
        def take(weights: list[networks.Array]) -> None:
            names, root = self._measure(step, weights), self.root
            if root is not None:
                with suppress(UserError):  # there is no room; the record says so
                    for name in names:
                        write_beside(root / name, self.files[name])

        return take

    def _measure(self, step: int | None, weights: list[networks.Array]) -> list[str]:
        """Measure the probes of a step, or of the end; return the places of their files."""
        probes = [probe for probe in self.probes if probe.step == step]
        if not probes:
            return []
        from resnet_core.runs.execution.measuring import measured_all

        measured = measured_all(self.run, weights, self.data, probes, self.sample)
        files = {measurements.name_of(each.item): measurements.content_of(each) for each in measured}
        self.files |= files
        return [*files]
