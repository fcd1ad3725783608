"""The remaining work of a request: runs and trials of learning rates that are not recorded, and their time. Those that
are taken from other studies take none.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ablations.request import Request
from ablations.tuning import FOLDER, arms_of, trial_execution, trials
from ablations.until import further_runs
from resnet_core.runs.data import DataInfo, check_sizes
from resnet_core.runs.execution import job, taking
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.execution.fill import asked_data, estimated, trained_on
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.store import Store
from resnet_core.runs.runtime import available_cores
from resnet_core.runs.spec import Run

Trained = tuple[str, int]
"""A run that is to be trained: its id and the number of threads. Equal ones are trained once."""


@dataclass(frozen=True)
class Stage:
    """Runs that are executed in one go.

    Attributes:
        runs: The runs.
        seconds: Estimated time in seconds of each run.
        recorded: Whether each run is recorded.
        taken: The study that each run is taken from, by the id of the run; see `execution.taking`.
        threads: Number of threads of each process.
    """

    runs: Sequence[Run]
    seconds: Sequence[float]
    recorded: Sequence[bool]
    taken: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1

    @property
    def missing(self) -> int:
        """Number of runs that are not recorded."""
        return self.recorded.count(False)

    @property
    def states(self) -> list[str]:
        """For each run `recorded`, or the study that it is taken from; empty for a run that is to be trained."""
        return [
            "recorded" if done else f"from {self.taken[run.id]}" if run.id in self.taken else ""
            for run, done in zip(self.runs, self.recorded, strict=True)
        ]

    @cached_property
    def to_train(self) -> dict[Trained, float]:
        """Estimated times in seconds of the runs that are to be trained."""
        times = zip(self.runs, self.seconds, self.states, strict=True)
        return {(run.id, self.threads): time for run, time, state in times if not state}

    @property
    def left(self) -> list[float]:
        """Estimated times in seconds of the runs that are to be trained."""
        return [*self.to_train.values()]


@dataclass(frozen=True)
class Ahead:
    """The runs of a request, and which of them are recorded or taken from other studies.

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
        """Number of runs and trials that are to be trained."""
        return len(self.trials.left) + len(self.runs.left)

    @property
    def missing(self) -> int:
        """Number of runs and trials that are not recorded."""
        return self.trials.missing + self.runs.missing

    @property
    def taken(self) -> list[str]:
        """The study of each run and trial that is taken from another study."""
        return [*self.trials.taken.values(), *self.runs.taken.values()]

    def workers(self, execution: Execution) -> int:
        """Return the number of workers."""
        return execution.workers or max(1, available_cores() // study_threads(list(self.runs.runs)))

    def wall_time(self, execution: Execution) -> float:
        """Return the estimated time in seconds, from the first trial to the last run."""
        workers = self.workers(execution)
        return wall_time(self.trials.left, workers) + wall_time(self.runs.left, workers)


def wall_time(seconds: Collection[float], workers: int) -> float:
    """Return the time in seconds of runs with these times, with this number of workers."""
    return max(sum(seconds) / workers, max(seconds, default=0.0))


def ahead(request: Request, execution: Execution, *, afresh: bool = False) -> Ahead:
    """Return the remaining work of a request. No image is decoded: while the content of the data is unknown, it is
    taken to be that of the records.

    Args:
        request: The request.
        execution: How runs are to be executed.
        afresh: Whether existing records are ignored, also those of other studies.

    Raises:
        UserError: The request is impossible. Damaged images are not found here.
    """
    source = job.source(*asked_data(request.train, execution))
    data, sha256 = source.info, source.sha256()
    store = None if afresh else Store(request.root)
    images = trained_on(request.train, data)

    def work_of(runs: Sequence[Run], root: Path, how: Execution) -> Stage:
        kept = None if afresh else Store(root).plan()
        threads = kept.threads if kept else study_threads(list(runs))
        seconds = list(estimated(runs, images, threads))
        if afresh:
            return Stage(runs, seconds, [False] * len(runs), threads=threads)
        ids = {_asked(record.run, sha256) for record in Store(root).records()}
        recorded = [_asked(run, sha256) in ids for run in runs]
        missing = [run for run, done in zip(runs, recorded, strict=True) if not done]
        origins = {
            _asked(record.run, sha256): record.taken_from
            for content in ([sha256] if sha256 else taking.contents_in(request.out))
            for record in taking.taken([_on(run, content) for run in missing], root, request.out, threads, how)
        }
        return Stage(runs, seconds, recorded, origins, threads)

    arms = arms_of(request, data, sha256)
    tried = trials(request, [(arm, request.rates.grid) for arm in arms])
    chosen = with_chosen(request, arms, store) if store else request
    runs = chosen.runs(data, sha256)
    for run in runs:
        check_sizes(run, data.train_images)
    if store:
        store.check_base(request.base(sha256), unknown=frozenset() if sha256 else frozenset({"train.data_sha256"}))
    work = work_of(runs, request.root, execution)
    if request.seeds.most is not None and not work.missing:
        further = further_runs(chosen, lambda more: more.runs(data, sha256))
        work = work_of(further, request.root, execution) if further else work
    return Ahead(data, sha256, arms, work_of(tried, request.root / FOLDER, trial_execution(execution)), work)


def with_chosen(request: Request, arms: Iterable[Run], store: Store) -> Request:
    """Return the request with the learning rates that the plan of its folder has chosen for these arms."""
    plan = store.plan()
    rates = {_key(row["arm"]): row["learning_rate"] for row in (plan.tuning if plan else ()) if row["chosen"]}
    chosen = {arm.arm: rates[_key(arm.factors)] for arm in arms if _key(arm.factors) in rates}
    return replace(request, rates=replace(request.rates, chosen=chosen))


def _key(factors: object) -> str:
    """Return the levels of an arm as text, which is equal for levels from a plan and from a run."""
    return json.dumps(factors, sort_keys=True, default=str)


def _asked(run: Run, data_sha256: str) -> str:
    """Return the identity of a run: its id or, if the content of the data is unknown, an id that ignores it."""
    return run.id if data_sha256 else _on(run, "").id


def _on(run: Run, data_sha256: str) -> Run:
    """Return the run on data with this hash."""
    return replace(run, train=run.train.replace(data_sha256=data_sha256))
