"""The dry run of a search: its space, the cost of its networks, and how long trials and confirmation take."""

import math
from dataclasses import replace
from functools import partial

from resnet_core.errors import UserError
from resnet_core.folders import check_writable
from resnet_core.nets.cost import cost
from resnet_core.nets.own import spec_of
from resnet_core.runs.execution import job
from resnet_core.runs.execution.display import duration
from resnet_core.runs.execution.estimate import start_seconds, train_seconds
from resnet_core.runs.execution.fill import asked_data, trained_on
from resnet_core.runs.execution.options import Execution
from resnet_core.telling import say, show
from search.limits import GIB, run_bytes
from search.request import Search
from search.space import Values, range_of


def dry_run(search: Search, execution: Execution, *, best: int, seeds: int) -> None:
    """Print the description of the data, the space, the cost of its smallest network, and the time of the search.

    Nothing is written, and no image is decoded.

    Raises:
        UserError: See `runner.run`. Damaged images are not found here.
    """
    from rich.table import Table

    check_writable(search.root)
    search = replace(search, data=job.source(*asked_data(search.train, execution)).info)
    search.check()
    say(search.data.split(search.train).line)
    table = Table(box=None, header_style="bold")
    for column in ("hyperparameter", "range", "if"):
        table.add_column(column)
    for hp in search.space.hyperparameters.space:
        conditions = (f"{condition.name} is {' or '.join(map(str, condition.values))}" for condition in hp.conditions)
        table.add_row(hp.name, range_of(hp), ", ".join(conditions))
    show(table)
    points = {
        "smallest": search.space.least(partial(_parameters, search))[0],
        "default": search.space.active({}),
    }
    seconds = {name: _say_cost(search, name, values) for name, values in points.items()}
    _say_times(search, max(seconds.values()), best, seeds)


def _say_cost(search: Search, name: str, values: Values) -> float:
    """Print the cost of the network of a point, and return the estimated seconds of its trial on one core."""
    run = search.run_of(values)
    network_cost = cost(run.net)
    seconds = train_seconds(run, trained_on(search.train, search.data), 1) + start_seconds(run)
    say(
        f"{name}: {network_cost.trainable:,} parameters, {network_cost.macs:,} MACs, "
        f"{run_bytes(spec_of(run.net), run.train, run.probe) / GIB:.3g} GiB in a run, about {duration(seconds)} a "
        "trial on one core"
    )
    return seconds


def _say_times(search: Search, seconds: float, best: int, seeds: int) -> None:
    """Print the number of trainings and their estimated time on one core, if a trial takes so many seconds."""
    budget, again = search.budget, 2 * best * seeds
    say(f"{budget.trials} trials of the oracle {search.oracle}, into {search.root}: {_about(budget.trials, seconds)}")
    if best:
        say(
            f"confirmation of the {best} best and their twins with {seeds} fresh seeds each: {again} trainings, "
            f"{_about(again, seconds)}; in all {_about(budget.trials + again, seconds)}"
        )
    if budget.seconds is not None:
        say(f"no trial starts when the confirmation is expected to need what is left of {duration(budget.seconds)}")


def _about(count: int, seconds: float) -> str:
    return f"about {duration(count * seconds)} on one core"


def _parameters(search: Search, values: Values) -> float:
    """Return the number of parameters of a point; infinity if it has no network."""
    try:
        return cost(search.run_of(values).net).trainable
    except UserError:
        return math.inf
