"""`--dry-run`: print the runs and their cost."""

from dataclasses import replace

from ablations.fairness import mismatches
from ablations.probes import say_cost
from ablations.request import Request
from ablations.runner import say_without_network
from resnet_core.folders import check_writable
from resnet_core.nets.cost import cost
from resnet_core.runs.data import check_sizes
from resnet_core.runs.execution import job
from resnet_core.runs.execution.estimate import study_threads
from resnet_core.runs.execution.fill import asked_data, estimated, trained_on
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records import networks
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.runs.training.forms import in_own_form
from resnet_core.telling import say, show


def dry_run(request: Request, execution: Execution) -> None:
    """Print the data, and every run with its cost and whether it is recorded.

    Nothing is written, and no image decoded.

    Raises:
        UserError: See `run`; faults in the content of images are not found here.
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
        [each.trainable for each in costs],
        [each.macs for each in costs],
        list(estimated(runs, trained_on(request.train, data), study_threads(runs))),
        [_asked(run, sha256) in recorded for run in runs],
    )
    say(data.split(request.train).line)
    show(table)
    arms = arms_of(request, data, sha256)
    if arms:
        tried = trials(request, [(arm, request.rates.grid) for arm in arms])
        seconds = sum(estimated(tried, trained_on(request.train, data), study_threads(tried)))
        more = len(arms) * request.rates.trial_seeds
        say(
            f"before these, {len(tried)} trials of learning rates: {duration(seconds)}; "
            f"{more} more at most, where the best rate is at the edge of the grid"
        )
    unequal = (f"not of equal cost: {line}" for line in mismatches(request.claimed.claims, runs))
    for line in (*request.claimed.left_out, *unequal, *in_own_form(runs)):
        say(line)
    if execution.keep_networks:
        kept = sum(networks.bytes_of(run) for run in runs if _asked(run, sha256) not in recorded)
        say(f"the networks that are kept take {kept / 2**20:.1f} MiB")
        if recorded:
            say_without_network(Store(request.root), [run.id for run in runs])
    if execution.probes:
        say_cost(execution.probes, execution.sample, [run.net for run in runs if _asked(run, sha256) not in recorded])


def _asked(run: Run, data_sha256: str) -> str:
    """Return the identity of a run: its id or, if the content of the data is unknown, the id without it."""
    return run.id if data_sha256 else replace(run, train=run.train.replace(data_sha256="")).id
