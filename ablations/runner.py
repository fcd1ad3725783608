"""From a request to records: plan, execute what is missing, record each run as it ends."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ablations.fairness import mismatches
from ablations.probes import say_cost, say_unprobed
from ablations.request import Request
from resnet_core.command_line import console, say
from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.nets.cost import cost
from resnet_core.nets.registry import BLOCKS
from resnet_core.runs.data import check_sizes
from resnet_core.runs.execution import job
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.execution.fill import (
    asked_data,
    check_mixed,
    estimated,
    execute,
    exit_if_failed,
    fill,
    summarised,
    trained_on,
)
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records import networks
from resnet_core.runs.records.outcomes import COMPLETED, FAILED_TO_TRAIN
from resnet_core.runs.records.plan import PlannedRun
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.runs.training.forms import in_own_form


def dry_run(request: Request, execution: Execution) -> None:
    """Print what the data are, and every run with its cost and whether it is recorded.

    Nothing is written, and no image decoded.

    Raises:
        UserError: See `run`; what shows only in the content of images does not show here.
    """
    from ablations.tuning import arms_of, trials
    from resnet_core.runs.execution.display import duration, runs_table

    check_writable(request.root)
    source = job.source(*asked_data(request.train, execution))
    data, store = source.info, Store(request.root)
    sha256 = source.sha256()
    runs = request.runs(data, sha256)
    for run in runs:
        check_sizes(run, data.train_images)
    store.check_base(request.base(sha256), unknown=frozenset() if sha256 else frozenset({"train.data_sha256"}))
    recorded = {_asked(record.run, sha256) for record in store.records()}
    costs = [cost(run.net) for run in runs]
    table = runs_table(
        runs,
        [of.trainable for of in costs],
        [of.macs for of in costs],
        list(estimated(runs, trained_on(request.train, data), study_threads(runs))),
        [_asked(run, sha256) in recorded for run in runs],
    )
    say(data.split(request.train).line)
    console().print(table)
    arms = arms_of(request, data, sha256)
    if arms:
        tried = trials(request, [(arm, request.learning_rates) for arm in arms])
        seconds = sum(estimated(tried, trained_on(request.train, data), study_threads(tried)))
        more = len(arms) * request.trial_seeds
        say(
            f"before these, {len(tried)} trials of learning rates: {duration(seconds)}; "
            f"{more} more at most, where the best rate is at the edge of the grid"
        )
    unequal = (f"not of equal cost: {line}" for line in mismatches(request.claims, runs))
    for line in (*request.left_out, *unequal, *in_own_form(runs)):
        say(line)
    if execution.keep_networks:
        kept = sum(networks.bytes_of(run) for run in runs if _asked(run, sha256) not in recorded)
        say(f"the networks that are kept take {kept / 2**20:.1f} MiB")
        if recorded:
            say_without_network(Store(request.root), [run.id for run in runs])
    if execution.probes:
        say_cost(execution.probes, execution.sample, [run.net for run in runs if _asked(run, sha256) not in recorded])


def run(request: Request, execution: Execution) -> None:
    """Execute the runs that are not recorded yet, record each, and print what came of them all.

    Raises:
        UserError: Something asked for cannot be; nothing is written then.
    """
    from ablations.tuning import tuned
    from ablations.until import keep_look, until_decided
    from analysis.terminal import print_verdicts
    from resnet_core.surroundings import check_backend, set_variables

    if request.until_decided and not request.claims:
        raise UserError("--until decided needs a claim on the arms of the study, but there is none")
    set_variables()
    check_backend()
    check_writable(request.root)
    source = job.source(*asked_data(request.train, execution))
    for run in request.runs(source.info):  # a mistake shows before a large data set is read
        check_sizes(run, source.info.train_images)
    images, sha256 = job.content_of(*asked_data(request.train, execution))
    runs = request.runs(source.info, sha256)
    for run in runs:  # decoding may have left some out
        check_sizes(run, source.info.train_images)
    for train in dict.fromkeys(job.of_data(run.train) for run in runs):
        job.prepared(images, train)
    say(source.info.split(request.train).line)
    count = trained_on(request.train, source.info)
    trial = replace(execution, keep_networks=False, probes=())
    request = tuned(request, source.info, sha256, lambda plan, runs, root: fill(plan, runs, root, trial, count))

    def execute_runs(of: Request, runs: Sequence[Run]) -> None:
        fill(of.plan(list(runs), source.info, sha256), runs, request.root, execution, count)
        Store(request.root).check_there()

    if request.until_decided:
        runs = until_decided(request, source.info, sha256, execute_runs)
    else:
        runs = request.runs(source.info, sha256)
        execute_runs(request, runs)
        keep_look(request.root)
    if execution.keep_networks:
        say_without_network(Store(request.root), [run.id for run in runs])
    if execution.probes:
        say_unprobed(Store(request.root), runs, execution.probes, execution.sample)
    if request.untuned:
        say(f"no learning rate was chosen: {request.untuned}")
    for line in request.left_out:
        say(line)
    print_verdicts(request.root)
    exit_if_failed(Store(request.root), [run.id for run in runs])


def retry(root: Path, statuses: Sequence[str], execution: Execution) -> None:
    """Execute the runs of a study that ended in one of these ways once more, with the code that their blocks have now.

    A run whose block has changed takes the place of the one that failed.

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
        if run.net.block not in BLOCKS:
            raise UserError(
                f"a run needs the code of its block, but ({run.label}) has block={run.net.block}, which is not known; "
                "name its file by --plugin"
            )
    runs = [replace(run, code=None) for run in failed]
    if runs and {run.id for run in runs} - planned:
        store.add_plan(replace(plan, runs=tuple(map(PlannedRun.of, runs)), commands=()), mixed=True)
    if not runs:
        say(f"no run of {root} is {' or '.join(statuses)}")
        return
    check_mixed(store, survey, execution)
    data = job.dataset(runs[0].train, job.resident(execution.stream, execution.memory))
    if data.info:
        say(data.info.line)
    images = len(data.x_train)
    estimates = dict(zip((run.id for run in runs), estimated(runs, images, plan.threads), strict=True))
    attempts = {run.id: survey.next_attempt(run.id) for run in runs}
    with summarised(store, [run.id for run in runs]):
        execute(runs, estimates, execution, store, plan.threads, attempts)
    exit_if_failed(store, [run.id for run in runs])


def say_without_network(store: Store, ids: Sequence[str]) -> None:
    """Say which of these runs were completed and have no kept network, and how to get it."""
    kept, statuses = networks.kept(store.root), store.survey().statuses
    lacking = [run_id for run_id in ids if statuses.get(run_id) in (COMPLETED, FAILED_TO_TRAIN) and run_id not in kept]
    if lacking:
        say(
            f"{len(lacking)} of {len(ids)} runs were recorded without --keep-networks and have no kept network, "
            f"{lacking[0]} first; to train them again, give another --out"
        )


def _asked(run: Run, data_sha256: str) -> str:
    """Return what tells the run from others: its id or, if the content of the data is not known, that without it."""
    return run.id if data_sha256 else replace(run, train=run.train.replace(data_sha256="")).id
