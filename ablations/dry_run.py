"""`--dry-run`: print the runs and their cost."""

from collections.abc import Iterator

from ablations.ahead import Ahead, ahead
from ablations.fairness import mismatches
from ablations.probes import say_cost
from ablations.request import Request
from ablations.runner import say_without_network
from resnet_core.folders import check_writable
from resnet_core.nets.cost import cost
from resnet_core.runs.execution import taking
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records import networks
from resnet_core.runs.records.store import Store
from resnet_core.runs.training.forms import in_own_form
from resnet_core.telling import say, show


def dry_run(request: Request, execution: Execution) -> None:
    """Print the description of the data, and every run with its cost and whether it is recorded.

    Nothing is written, and no image is decoded.

    Raises:
        UserError: See `run`. Damaged images are not found here.
    """
    from resnet_core.runs.execution.display import runs_table

    check_writable(request.root)
    remaining = ahead(request, execution)
    work = remaining.runs
    costs = [cost(run.net) for run in work.runs]
    table = runs_table(
        work.runs, [each.trainable for each in costs], [each.macs for each in costs], work.seconds, work.states
    )
    say(remaining.data.split(request.train).line)
    show(table)
    unequal = (f"not of equal cost: {line}" for line in mismatches(request.claimed.claims, work.runs))
    if remaining.taken:
        total = len(work.runs) + len(remaining.trials.runs)
        say(taking.line(remaining.taken, total, request.out, "would be"))
    for line in (*of_trials(request, remaining), *request.claimed.left_out, *unequal, *in_own_form(work.runs)):
        say(line)
    left = [run for run, done in zip(work.runs, work.recorded, strict=True) if not done]
    if execution.keep_networks:
        say(f"the kept networks take {sum(map(networks.bytes_of, left)) / 2**20:.1f} MiB")
        if any(work.recorded):
            say_without_network(Store(request.root), [run.id for run in work.runs])
    if execution.probes:
        say_cost(execution.probes, execution.sample, [run.net for run in left])


def of_trials(request: Request, remaining: Ahead) -> Iterator[str]:
    """Yield a line on the remaining trials of learning rates, if there are any."""
    from resnet_core.runs.execution.display import duration

    trials = remaining.trials
    if not trials.left:
        return
    more = len(remaining.arms) * request.rates.trial_seeds
    recorded = len(trials.runs) - len(trials.left)
    of_all = f" of {len(trials.runs)}" if recorded else ""
    yield (
        f"before these, {len(trials.left)}{of_all} trials of learning rates: {duration(sum(trials.left))}; "
        f"{more} more at most, where the best rate is at the edge of the grid"
    )
