"""The execution of a request: it is planned, missing runs are executed, and each run is recorded when it ends."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ablations.probes import say_unprobed
from ablations.request import Request
from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.nets.own import is_known, name_of_code
from resnet_core.runs.data import check_sizes
from resnet_core.runs.execution import job
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.execution.fill import (
    asked_data,
    check_mixed,
    estimated,
    execute_all,
    fill,
    summarised,
    trained_on,
)
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records import networks
from resnet_core.runs.records.outcomes import COMPLETED, FAILED_TO_TRAIN
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.runs.training.initial import check_initial
from resnet_core.telling import say


def run(request: Request, execution: Execution) -> list[Run]:
    """Execute the runs that are not recorded yet, and record each.

    Returns:
        The runs of the request, however they ended. The list is empty if the hours of `execution` were over before.

    Raises:
        UserError: The request is impossible. Nothing is written then.
    """
    from ablations.tuning import trial_execution, tuned
    from ablations.until import keep_look, until_decided
    from resnet_core.surroundings import check_backend, set_variables

    if request.seeds.most is not None and not request.claimed.claims:
        raise UserError("--until decided needs a claim on the arms of the study, but there is none")
    set_variables()
    check_backend()
    check_writable(request.root)
    source = job.source(*asked_data(request.train, execution))
    for run in request.runs(source.info):  # to find mistakes before a large data set is read
        check_sizes(run, source.info.train_images)
    images, sha256 = job.content_of(*asked_data(request.train, execution))
    runs = request.runs(source.info, sha256)
    for run in runs:  # damaged images may have been left out
        check_sizes(run, source.info.train_images)
    for train in dict.fromkeys(job.of_data(run.train) for run in runs):
        job.prepared(images, train)
    kept = Store(request.root).plan()
    check_initial(runs, kept.threads if kept else study_threads(runs))
    say(source.info.split(request.train).line)
    count = trained_on(request.train, source.info)
    trial = trial_execution(execution)

    def execute_runs(part: Request, runs: Sequence[Run]) -> None:
        _fill_in_time(part.plan(list(runs), source.info, sha256), runs, request.root, execution, count, request.out)
        Store(request.root).check_there()

    try:
        request = tuned(
            request, source.info, sha256,
            lambda plan, runs, root: _fill_in_time(plan, runs, root, trial, count, request.out),
        )  # fmt: skip
        if request.seeds.most is not None:
            runs = until_decided(request, source.info, sha256, execute_runs)
        else:
            runs = request.runs(source.info, sha256)
            execute_runs(request, runs)
            keep_look(request.root)
    except _HoursOver as over:
        say(str(over))
        return []
    if execution.keep_networks:
        say_without_network(Store(request.root), [run.id for run in runs])
    if execution.probes:
        say_unprobed(Store(request.root), runs, execution.probes, execution.sample)
    if request.rates.untuned:
        say(f"no learning rate was chosen: {request.rates.untuned}")
    for line in request.claimed.left_out:
        say(line)
    return runs


class _HoursOver(Exception):
    """Raised if the hours of an execution are over, and runs are missing."""


def _fill_in_time(plan: Plan, runs: Sequence[Run], root: Path, execution: Execution, images: int, out: Path) -> None:
    """Record runs as `fill` does.

    Raises:
        _HoursOver: The hours are over, and one of the runs is not recorded.
    """
    fill(plan, runs, root, execution, images, out)
    if execution.is_over:
        statuses = Store(root).survey().statuses
        missing = sum(run.id not in statuses for run in runs)
        if missing:
            raise _HoursOver(
                f"the {execution.hours:g} hours are over, and {missing} of {len(runs)} runs of {root} are missing; the "
                "same command runs the rest"
            )


def retry(root: Path, statuses: Sequence[str], execution: Execution) -> list[Run]:
    """Execute again the runs of a study with these statuses, with the current code of their blocks.

    A run whose block has changed replaces the failed one.

    Returns:
        The executed runs.

    Raises:
        UserError: A block is not registered.
    """
    store = Store(root)
    plan = store.plan()
    assert plan
    store.check_base(plan.base)
    planned = {run.id for run in plan.runs}
    survey = store.survey()
    failed = [record.run for record in store.records() if record.status in statuses and record.run.id in planned]
    for run in failed:
        if not is_known(run.net):
            raise UserError(
                f"a run needs the code of its block, but ({run.label}) has block={name_of_code(run.net)}, which is not "
                "known; name its file by --plugin"
            )
    runs = [replace(run, code=None) for run in failed]
    if runs and {run.id for run in runs} - planned:
        store.add_plan(replace(plan, runs=tuple(map(PlannedRun.from_run, runs)), commands=()), mixed=True)
    if not runs:
        say(f"no run of {root} is {' or '.join(statuses)}")
        return []
    check_mixed(store, survey, execution)
    data = job.dataset(runs[0].train, job.resident(execution.stream, execution.memory))
    if data.info:
        say(data.info.line)
    images = len(data.x_train)
    estimates = dict(zip((run.id for run in runs), estimated(runs, images, plan.threads), strict=True))
    attempts = {run.id: survey.next_attempt(run.id) for run in runs}
    with summarised(store, [run.id for run in runs]):
        execute_all(runs, estimates, execution, store, plan.threads, attempts)
    return runs


def say_without_network(store: Store, ids: Sequence[str]) -> None:
    """Print which of these runs completed and have no kept network, and how to get one."""
    kept, statuses = networks.kept(store.root), store.survey().statuses
    lacking = [run_id for run_id in ids if statuses.get(run_id) in (COMPLETED, FAILED_TO_TRAIN) and run_id not in kept]
    if lacking:
        say(
            f"{len(lacking)} of {len(ids)} runs were recorded without --keep-networks and have no kept network, "
            f"{lacking[0]} first; to train them again, give another --out"
        )
