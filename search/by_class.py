"""The predictions of the confirmed network by class: measured with each fresh seed by the probe `scores`."""

from collections.abc import Sequence

from resnet_core.probes.requests import Item, ProbeRequest, Sample
from resnet_core.runs.execution import job
from resnet_core.runs.records import measurements
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.training.checkpoints import UNREADABLE, variables_of
from resnet_core.runs.training.forms import weights_of_state

SCORES = ProbeRequest("scores")
SAMPLE = Sample("test", 10_000)


def measure_by_class(store: Store, records: Sequence[Record]) -> None:
    """Measure the probe `scores` of the networks of these runs on the test images, in the folder of their records.

    A run that is measured already, or whose last state is lost, is passed over.
    """
    from resnet_core.runs.execution.measuring import measured_all

    for record in records:
        run = record.run
        if measurements.there(store.root, Item(run.id, SCORES, SAMPLE)):
            continue
        try:
            weights = weights_of_state(run, variables_of(store.state_of(run.id)))
        except UNREADABLE:
            continue
        for measurement in measured_all(run, weights, job.dataset(run.train), [SCORES], SAMPLE):
            measurements.write(store.root, measurement)
