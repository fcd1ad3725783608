"""The oracles of a search by name: what proposes the next point.

Each is a `keras_tuner.Oracle`, so it works in any `keras_tuner.Tuner`; see `base.Oracle` for what all have in common.
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError, nearest

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

    from search.oracles.base import Oracle

_CLASSES = {
    "gp": "gp.GPOracle",
    "tpe": "sampled.TPEOracle",
    "evolution": "evolution.EvolutionOracle",
    "nsga2": "sampled.NSGA2Oracle",
    "random": "stock.RandomOracle",
    "grid": "grid.GridOracle",
    "bayesian": "stock.BayesianOracle",
    "hyperband": "halving.HyperbandOracle",
    "asha": "halving.ASHAOracle",
}
NAMES = tuple(_CLASSES)
DEFAULT = "gp"
SEVERAL = ("gp", "tpe", "evolution", "nsga2", "random", "grid")
"""Those that take several objectives."""
FIDELITIES = ("hyperband", "asha")
"""Those that say how long a trial trains, in KerasTuner's hyperparameters `tuner/…`."""


def oracle(
    name: str,
    objective: Any,
    hyperparameters: "HyperParameters",
    max_trials: int | None,
    seed: int,
    accepts: Callable[[dict[str, Any]], bool] | None = None,
    starts: Iterable[dict[str, Any]] = (),
    **options: Any,
) -> "Oracle":
    """Return an oracle.

    Args:
        name: One of `NAMES`.
        objective: As KerasTuner takes it: a name, a `keras_tuner.Objective`, or several.
        hyperparameters: The space.
        max_trials: The search is over after as many; None for no bound.
        seed: A non-negative integer.
        accepts: Whether a point that has not been proposed yet may be.
        starts: Points that are proposed first; not by those of `FIDELITIES`.
        options: `max_epochs`, `min_epochs` and `factor` of those of `FIDELITIES`.

    Raises:
        UserError: No oracle has this name, it does not take several objectives or points to start from, or such a
            point is none of the space.
    """
    if name not in NAMES:
        raise UserError(f"an oracle must be one of those there are, but got {name!r}{nearest(name, NAMES)}")
    starts = list(starts)
    if not isinstance(objective, str) and hasattr(objective, "__len__") and len(objective) > 1 and name not in SEVERAL:
        raise UserError(
            f"the oracle {name!r} takes one objective, but got {len(objective)}; choose one of {', '.join(SEVERAL)}"
        )
    if starts and name in FIDELITIES:
        raise UserError(
            f"the oracle {name!r} takes no points to start from, but got {len(starts)}; "
            "leave them out, or choose another oracle"
        )
    module, kind = _CLASSES[name].split(".")
    made: Oracle = getattr(import_module(f"search.oracles.{module}"), kind)(
        objective, max_trials, hyperparameters, seed, accepts, starts, **options
    )
    for start in starts if made.space.hyperparameters else ():  # a tuner may have the space yet to find
        made.space.complete(start)
    return made
