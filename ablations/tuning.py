"""A learning rate for each arm, chosen on validation images before the seeds that are measured."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ablations.request import Request
from resnet_core.command_line import say
from resnet_core.errors import UserError
from resnet_core.runs.data import DataInfo
from resnet_core.runs.plan import Plan
from resnet_core.runs.spec import Run
from resnet_core.runs.store import Store

FOLDER = "learning_rates"
SEED = 1_000_000  # far from those that are measured
Fill = Callable[[Plan, Sequence[Run], Path], None]


def trials(request: Request, data: DataInfo, data_sha256: str) -> list[Run]:
    """Return a run for each arm at each learning rate, all with one seed.

    Raises:
        UserError: There are no validation images to choose by.
    """
    if request.learning_rates and not request.train.validation_fraction:
        raise UserError(
            "a learning rate is chosen by validation images, but validation_fraction is 0; set validation_fraction=0.1"
        )
    return [
        replace(
            run,
            seed=SEED,
            train=run.train.replace(learning_rate=rate),
            factors={**run.factors, "learning_rate": rate},
        )
        for run in request.runs(data, data_sha256)
        if run.seed == 0
        for rate in request.learning_rates
    ]


def tuned(request: Request, data: DataInfo, data_sha256: str, fill: Fill) -> Request:
    """Return the request with the best learning rate of each arm, by validation accuracy; ties go to the first.

    The trials are a study of their own, in the folder `learning_rates` of the study. A run that was not completed
    counts as an accuracy of 0.

    Args:
        request: What was asked for.
        data: What the networks must fit.
        data_sha256: Hash of the data.
        fill: Executes the runs of a plan in a folder.
    """
    runs = trials(request, data, data_sha256)
    if not runs:
        return request
    root = request.root / FOLDER
    asked = replace(request, claims=(), published=())
    fill(asked.plan(runs, data_sha256), runs, root)
    accuracies = {record.run.id: record.results.get("val_accuracy", 0.0) for record in Store(root).records()}
    best: dict[str, tuple[float, float]] = {}
    for run in runs:
        arm = replace(run, factors={name: of for name, of in run.factors.items() if name != "learning_rate"}).arm
        accuracy = accuracies.get(run.id, 0.0)
        if arm not in best or accuracy > best[arm][0]:
            best[arm] = (accuracy, run.train.learning_rate)
    for arm, (accuracy, rate) in best.items():
        say(f"{arm}: learning rate {rate:g}, validation accuracy {accuracy:.3f}")
    return replace(request, rates={arm: rate for arm, (_, rate) in best.items()})
