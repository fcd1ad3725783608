"""`Beside`: the files beside the record of a run, its trained network and the measurements of its probes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from resnet_core.errors import UserError
from resnet_core.folders import write_beside
from resnet_core.probes.requests import ProbeRequest, Sample
from resnet_core.runs.data import Dataset
from resnet_core.runs.records import measurements, networks
from resnet_core.runs.spec import Run

OnWeights = Callable[[list[networks.Array]], None]


@dataclass
class Beside:
    """The files beside the record of one run.

    Attributes:
        run: The run.
        data: Its data set.
        keep_network: Whether its trained network is kept.
        probes: Probes to measure, at their steps or after the training.
        sample: Images for these probes.
        root: Folder into which measurements at a step are written at once, since a run that continues from a later
            state does not repeat this step. `None` if no states are saved.
        files: Contents of the files, by path relative to the folder of the study.

    Raises:
        UserError: The run has no images of the sample.
    """

    run: Run
    data: Dataset
    keep_network: bool
    probes: Sequence[ProbeRequest]
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
        """Function that takes the trained weights; `None` if they are not used."""
        return self._weights.append if self.keep_network or any(probe.step is None for probe in self.probes) else None

    @property
    def at_steps(self) -> dict[int, OnWeights]:
        """Functions that take the weights, by the number of updates after which they are called."""
        return {probe.step: self._at(probe.step) for probe in self.probes if probe.step is not None}

    def after(self) -> dict[str, bytes]:
        """Return all files of a run that has ended. If it completed, they include those of its trained network."""
        for weights in self._weights:
            if self.keep_network:
                self.files[networks.name_of(self.run.id)] = networks.encoded(weights)
            self._measure(None, weights)
        return self.files

    def _at(self, step: int) -> OnWeights:
        def take(weights: list[networks.Array]) -> None:
            names, root = self._measure(step, weights), self.root
            if root is not None:
                with suppress(UserError):  # the disk is full, which will show when the record is written
                    for name in names:
                        write_beside(root / name, self.files[name])

        return take

    def _measure(self, step: int | None, weights: list[networks.Array]) -> list[str]:
        """Measure the probes of a step, or with `None` of the end, and return the paths of their files."""
        probes = [probe for probe in self.probes if probe.step == step]
        if not probes:
            return []
        from resnet_core.runs.execution.measuring import measured_all

        measured = measured_all(self.run, weights, self.data, probes, self.sample)
        files = {measurements.name_of(each.item): measurements.content_of(each) for each in measured}
        self.files |= files
        return [*files]
