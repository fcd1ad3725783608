"""Oracles that train many points for a short time and the best of them longer: Hyperband and ASHA.

In a proposal, `tuner/initial_epoch` and `tuner/epochs` are the first and the last epoch of the trial, and
`tuner/trial_id` is the trial whose state it continues, if any. A failed trial, or one without a finite score, counts as
ended and worst: it does not block others, and is not continued.
"""

import math
from itertools import pairwise
from typing import Any

from keras_tuner.engine.trial import Trial, TrialStatus
from keras_tuner.oracles import HyperbandOracle as StockHyperband

from resnet_core.errors import UserError
from search.oracles.base import Answer, Oracle, answer
from search.oracles.points import own

Bracket = dict[str, Any]


class _Halving(Oracle):
    """Base class of both oracles."""

    max_epochs: int
    min_epochs: int
    factor: int

    def identity(self) -> dict[str, Any]:
        epochs = {"max_epochs": self.max_epochs, "min_epochs": self.min_epochs, "factor": self.factor}
        return {**super().identity(), **epochs}

    def _cost(self, trial: Trial) -> float:
        """Return the score, with a sign so that it is minimised; infinity for a failed trial or a score not finite."""
        if trial.status != TrialStatus.COMPLETED or not math.isfinite(trial.score):
            return math.inf
        return -float(trial.score) if self.objective.direction == "max" else float(trial.score)

    def _promotion(self, trial: Trial, epochs: int, **more: int) -> Answer:
        """Return the proposal to continue the training of a trial's point, from its last epoch."""
        values = trial.hyperparameters.values
        more = {f"tuner/{name}": value for name, value in more.items()}
        return answer(
            {
                **own(values), "tuner/trial_id": trial.trial_id, "tuner/epochs": epochs,
                "tuner/initial_epoch": values["tuner/epochs"], **more,
            }
        )  # fmt: skip


class HyperbandOracle(_Halving, StockHyperband):  # type: ignore[misc]
    """Hyperband (Li et al. 2018) by KerasTuner's brackets and sizes.

    With E = `max_epochs`, a sweep over all brackets takes about E (1 + log_factor E)² epochs, if trials are continued
    from their states. Sizes are rounded up: for E = 30 it takes 576 epochs, twice as many as KerasTuner's documentation
    says. Sweeps are repeated until `max_trials`; without this bound there is one sweep.

    If no new point is left, a bracket continues with the points it has.

    Args:
        max_epochs: Maximum number of epochs of a point.
        min_epochs: Minimum number of epochs of a point.
        factor: From one round to the next, the number of points is divided, and the training is multiplied, by it.
        arguments: Arguments of `Oracle`.
    """

    def __init__(
        self, *arguments: Any, max_epochs: int = 100, min_epochs: int = 1, factor: int = 3, **more: Any
    ) -> None:
        _check(max_epochs, min_epochs, factor)
        super().__init__(*arguments, max_epochs=max_epochs, factor=factor, **more)
        self.hyperband_iterations = math.inf if self.max_trials else 1
        self.min_epochs = min_epochs
        self._current_bracket = self._get_num_brackets() - 1
        self._brackets: list[Bracket] = []
        self._start_new_bracket()

    def populate_space(self, trial_id: str) -> Answer:
        for bracket in self._brackets:
            if proposal := self._begun(bracket, trial_id) or self._promoted(bracket, trial_id):
                return proposal
        if self._may_begin():
            self._increment_bracket_num()
            self._start_new_bracket()
            if proposal := self._begun(self._brackets[-1], trial_id):
                return proposal
        return answer(None, waiting=bool(self.ongoing_trials))

    def _may_begin(self) -> bool:
        """Return whether another bracket may begin: a sweep is left, and the last attempt found a new point."""
        last = self._current_bracket == 0 and self._current_iteration + 1 >= self.hyperband_iterations
        return not last and not any(bracket.get("exhausted") for bracket in self._brackets)

    def _begun(self, bracket: Bracket, trial_id: str) -> Answer | None:
        """Return a new point for the first round of a bracket, or `None` if the round is full or no point is found."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        if bracket.get("exhausted") or len(rounds[0]) >= self._get_size(number, 0):
            return None
        values = self._random_values()
        if values is None:
            bracket["exhausted"] = True
            return None
        rounds[0].append({"past_id": None, "id": trial_id})
        epochs = self._get_epochs(number, 0)
        more = {"tuner/initial_epoch": 0, "tuner/bracket": number, "tuner/round": 0}
        return answer({**values, "tuner/epochs": epochs, **more})

    def _promoted(self, bracket: Bracket, trial_id: str) -> Answer | None:
        """Return the promotion of a bracket's best trial that certainly belongs to the next round, or `None`."""
        number, rounds = bracket["bracket_num"], bracket["rounds"]
        expected = len(rounds[0]) if bracket.get("exhausted") else self._get_size(number, 0)
        for turn in range(1, len(rounds)):
            before = [self.trials[entry["id"]] for entry in rounds[turn - 1]]
            over = [trial for trial in before if trial.status != TrialStatus.RUNNING]
            size = min(self._get_size(number, turn), math.ceil(expected / self.factor))
            taken = {entry["past_id"] for entry in rounds[turn]}
            left = [trial for trial in over if trial.trial_id not in taken]
            best = min(left, key=self._cost, default=None)
            worth = best is not None and math.isfinite(self._cost(best))
            if best is not None and worth and len(taken) < size and len(left) > expected - size:
                rounds[turn].append({"past_id": best.trial_id, "id": trial_id})
                return self._promotion(best, self._get_epochs(number, turn), bracket=number, round=turn)
            # The round has fewer trials if the one before had, or if no further trial of that has a finite score.
            short = len(over) == len(before) == expected and not worth
            expected = len(rounds[turn]) if short else size
        return None

    def get_state(self) -> dict[str, Any]:
        return {**super().get_state(), "hyperband_iterations": None if math.isinf(self.hyperband_iterations) else 1}

    def set_state(self, state: dict[str, Any]) -> None:
        super().set_state(state)
        self.hyperband_iterations = math.inf if self.max_trials else 1


class ASHAOracle(_Halving):
    """Asynchronous successive halving (Li et al. 2020): a trial is promoted when it is among the best of its rung.

    The best 1/`factor` of the trials that ended on a rung may be promoted, those of the highest rung first. If there is
    no such trial, a new point begins on the lowest rung. No trial waits for another. A promotion is a new trial.

    Args:
        max_epochs: Maximum number of epochs of a point.
        min_epochs: Number of epochs of every point.
        factor: Ratio of the numbers of epochs of consecutive rungs.
        arguments: Arguments of `Oracle`.
    """

    def __init__(
        self, *arguments: Any, max_epochs: int = 100, min_epochs: int = 1, factor: int = 3, **more: Any
    ) -> None:
        _check(max_epochs, min_epochs, factor)
        super().__init__(*arguments, **more)
        self.max_epochs, self.min_epochs, self.factor = max_epochs, min_epochs, factor

    @property
    def rungs(self) -> list[int]:
        """The numbers of epochs at which trials are compared, in ascending order; the last is `max_epochs`."""
        epochs = [self.min_epochs]
        while epochs[-1] * self.factor < self.max_epochs:
            epochs.append(epochs[-1] * self.factor)
        return epochs if epochs[-1] == self.max_epochs else [*epochs, self.max_epochs]

    def populate_space(self, trial_id: str) -> Answer:
        rungs = self.rungs
        promoted = {trial.hyperparameters.values.get("tuner/trial_id") for trial in self.trials.values()}
        for rung, epochs in reversed(list(pairwise(rungs))):
            on_rung = [trial for trial in self.ended if trial.hyperparameters.values["tuner/epochs"] == rung]
            for trial in sorted(on_rung, key=self._cost)[: len(on_rung) // self.factor]:
                if trial.trial_id not in promoted and math.isfinite(self._cost(trial)):
                    return self._promotion(trial, epochs)
        values = self._random_values()
        if values is None:
            return answer(None, waiting=bool(self.ongoing_trials))
        return answer({**values, "tuner/epochs": rungs[0], "tuner/initial_epoch": 0})


def _check(max_epochs: int, min_epochs: int, factor: int) -> None:
    if not (factor >= 2 and 1 <= min_epochs <= max_epochs):
        raise UserError(
            "`factor` must be at least 2, and `max_epochs` at least `min_epochs`, and that at least 1, "
            f"but got {factor}, {max_epochs} and {min_epochs}"
        )
