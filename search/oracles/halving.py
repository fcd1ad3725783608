"""Oracles that train many points a little and the best of them longer: Hyperband and ASHA.

A proposal says by `tuner/epochs` until which epoch it trains, by `tuner/initial_epoch` from which, and by
`tuner/trial_id` from which trial's state, if not from the start. What failed, and what has no finite score, counts
as ended and worst: it holds up no other, and is not trained on.
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
    """What both have in common."""

    max_epochs: int
    min_epochs: int
    factor: int

    def identity(self) -> dict[str, Any]:
        epochs = {"max_epochs": self.max_epochs, "min_epochs": self.min_epochs, "factor": self.factor}
        return {**super().identity(), **epochs}

    def _cost(self, trial: Trial) -> float:
        """Return the score to be minimised; inf of what failed or is not finite."""
        if trial.status != TrialStatus.COMPLETED or not math.isfinite(trial.score):
            return math.inf
        return -float(trial.score) if self.objective.direction == "max" else float(trial.score)

    def _promotion(self, trial: Trial, epochs: int, **more: int) -> Answer:
        """Return the proposal to train a trial's point on, from the epoch that it ended at."""
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

    A sweep over all brackets trains some E (1 + log_factor E)² epochs of E `max_epochs` in all, if trials resume; its
    sizes are rounded up, so that it is 576 of 30, twice what KerasTuner's documentation says. Sweeps follow each other
    until `max_trials`; without that bound there is one.

    Where no new point is left, a bracket goes on with those it has.

    Args:
        max_epochs: The longest that a point is trained.
        min_epochs: The shortest.
        factor: From one round to the next, so many times fewer points are trained so many times longer.
        arguments: As of every oracle.
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
        """Return whether another bracket may be begun: sweeps are left, and new points were at the last try."""
        last = self._current_bracket == 0 and self._current_iteration + 1 >= self.hyperband_iterations
        return not last and not any(bracket.get("exhausted") for bracket in self._brackets)

    def _begun(self, bracket: Bracket, trial_id: str) -> Answer | None:
        """Return a new point for the first round of a bracket, if one is missing there and can be found."""
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
        """Return the promotion of a bracket's best trial that is surely among those that its next round takes."""
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
            # The round ends short if the one before has, or nothing in it is worth more.
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

    The best 1/`factor` of what ended on a rung may be promoted, the highest rung first; while there is none, a new
    point begins at the lowest. No trial waits for another. A promotion is a trial of its own.

    Args:
        max_epochs: The longest that a point is trained.
        min_epochs: How long all are.
        factor: From one rung to the next, training is so many times longer.
        arguments: As of every oracle.
    """

    def __init__(
        self, *arguments: Any, max_epochs: int = 100, min_epochs: int = 1, factor: int = 3, **more: Any
    ) -> None:
        _check(max_epochs, min_epochs, factor)
        super().__init__(*arguments, **more)
        self.max_epochs, self.min_epochs, self.factor = max_epochs, min_epochs, factor

    @property
    def rungs(self) -> list[int]:
        """The epochs at which trials are compared, and at last `max_epochs`."""
        epochs = [self.min_epochs]
        while epochs[-1] * self.factor < self.max_epochs:
            epochs.append(epochs[-1] * self.factor)
        return epochs if epochs[-1] == self.max_epochs else [*epochs, self.max_epochs]

    def populate_space(self, trial_id: str) -> Answer:
        rungs = self.rungs
        promoted = {trial.hyperparameters.values.get("tuner/trial_id") for trial in self.trials.values()}
        for rung, epochs in reversed(list(pairwise(rungs))):
            there = [trial for trial in self.ended if trial.hyperparameters.values["tuner/epochs"] == rung]
            for trial in sorted(there, key=self._cost)[: len(there) // self.factor]:
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
