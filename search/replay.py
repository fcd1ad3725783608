"""Reconstruction of the state of an oracle from the plan and the records of a search."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError
from resnet_core.runs.records.plan import PlannedRun
from resnet_core.runs.records.record import Record
from resnet_core.runs.spec import Run
from search.objectives import Objective

if TYPE_CHECKING:
    from keras_tuner import Oracle


def tell(oracle: "Oracle", trial: Any, record: Record, objectives: Sequence[Objective]) -> None:
    """Report the result of the run of a trial to its oracle."""
    metrics = {objective.name: objective.value(record) for objective in objectives}
    oracle.update_trial(trial.trial_id, metrics, step=record.run.train.epochs or 0)
    trial.status = "COMPLETED"  # also for a failed run, whose record has the status
    oracle.end_trial(trial)


def replay(
    oracle: "Oracle",
    planned: Sequence[PlannedRun],
    run_of: Callable[[Mapping[str, Any]], Run],
    record_of: Callable[[Run], Record],
    recorded: Callable[[Run], bool],
    objectives: Sequence[Objective],
    proposed: Callable[[Mapping[str, Any]], None],
) -> None:
    """Let a new oracle propose all trials of a search again, with the results in their original order.

    A proposal is a function of the trials that have ended or are open before it, and the plan has the runs that had
    ended. So the trials are bit for bit the original ones.

    Args:
        oracle: A new oracle, which has no folder yet.
        planned: The runs of the plan, in the order of their proposals.
        run_of: Function from the values of a trial to its run.
        record_of: Function that returns the record of a run. If the record is lost, it executes the run.
        recorded: Function that returns whether a run is recorded.
        objectives: Measures of a run that are reported to the oracle.
        proposed: Called with the values of every trial.

    Raises:
        UserError: The oracle proposes other trials.
    """
    open_: dict[str, tuple[Any, Run]] = {}
    ended: set[str] = set()

    def end(run_id: str) -> None:
        trial, run = open_.pop(run_id)
        ended.add(run_id)
        tell(oracle, trial, record_of(run), objectives)

    for number, plan in enumerate(planned):
        known = list(open_) if plan.known is None else plan.known  # None: earlier versions, one at a time
        for run_id in known:
            if run_id in open_:
                end(run_id)
        run = None
        while run is None or run.id in ended:  # a trial whose run there was already ended at once
            trial = oracle.create_trial(f"trial {number}")
            if trial.status != "RUNNING":
                raise _other(number, plan)
            proposed(trial.hyperparameters.values)
            run = run_of(trial.hyperparameters.values)
            if run.id in ended:
                tell(oracle, trial, record_of(run), objectives)
        if run.id != plan.id:
            raise _other(number, plan)
        open_[run.id] = trial, run
    for run_id in [run_id for run_id, (_, run) in open_.items() if recorded(run)]:
        end(run_id)


def _other(number: int, plan: PlannedRun) -> UserError:
    return UserError(
        f"to reconstruct the state of a search, the oracle must propose the same trials again, but trial "
        f"{number + 1} is not ({plan.label}) now; choose another --name or --out (all records stay)"
    )
