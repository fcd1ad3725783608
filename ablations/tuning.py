"""The choice of a learning rate for each arm, by validation images, before the seeds are run.

Every arm has the same rates, the same number of trials at each rate, and the same rule; see `analysis.tuning.best`. A
trial is as long as a run, since the best rate depends on the length, unless a share of it is asked for; then it has the
whole schedule in fewer steps. It measures no gradients and never sees a test image, so its record has no test result.
If the best rate of an arm is the lowest or the highest of the grid, one more rate is tried, a step beyond it. If that
is the best one, a warning is given.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from ablations.request import Claimed, Request
from analysis.tuning import Tried, best, beyond
from resnet_core.errors import UserError
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import DataInfo
from resnet_core.runs.description import counted
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.recipes import shortened
from resnet_core.runs.records.plan import Plan, Tuned
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.telling import say, warn

FOLDER = "learning_rates"
SEED = 1_000_000  # first seed of the trials, far from the seeds of the runs
FACTOR = "learning_rate"
Fill = Callable[[Plan, Sequence[Run], Path], None]


def arms_of(request: Request, data: DataInfo, data_sha256: str) -> list[Run]:
    """Return a run of each arm whose learning rate is to be chosen, at the rate of `train`.

    Raises:
        UserError: There is only one rate, or there are no validation images.
    """
    rates = request.rates.grid
    if not rates or request.train.steps == 0:
        return []
    if len(set(rates)) < 2:
        raise UserError(
            f"a choice needs two learning rates or more, but got {rates[0]:g} alone; --set learning_rate={rates[0]:g} "
            "sets it"
        )
    if not request.train.validation_fraction:
        raise UserError(
            "a learning rate is chosen by validation images, but validation_fraction is 0; set "
            f"validation_fraction=0.1, or learning_rate={request.train.learning_rate:g} for all arms"
        )
    return request.with_seeds(1).runs(data, data_sha256)


def trials(request: Request, rates: Iterable[tuple[Run, Sequence[float]]]) -> list[Run]:
    """Return the trials of arms, each given with its rates. The trials of one arm follow each other.

    Each trial has another split into training and validation images, so that the choice depends on more images than the
    validation images of one split.

    Raises:
        UserError: An arm is trained alike at two rates.
    """
    probe = ProbeSpec(steps=(), each_epoch=False)
    runs = [
        replace(
            at_rate,
            seed=seed,
            probe=probe,
            train=shortened(at_rate.train, request.rates.trial_share).replace(test=False, split_seed=seed),
            factors={**arm.factors, FACTOR: rate},
        )
        for arm, values in rates
        for rate in dict.fromkeys(values)
        for at_rate in [request.at_rate(arm, rate)]
        for seed in range(SEED, SEED + request.rates.trial_seeds)
    ]
    by_id: dict[str, Run] = {}
    for run in runs:
        twin = by_id.setdefault(run.id, run)
        if twin is not run:
            raise UserError(
                f"a learning rate can be chosen where `train` reads it, but ({twin.label}) and ({run.label}) are "
                f"trained alike; --set learning_rate={request.train.learning_rate:g} chooses none"
            )
    return runs


def trial_execution(execution: Execution) -> Execution:
    """Return how trials are executed: no network is kept or probed."""
    return replace(execution, keep_networks=False, probes=())


def tuned(request: Request, data: DataInfo, data_sha256: str, fill: Fill) -> Request:
    """Return the request with the best learning rate of each arm.

    The trials are a study of their own, in the folder `learning_rates` of the study.

    Args:
        request: The request.
        data: Description of the data set.
        data_sha256: Hash of the data.
        fill: Function that executes the runs of a plan in a folder.
    """
    arms = arms_of(request, data, data_sha256)
    if not arms:
        return request
    table = Trials(request, data, data_sha256, fill)
    table.run([(arm, request.rates.grid) for arm in arms])
    images = round(request.train.validation_fraction * (request.train.train_size or data.train_images))
    images *= request.rates.trial_seeds
    further = [(arm, beyond(table.trials_of(arm), best(table.trials_of(arm), images))) for arm in arms]
    table.run([(arm, [rate]) for arm, rate in further if rate is not None])
    rates: dict[str, float] = {}
    rows: list[Tuned] = []
    for arm in arms:
        tried = table.trials_of(arm)
        chosen = best(tried, images)
        rates[arm.arm] = request.train.learning_rate if chosen is None else chosen.rate
        _say(arm.arm or "every run", tried, chosen, request, images)
        rows += [
            Tuned(arm=arm.factors, learning_rate=row.rate, val_accuracy=[*row.accuracies], val_loss=[*row.losses],
                  chosen=row is chosen)
            for row in tried
        ]  # fmt: skip
    return replace(request, rates=replace(request.rates, chosen=rates, tried=rows))


class Trials:
    """The trials of a request, in a folder of their own.

    Args:
        request: What was asked for.
        data: What was read.
        data_sha256: Hash of the data.
        fill: Executes the runs of a plan in a folder.
    """

    def __init__(self, request: Request, data: DataInfo, data_sha256: str, fill: Fill) -> None:
        self._request = request
        self._data = data
        train = shortened(request.train, request.rates.trial_share).replace(test=False)
        self._asked = replace(request.with_train(train), claimed=Claimed())
        self._sha256 = data_sha256
        self._fill = fill
        self._root = request.root / FOLDER
        self._runs: list[Run] = []
        self._records: dict[str, Record] = {}

    def run(self, rates: Sequence[tuple[Run, Sequence[float]]]) -> None:
        """Execute the trials that are not recorded yet. Each arm is given with its rates.

        Raises:
            UserError: The record of a trial is missing or damaged.
        """
        runs = trials(self._request, rates)
        if not runs:
            return
        plan = self._asked.plan(runs, self._data, self._sha256)
        self._fill(replace(plan, base={**plan.base, "train.split_seed": "the trial's seed"}), runs, self._root)
        self._runs += runs
        self._records = {record.run.id: record for record in Store(self._root).records()}
        lost = [run.label for run in runs if run.id not in self._records]
        if lost:
            raise UserError(
                f"every trial must be recorded before a learning rate is chosen, but in {self._root} there is no "
                f"record of ({lost[0]}){f' and {len(lost) - 1} more' if len(lost) > 1 else ''}; run the study again"
            )

    def trials_of(self, arm: Run) -> list[Tried]:
        """Return the results of the trials of an arm, a row for each rate, in ascending order."""
        of_arm = [run for run in self._runs if {**run.factors, FACTOR: None} == {**arm.factors, FACTOR: None}]
        rows = []
        for rate in sorted({run.factors[FACTOR] for run in of_arm}):
            records = [self._records[run.id] for run in of_arm if run.factors[FACTOR] == rate]
            accuracies, losses = ([_result(record, name) for record in records] for name in ("accuracy", "loss"))
            rows.append(Tried(rate, tuple(accuracies), tuple(losses)))
        return rows


def _result(record: Record, name: str) -> float | None:
    """Return a validation result of a trial, or `None` if the trial failed."""
    return record.results.get(f"val_{name}") if record.status == "completed" else None


def _say(arm: str, tried: Sequence[Tried], chosen: Tried | None, request: Request, images: int) -> None:
    """Print the chosen rate, and warn if the choice is doubtful."""
    grid = ", ".join(f"{row.rate:.3g}" for row in tried)
    if chosen is None:
        rate = request.train.learning_rate
        warn(f"warning: {arm}: every trial failed, at {grid}; learning rate {rate:g} is kept")
        return
    count = len(chosen.accuracies)
    figures = f"validation accuracy {chosen.accuracy:.3f}, loss {chosen.loss:.3g}"
    say(f"{arm}: learning rate {chosen.rate:.3g} of {grid}; {figures} ({counted(count, 'trial')}, {images} images)")
    if chosen.failed:
        warn(f"warning: {arm}: at no rate did all trials train; {chosen.failed} of {count} failed")
    if chosen.rate in (tried[0].rate, tried[-1].rate):
        warn(
            f"warning: {arm}: the best learning rate, {chosen.rate:.3g}, is at the edge of those tried; "
            "--learning-rates with others may find a better one"
        )
