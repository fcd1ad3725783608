"""The base class of all oracles, which are seeded, can be resumed at any moment, and tolerate failed trials."""

import math
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from keras_tuner.engine import hyperparameters as kinds
from keras_tuner.engine.trial import Trial, TrialStatus

from analysis.pareto import crowding, front_ranks
from resnet_core.errors import UserError
from resnet_core.seeds import generator
from search.oracles.points import SamplerSpace, Values, own
from search.oracles.state import Saved

TRIES = 10_000  # consecutive rejected random points after which a space counts as exhausted
MUTATIONS = 100  # mutations of a rejected point before a random point is proposed instead

Array = npt.NDArray[np.float64]
Answer = dict[str, Any]


class Oracle(Saved):
    """A hardened `keras_tuner.Oracle`. `populate_space` of a subclass proposes, from `space`, `ended`, `open`, `rng`.

    As a mixin before an oracle of KerasTuner, the class hardens that oracle.

    Every proposal is a function of the seed, the number of the trial, and the ended and open trials. So a killed search
    continues as if it had not been killed. The whole state is in one file, which is replaced atomically. A metric that
    is not finite counts as the worst score of a completed trial. Failures never end the search. Nothing is printed
    unless `verbose` is set.

    Args:
        objective: The objective in the form that KerasTuner takes. Several objectives are never summed: the score of a
            trial is then the rank of its front among the completed trials, 0 if the trial is not dominated.
        max_trials: Number of trials after which the search ends; `None` for no bound.
        hyperparameters: The space, or the part of it that is known before the first network is built.
        seed: A non-negative integer. Unlike in KerasTuner, 0 is a seed like any other.
        accepts: Function that returns whether a new point may be proposed. It must always reject a point that it has
            rejected once. Rejected points cost no trial.
        starts: Points that are proposed first, in order, if they are accepted. Missing values have their defaults.
        allow_new_entries: See KerasTuner.
        tune_new_entries: See KerasTuner.
        options: Arguments of the KerasTuner oracle that is hardened.
    """

    def __init__(
        self,
        objective: Any = None,
        max_trials: int | None = 10,
        hyperparameters: kinds.HyperParameters | None = None,
        seed: int = 0,
        accepts: Callable[[Values], bool] | None = None,
        starts: Iterable[Values] = (),
        allow_new_entries: bool = True,
        tune_new_entries: bool = True,
        **options: Any,
    ) -> None:
        if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
            raise UserError(f"`seed` must be a non-negative integer, but got {seed!r}")
        if isinstance(objective, Sequence) and not isinstance(objective, str):
            objective = objective[0] if len(objective) == 1 else list(objective)
        super().__init__(
            objective=objective,
            hyperparameters=hyperparameters,
            allow_new_entries=allow_new_entries,
            tune_new_entries=tune_new_entries,
            seed=1,  # for KerasTuner, 0 means no seed
            **options,
        )
        self.max_trials = max_trials
        self.seed = seed
        self.starts = list(starts)
        self._accepts = accepts
        self._directory = None
        self._project_name = ""
        self._display.verbose = 0
        self._lock = threading.RLock()  # KerasTuner's lock stays locked after an error
        self._taken_up = False
        self._written = ""
        self._spaces: list[str] = []
        self._states: dict[str, dict[str, Any]] = {}  # of ended trials
        self._space = SamplerSpace(self.hyperparameters)

    # What is searched.

    @property
    def space(self) -> SamplerSpace:
        """The known part of the space."""
        if self._space.hyperparameters != self.hyperparameters.space:
            self._space = SamplerSpace(self.hyperparameters)
        return self._space

    @property
    def ended(self) -> list[Trial]:
        """The ended trials, in the order of their end."""
        return [self.trials[name] for name in self.end_order]

    def costs(self, trials: Sequence[Trial]) -> Array:
        """Return the objectives of trials, with signs so that all are minimised: (trials, objectives).

        Failed trials, and values that are not finite, get the worst finite value, or 0 if there is none.
        """
        signs = {name: -1.0 if direction == "max" else 1.0 for name, direction in self.directions.items()}
        table = np.full((len(trials), len(signs)), np.nan)
        for row, trial in enumerate(trials):
            if trial.status == TrialStatus.COMPLETED:
                table[row] = [sign * _best(trial, name) for name, sign in signs.items()]
        table[~np.isfinite(table)] = np.nan
        known = ~np.isnan(table)
        worst = np.where(known.any(axis=0), np.max(table, axis=0, initial=-np.inf, where=known), 0.0)
        return np.where(known, table, worst)

    # Proposals.

    def rng(self, *labels: str | int) -> np.random.Generator:
        """Return the generator of the next trial for the purpose that `labels` name."""
        return generator(self.seed, "oracle", *labels, len(self.trials))

    def may_propose(self, values: Values) -> bool:
        """Return whether a point is new and accepted."""
        if self._compute_values_hash(values) in self._tried_so_far:
            return False
        return self._accepts is None or self._accepts(own(values))

    def _random_values(self) -> Values | None:
        """Return a random point that may be proposed, or `None` if none is found."""
        rng = self.rng("random")
        for _ in range(TRIES):
            values = self.space.sample(rng)
            if self.may_propose(values):
                return values
        return None

    def near(self, values: Values) -> Values | None:
        """Return the point if it may be proposed; otherwise a mutation of it, a random point, or `None` if none is
        found.
        """
        rng = self.rng("near")
        for number in range(MUTATIONS):
            point = values
            for _ in range(-(-number // 25)):  # the point itself, then a growing number of mutations
                point = self.space.mutate(point, rng)
            if self.may_propose(point):
                return point
        return self._random_values()

    def create_trial(self, tuner_id: str) -> Trial:
        with self._lock:
            self._take_up()
            if tuner_id in self.ongoing_trials:
                return self.ongoing_trials[tuner_id]
            self.tuner_ids.add(tuner_id)
            trial = self.trials[self._retry_queue.pop(0)] if self._retry_queue else self._proposed()
            if trial.status == TrialStatus.RUNNING:
                self.ongoing_trials[tuner_id] = trial
                self.save()
                self._display.on_trial_begin(trial)
            elif trial.status == TrialStatus.STOPPED:
                self.tuner_ids.discard(tuner_id)
            return trial

    def _proposed(self) -> Trial:
        name = f"{len(self.trials):0{len(str(self.max_trials))}d}"
        over = self.max_trials and len(self.trials) >= self.max_trials
        answer: Answer = {"status": TrialStatus.STOPPED} if over else self._start() or self.populate_space(name)
        hyperparameters = self.hyperparameters.copy()
        hyperparameters.values = answer.get("values") or {}
        trial = Trial(hyperparameters=hyperparameters, trial_id=name, status=answer["status"])
        if trial.status == TrialStatus.RUNNING:
            self._record_values(trial)
            self.trials[name] = trial
            self.start_order.append(name)
        return trial

    def _start(self) -> Answer | None:
        for start in self.starts:
            values = self.space.complete(start)
            if self.may_propose(values):
                return answer(values)
        return None

    def _compute_values_hash(self, values: Values) -> str:
        return str(super()._compute_values_hash(own(values)))

    def _record_values(self, trial: Trial) -> None:
        self._tried_so_far.add(self._compute_values_hash(trial.hyperparameters.values))

    # Results.

    def update_trial(self, trial_id: str, metrics: dict[str, float], step: int = 0) -> Trial:
        with self._lock:
            trial = self.trials[trial_id]
            self._check_objective_found(metrics)
            for name, value in metrics.items():
                if not trial.metrics.exists(name):
                    trial.metrics.register(name, self.directions.get(name))
                trial.metrics.metrics[name].update(float(value), step)
            return trial

    def end_trial(self, trial: Trial) -> None:
        with self._lock:
            kept = self.trials[trial.trial_id]
            if kept.trial_id in self.end_order:
                return
            kept.hyperparameters, kept.status, kept.message = trial.hyperparameters, trial.status, trial.message
            self.update_space(kept.hyperparameters)
            if kept.status != TrialStatus.COMPLETED:
                kept.status = TrialStatus.FAILED
            self._record_values(kept)
            self.end_order.append(kept.trial_id)
            self._score(kept)
            self.save()
            self._display.on_trial_end(kept)
            for tuner_id, ongoing in list(self.ongoing_trials.items()):  # last, since a chief ends without such trials
                if ongoing is kept:
                    del self.ongoing_trials[tuner_id]

    def _score(self, trial: Trial) -> None:
        if trial.status == TrialStatus.COMPLETED:
            self.score_trial(trial)
        if len(self.directions) > 1:
            self._rank()

    def score_trial(self, trial: Trial) -> None:
        trial.score, trial.best_step = 0.0, 0
        if len(self.directions) == 1:
            name = self.objective.name
            trial.score = _best(trial, name)
            steps = [step.step for step in trial.metrics.get_history(name) if step.mean() == trial.score]
            trial.best_step = steps[0] if steps else 0

    def _rank(self) -> None:
        """Set the score of all completed trials to the rank of their fronts."""
        completed = [trial for trial in self.ended if trial.status == TrialStatus.COMPLETED]
        for trial, rank in zip(completed, front_ranks(self.costs(completed))):
            trial.score = float(rank)

    def get_best_trials(self, num_trials: int = 1) -> list[Trial]:
        """Return the best completed trials. With several objectives they are sorted by front, then by crowding."""
        completed = [trial for trial in self.ended if trial.status == TrialStatus.COMPLETED]
        if not completed:
            return []
        costs = self.costs(completed)
        if costs.shape[1] > 1:
            ranks = front_ranks(costs)
            order = np.lexsort((-crowding(costs, ranks), ranks))
        else:
            sign = -1 if self.objective.direction == "max" else 1
            order = np.argsort([sign * trial.score for trial in completed], kind="stable")
        return [completed[place] for place in order[:num_trials]]


def answer(values: Values | None, waiting: bool = False) -> Answer:
    """Return the answer of `populate_space`: a trial with these values or, without values, to wait or to stop."""
    if values is None:
        return {"status": TrialStatus.IDLE if waiting else TrialStatus.STOPPED, "values": None}
    return {"status": TrialStatus.RUNNING, "values": values}


def _best(trial: Trial, name: str) -> float:
    """Return the best finite value of a metric, or the worst possible value if none is finite."""
    history = trial.metrics.metrics[name]
    values = [value for value in (step.mean() for step in history.get_history()) if math.isfinite(value)]
    if history.direction == "max":
        return float(max(values, default=-math.inf))
    return float(min(values, default=math.inf))
