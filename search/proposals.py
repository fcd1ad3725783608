"""`Proposals`: a `Todo` that hands out the runs of an oracle's trials."""

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from resnet_core.errors import UserError
from resnet_core.nets.own import Net
from resnet_core.runs.execution import pruning
from resnet_core.runs.execution.todo import Todo
from resnet_core.runs.records.plan import Plan, PlannedRun
from resnet_core.runs.records.record import Record
from resnet_core.runs.records.store import Store
from resnet_core.runs.spec import Run
from resnet_core.telling import say
from search.objectives import Objective
from search.oracles import REPLICATE
from search.pace import Pace
from search.pruning import thresholds_of
from search.replay import tell

if TYPE_CHECKING:
    from keras_tuner import Oracle

EPOCHS, PARENT = "tuner/epochs", "tuner/trial_id"
"""Hyperparameters by which oracles with fidelities set the length of a trial, and the trial that it continues."""


@dataclass(frozen=True)
class SearchBudget:
    """Bounds after which no further trial is proposed; `None` for no bound. Trials in progress are completed.

    Attributes:
        trials: Number of trials.
        epochs: Number of passes over the training images of all trials together.
        seconds: Wall time since the search was started, or resumed, of trials and confirmation together. No trial is
            proposed when the confirmation is expected to need the rest.
    """

    trials: int
    epochs: int | None = None
    seconds: float | None = None


class Proposals(Todo):
    """Hands out the runs of an oracle's trials, and reports their results to the oracle.

    The oracle saves its state before a trial is handed out and after it has ended. The record of a run is written
    before the oracle is informed. So if a process is killed, at most the trials in progress begin again.

    Args:
        oracle: The oracle, with its folder and the state of an earlier search in it.
        run_of: Function from the values of a trial to its run.
        plan: Plan of the search, without runs. Each run is added to the plan of the store when it is handed out.
        store: Store for the records.
        objectives: Measures of a run that are reported to the oracle.
        budget: Bounds of the search.
        proposed: Called with the values of every trial.
        attempts: See `Todo`.
        pace: Is told of every trial that ends, and says how much of the time the confirmation needs.
        prune: Rule by which trials that are worse than others at an epoch end there, see `pruning.RULES`; or `none`.
    """

    def __init__(
        self,
        oracle: "Oracle",
        run_of: Callable[[Mapping[str, Any]], Run],
        plan: Plan,
        store: Store,
        objectives: Sequence[Objective],
        budget: SearchBudget,
        proposed: Callable[[Mapping[str, Any]], None] = lambda _: None,
        attempts: Mapping[str, int] | None = None,
        pace: Pace | None = None,
        *,
        prune: str = "none",
    ) -> None:
        super().__init__([], store, attempts)
        self._pace = pace or Pace(objectives, 0, 0)
        self._prune = prune
        self._oracle = oracle
        self._run_of = run_of
        self._plan = plan
        self._objectives = objectives
        self._budget = budget
        self._proposed = proposed
        for trial in oracle.trials.values():
            proposed(trial.hyperparameters.values)
        self._open: dict[str, Any] = {}
        self._exhausted = False
        self._started = time.monotonic()
        ended = self._ended()
        self._lost = [run for run in ended if not self._recorded(run.id)]
        kept = store.plan()
        self._planned = {run.id: run for run in kept.runs} if kept else {}
        known = {run_id for run in self._planned.values() for run_id in run.known or ()}
        self._known_to_oracle = {run.id for run in ended}
        self._heard = [run.id for run in ended if run.id not in known]  # runs that ended since the last proposal

    def _ended(self) -> list[Run]:
        """Return the runs of the ended trials.

        Raises:
            UserError: A run is not planned, since its values now have another network or training.
        """
        kept = self._store.plan()
        planned = {run.id for run in kept.runs} if kept else set()
        runs = [self._run_of(self._oracle.trials[name].hyperparameters.values) for name in self._oracle.end_order]
        strange = [run for run in runs if run.id not in planned]
        if strange:
            raise UserError(
                f"a search is continued in the space that it began in, but a trial of {self._store.root} "
                f"({strange[0].arm}) is another network or training now; choose another --out"
            )
        return runs

    @property
    def left(self) -> int:
        """Number of trials that may still be proposed, and of those whose records are lost."""
        left = 0 if self._exhausted or self._spent() else max(0, self._budget.trials - self._begun())
        return left + len(self._lost)

    def _begun(self) -> int:
        """Return the number of trials that have ended or are in progress, without those that an earlier search left."""
        return len(self._oracle.end_order) + len(self._open)

    def _spent(self) -> bool:
        epochs, seconds = self._budget.epochs, self._budget.seconds
        if seconds is not None and time.monotonic() - self._started + self._pace.confirmation() >= seconds:
            return True
        return epochs is not None and self._epochs() >= epochs

    def _epochs(self) -> int:
        """Return the number of passes over the images of the trials that have begun."""
        trials = self._oracle.trials
        begun = [*self._oracle.end_order, *(trial.trial_id for trial in self._open.values())]
        epochs = sum(self._epochs_of(trials[trial_id].hyperparameters.values) for trial_id in begun)
        return epochs - self._pace.epochs_saved

    def _epochs_of(self, values: Mapping[str, Any]) -> int:
        return int(values.get(EPOCHS, self._plan.base["train.epochs"]) or 0) - int(values.get("tuner/initial_epoch", 0))

    def take(self, last: Net | None = None) -> Run | None:
        """Return the run of the next trial, or `None` if there is none, or another trial must end before."""
        if self._lost:
            return self._taken(self._lost.pop())
        while self.left:
            trial = self._oracle.create_trial(self._free_tuner())
            if trial.status == "STOPPED":
                self._exhausted = True
                say("no further point of the space is new and within the limits")
            if trial.status != "RUNNING":
                return None
            values = trial.hyperparameters.values
            self._proposed(values)
            run = self._run_of(values)
            self._plan_run(run)
            if self._prune != "none" and REPLICATE not in values:
                self._set_thresholds(run)
            self._open[run.id] = trial
            record = self._recorded_already(run)
            if record:  # the search was killed before its oracle was informed
                self.ended(record)
                continue
            self._take_up(values.get(PARENT), run)
            return self._taken(run)
        return None

    def _plan_run(self, run: Run) -> None:
        """Add a run to the plan, unless its trial is handed out again."""
        self._store.check_there()
        if run.id not in self._planned:
            self._planned[run.id] = replace(PlannedRun.from_run(run), known=tuple(self._heard))
            self._heard = []
        self._store.add_plan(replace(self._plan, runs=(self._planned[run.id],)))

    def _set_thresholds(self, run: Run) -> None:
        """Write what a run must reach after each epoch, by the trials of which the oracle knows."""
        ended = [record for record in self._pace.records if record.run.id in self._known_to_oracle]
        thresholds = thresholds_of(self._prune, self._objectives, run.net, ended, run.train.epochs or 0)
        if thresholds:
            pruning.write(self._store.root, run.id, thresholds)

    def _recorded_already(self, run: Run) -> Record | None:
        if not self._recorded(run.id):
            return None
        return next((record for record in self._store.records() if record.run.id == run.id), None)

    def _taken(self, run: Run) -> Run:
        claim = self._claims.setdefault(run.id, self._store.claim(run.id))
        with suppress(Timeout):  # a claim of a launcher that has ended, since a search has only one
            claim.acquire(timeout=0)
        self._held[run.id] = run.net
        return run

    def _free_tuner(self) -> str:
        """Return the name of a tuner without a trial in progress."""
        return next(name for name in map(str, range(len(self._open) + 1)) if name not in self._oracle.ongoing_trials)

    def _take_up(self, parent: str | None, run: Run) -> None:
        """Let a promoted trial begin with the last state of its parent, if the state exists."""
        if parent is None:
            return
        before = self._store.state_of(self._run_of(self._oracle.trials[parent].hyperparameters.values).id)
        if before.exists() and not self._store.state_of(run.id).exists():
            shutil.copyfile(before, self._store.state_of(run.id))

    def ended(self, record: Record) -> None:
        trial = self._open.pop(record.run.id, None)
        self._pace.end(record)
        if trial is None:
            return  # its record was lost, but the oracle has been informed
        self._heard.append(record.run.id)
        self._known_to_oracle.add(record.run.id)
        tell(self._oracle, trial, record, self._objectives)
