"""The state of an oracle in one file, which is replaced atomically and checked when it is read."""

import json
import math
from pathlib import Path
from typing import Any

import keras_tuner
from keras_tuner.engine import hyperparameters as kinds
from keras_tuner.engine.trial import Trial, TrialStatus

from resnet_core.errors import UserError
from resnet_core.folders import sweep, write_file
from resnet_core.runs.records.files import reason_of
from resnet_core.runs.records.record import NOT_FINITE
from resnet_core.sealed import UNREADABLE, bytes_of, seal, unseal


class DamagedState(UserError):
    """Raised if the file of an oracle's state is damaged."""


class Saved(keras_tuner.Oracle):  # type: ignore[misc]
    """An oracle of KerasTuner that keeps its whole state in `oracle.json`; the base class of `base.Oracle`."""

    _lock: Any
    _taken_up: bool
    _written: str
    _spaces: list[str]
    _states: dict[str, dict[str, Any]]

    @property
    def directions(self) -> dict[str, str]:
        """The direction of each objective, "min" or "max"."""
        objectives = getattr(self.objective, "objectives", [self.objective])
        return {objective.name: objective.direction for objective in objectives}

    @property
    def open(self) -> list[Trial]:
        """The proposed trials that have not ended, in the order of their proposal."""
        over = set(self.end_order)
        return [self.trials[name] for name in self.start_order if name not in over]

    def identity(self) -> dict[str, Any]:
        """Return the values that must not change when a search is continued."""
        return {"oracle": type(self).__name__, "objective": dict(self.directions), "seed": self.seed}

    def save(self) -> None:
        with self._lock:
            if self._directory is None:
                return
            self._take_up()  # before the file is overwritten
            text = seal(self.get_state())
            if text == self._written:
                return
            write_file(Path(self._project_dir, "oracle.json"), text)
            self._written = text

    def reload(self) -> None:
        with self._lock:
            sweep(Path(self._project_dir))
            file = Path(self._project_dir, "oracle.json")
            try:
                self.set_state(unseal(bytes_of(file)))
            except UserError:
                raise
            except (*UNREADABLE, AttributeError, IndexError) as error:
                raise DamagedState(
                    f"a search is continued from its oracle.json, but {file} is damaged ({reason_of(error)}); "
                    "choose another folder"
                ) from error
            self._taken_up = True

    def _take_up(self) -> None:
        """Load the state in the folder, unless it is loaded. KerasTuner's tuner loads it only after the first trial."""
        if not self._taken_up and self._directory is not None and Path(self._project_dir, "oracle.json").exists():
            self.reload()
        self._taken_up = True

    def get_state(self) -> dict[str, Any]:
        trials = [self._state_of(trial) for trial in self.trials.values()]
        state = super().get_state()
        for known in ("tried_so_far", "id_to_hash", "ongoing_trials", "retry_queue", "seed_state", "run_times"):
            state.pop(known)  # follows from the trials, or is not used
        return {**state, "search": self.identity(), "spaces": self._spaces, "trials": trials}

    def set_state(self, state: dict[str, Any]) -> None:
        self._check_same(state)
        self._spaces = state["spaces"]
        self.trials = {}
        for saved in state["trials"]:
            self.trials[saved["id"]] = self._trial_of(saved)
        super().set_state(
            {
                **state, "tried_so_far": [], "id_to_hash": {}, "ongoing_trials": {}, "retry_queue": [],
                "seed_state": 0, "run_times": {},
            }
        )  # fmt: skip
        for trial in self.trials.values():
            self._record_values(trial)
        self._retry_queue = [trial.trial_id for trial in self.open]

    def _check_same(self, state: dict[str, Any]) -> None:
        if "search" not in state and "hyperparameters" in state:
            raise UserError(f"{self._project_dir} has a search of KerasTuner's own oracle; choose another folder")
        for name, now in self.identity().items():
            before = state["search"].get(name)
            if before != now:
                raise UserError(
                    f"a search is continued with the {name} it began with, {before!r}, but got {now!r}; "
                    "choose another folder, or overwrite this one"
                )
        saved = {_key(config): config for config in state["hyperparameters"]["space"]}
        for config in self.hyperparameters.get_config()["space"]:
            config = json.loads(json.dumps(config))
            before = saved.get(_key(config), config)
            if before != config:
                raise UserError(
                    f"a search is continued with the ranges it began with, but `{config['config']['name']}` was "
                    f"{_range(before)} and is {_range(config)}; choose another folder, or overwrite this one"
                )

    def _state_of(self, trial: Trial) -> dict[str, Any]:
        score = _word(trial.score)
        if trial.trial_id in self._states and self._states[trial.trial_id]["score"] == score:
            return self._states[trial.trial_id]
        space = json.dumps(trial.hyperparameters.get_config()["space"])
        if space not in self._spaces:
            self._spaces.append(space)
        metrics = {}
        for name, history in trial.metrics.metrics.items():
            steps = [[step.step, *map(_word, step.value)] for step in history.get_history()]
            metrics[name] = {"direction": history.direction, "steps": steps}
        state = {
            "id": trial.trial_id, "space": self._spaces.index(space), "values": trial.hyperparameters.values,
            "metrics": metrics, "score": score, "best_step": trial.best_step, "status": trial.status,
            "message": trial.message,
        }  # fmt: skip
        if trial.status != TrialStatus.RUNNING:
            self._states[trial.trial_id] = state
        return state

    def _trial_of(self, saved: dict[str, Any]) -> Trial:
        """Return a trial from its state. A trial that was open has no metrics, since it begins again."""
        config = {"space": json.loads(self._spaces[saved["space"]]), "values": saved["values"]}
        hyperparameters = kinds.HyperParameters.from_config(config)
        trial = Trial(hyperparameters, saved["id"], saved["status"], saved["message"])
        if trial.status != TrialStatus.RUNNING:
            for name, history in saved["metrics"].items():
                trial.metrics.register(name, history["direction"])
                for step, *values in history["steps"]:
                    for value in values:
                        trial.metrics.metrics[name].update(NOT_FINITE.get(value, value), step)
            trial.score, trial.best_step = NOT_FINITE.get(saved["score"], saved["score"]), saved["best_step"]
        return trial


def _word(value: float | None) -> float | str | None:
    return value if value is None or math.isfinite(value) else str(float(value))


def _key(config: dict[str, Any]) -> str:
    """Return the name and the conditions of a hyperparameter's configuration, which identify it, as text."""
    return json.dumps([config["config"]["name"], config["config"]["conditions"]])


def _range(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config["config"].items() if name not in ("name", "conditions")}
