"""`run --all --hours`: runs the studies that fit into a time, in the order of undecided claims per hour."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ablations.ahead import Trained, ahead, wall_time
from ablations.request import Request
from ablations.until import open_claims
from resnet_core.runs.execution.options import Execution
from resnet_core.runs.records.store import Store
from resnet_core.telling import say, show

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Waiting:
    """A study with remaining work.

    Attributes:
        name: Name of the study.
        claims: Number of its claims.
        undecided: Number of undecided claims.
        trials: Estimated time in seconds of each trial of a learning rate that is to be trained.
        runs: The same of each run.
        workers: Number of workers.
        takes: Whether runs are taken from other studies. Trials always are.
    """

    name: str
    claims: int
    undecided: int
    trials: Mapping[Trained, float]
    runs: Mapping[Trained, float]
    workers: int = 1
    takes: bool = True

    @property
    def left(self) -> int:
        """Number of runs and trials that are to be trained."""
        return len(self.trials) + len(self.runs)

    @property
    def seconds(self) -> float:
        """Estimated wall time of these."""
        return sum(wall_time(stage.values(), self.workers) for stage in (self.trials, self.runs))

    def after(self, others: Set[Trained]) -> "Waiting":
        """Return the remaining work after other studies have trained these runs."""
        trials, runs = (
            {run: seconds for run, seconds in stage.items() if run not in others} for stage in (self.trials, self.runs)
        )
        return replace(self, trials=trials, runs=runs if self.takes else self.runs)


def waiting(name: str, request: Request, execution: Execution) -> Waiting | None:
    """Return the remaining work of a study, or `None` if all runs are recorded and no seeds are to be added.

    Raises:
        UserError: The request is impossible.
    """
    plan = ahead(request, execution)
    if not plan.missing:
        return None
    claims = list(request.claimed.claims)
    begun = Store(request.root).plan() is not None
    undecided = open_claims(request.root) if begun else claims
    return Waiting(
        name, len(claims), len(undecided), plan.trials.to_train, plan.runs.to_train, plan.workers(execution),
        takes=not (execution.keep_networks or execution.probes),
    )  # fmt: skip


def planned(studies: Iterable[Waiting], seconds: float) -> tuple[list[Waiting], list[Waiting]]:
    """Return all studies in order, and those of them that fit one after another into a time.

    Next comes the study with the most undecided claims per time; of equal ones the shortest. A study that is too long
    is skipped. A run that a fitting study before has trained takes no time.
    """
    rest, order, fit = list(studies), list[Waiting](), list[Waiting]()
    trained: set[Trained] = set()
    while rest:
        rest = sorted(
            (study.after(trained) for study in rest),
            key=lambda study: (-study.undecided / max(study.seconds, 1.0), study.seconds),
        )
        study = rest.pop(0)
        order.append(study)
        if study.seconds <= seconds:
            fit.append(study)
            seconds -= study.seconds
            trained |= study.trials.keys() | study.runs.keys()
    return order, fit


def table_of(studies: Sequence[Waiting], fit: Sequence[Waiting]) -> "Table":
    """Return the plan as a table with a row for each study, in order."""
    from rich.table import Table

    from resnet_core.runs.execution.display import duration

    table = Table(box=None, header_style="bold", show_footer=True)
    table.add_column("study", footer=f"{len(fit)} of {len(studies)} studies")
    table.add_column("undecided", justify="right", footer=f"{sum(study.undecided for study in fit)} claims")
    table.add_column("to run", justify="right", footer=str(sum(study.left for study in fit)))
    table.add_column("about", justify="right", footer=duration(sum(study.seconds for study in fit)))
    table.add_column("")
    for study in studies:
        table.add_row(
            study.name, f"{study.undecided} of {study.claims}", str(study.left), duration(study.seconds),
            "" if any(study is each for each in fit) else "does not fit",
        )  # fmt: skip
    return table


def run_in_time(
    asked: Mapping[str, tuple[Request, Execution]], hours: float, run: Callable[[str, float], None], *, dry: bool
) -> None:
    """Show the plan, and run the studies that fit into a time.

    The estimate of each study is corrected by the ratio of actual to estimated time of the studies before it. No run
    starts after the time.

    Args:
        asked: Request and execution of each study, by its name.
        hours: The time in hours.
        run: Function that runs the study of a name and starts no run after a number of hours.
        dry: Whether the plan is only shown.

    Raises:
        UserError: A request is impossible. Nothing is written then.
    """
    from resnet_core.runs.execution.display import duration

    started = time.monotonic()
    studies, fit = planned(filter(None, (waiting(name, *arguments) for name, arguments in asked.items())), 3600 * hours)
    show(table_of(studies, fit))
    if dry:
        return
    expected = spent = 0.0
    for study in studies:
        begun = time.monotonic()
        left = 3600 * hours - (begun - started)
        about = study.seconds * (spent / expected if expected else 1.0)
        if about > left:
            say(f"{study.name} is left out: about {duration(about)}, but {duration(max(left, 0))} are left")
            continue
        run(study.name, left / 3600)
        expected += study.seconds
        spent += time.monotonic() - begun
