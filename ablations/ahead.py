"""The remaining work of a request: runs and trials of learning rates that are not recorded, and their time."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ablations.request import Request
from ablations.tuning import FOLDER, arms_of, trials
from ablations.until import further_runs
from resnet_core.runs.data import DataInfo, check_sizes
from resnet_core.runs.execution import job
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.execution.fill import asked_data, estimated, trained_on
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.spec import Run


@dataclass(frozen=True)
class Stage:
    """Runs with their estimated times in seconds, and whether each is recorded."""

    runs: Sequence[Run]
    seconds: Sequence[float]
    recorded: Sequence[bool]

    @cached_property
    def left(self) -> list[float]:
        """Estimated times in seconds of the runs that are not recorded."""
        return [time for time, done in zip(self.seconds, self.recorded, strict=True) if not done]

    def wall_time(self, workers: int) -> float:
        """Return the estimated time in seconds of the runs that are not recorded, with this number of workers."""
        return max(sum(self.left) / workers, max(self.left, default=0.0))


@dataclass(frozen=True)
class Ahead:
    """The runs of a request, and which of them are recorded.

    Attributes:
        data: Description of the data set.
        data_sha256: Hash of the data; empty while it is unknown.
        arms: A run of each arm whose learning rate is to be chosen.
        trials: The trials at the learning rates of the grid.
        runs: The runs, with learning rates as far as they are chosen. With `--until`, they include those of the next
            look.
    """

    data: DataInfo
    data_sha256: str
    arms: Sequence[Run]
    trials: Stage
    runs: Stage

    @property
    def left(self) -> int:
        """Number of runs and trials that are not recorded."""
        return len(self.trials.left) + len(self.runs.left)

    def wall_time(self, execution: Execution) -> float:
        """Return the estimated time in seconds, from the first trial to the last run."""
        workers = execution.workers or max(1, available_cores() // study_threads(list(self.runs.runs)))
        return self.trials.wall_time(workers) + self.runs.wall_time(workers)


def ahead(request: Request, execution: Execution, *, afresh: bool = False) -> Ahead:
    """Return the remaining work of a request. No image is decoded.

    Args:
        request: The request.
        execution: How runs are to be executed.
        afresh: Whether existing records are ignored.

    Raises:
        UserError: The request is impossible. Damaged images are not found here.
    """
    source = job.source(*asked_data(request.train, execution))
    data, sha256 = source.info, source.sha256()
    store, tried_store = (None, None) if afresh else (Store(request.root), Store(request.root / FOLDER))
    images = trained_on(request.train, data)
    arms = arms_of(request, data, sha256)
    tried = trials(request, [(arm, request.rates.grid) for arm in arms])
    chosen = with_chosen(request, arms, store) if store else request
    runs = chosen.runs(data, sha256)
    for run in runs:
        check_sizes(run, data.train_images)
    if store:
        store.check_base(request.base(sha256), unknown=frozenset() if sha256 else frozenset({"train.data_sha256"}))
    work = _work(runs, store, sha256, images)
    if request.seeds.most is not None and not work.left:
        further = further_runs(chosen, lambda more: more.runs(data, sha256))
        work = _work(further, store, sha256, images) if further else work
    return Ahead(data, sha256, arms, _work(tried, tried_store, sha256, images), work)


def with_chosen(request: Request, arms: Iterable[Run], store: Store) -> Request:
    """Return the request with the learning rates that the plan of its folder has chosen for these arms."""
    plan = store.plan()
    rates = {_key(row["arm"]): row["learning_rate"] for row in (plan.tuning if plan else ()) if row["chosen"]}
    chosen = {arm.arm: rates[_key(arm.factors)] for arm in arms if _key(arm.factors) in rates}
    return replace(request, rates=replace(request.rates, chosen=chosen))


def _key(factors: object) -> str:
    """Return the levels of an arm as text, which is equal for levels from a plan and from a run."""
    return json.dumps(factors, sort_keys=True, default=str)


def _work(runs: Sequence[Run], store: Store | None, data_sha256: str, images: int) -> Stage:
    recorded = {_asked(record.run, data_sha256) for record in store.records()} if store else set()
    return Stage(
        runs,
        list(estimated(runs, images, study_threads(list(runs)))),
        [_asked(run, data_sha256) in recorded for run in runs],
    )


def _asked(run: Run, data_sha256: str) -> str:
    """Return the identity of a run: its id or, if the content of the data is unknown, an id that ignores it."""
    return run.id if data_sha256 else replace(run, train=run.train.replace(data_sha256="")).id
