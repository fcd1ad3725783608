"""The registry of oracles, which propose the next point of a search.

Each is a `keras_tuner.Oracle`, so it works in any `keras_tuner.Tuner`. `base.Oracle` is their base class.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import NonNegativeInt

from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

    from search.oracles.base import Oracle


@dataclass(frozen=True)
class RegisteredOracle:
    """A registered oracle.

    Attributes:
        about: Short description.
        make: Its class, see `base.Oracle`, or the name `module.Class` in this package, since loading the class loads
            TensorFlow.
        several: Whether it takes several objectives.
        fidelities: Whether it sets the length of a trial by KerasTuner's hyperparameters `tuner/…`.
        replicates: Whether it can propose another seed of a point, see `replicates`.
    """

    about: str
    make: "str | Callable[..., Oracle]"
    several: bool = False
    fidelities: bool = False
    replicates: bool = False

    def load(self) -> "Callable[..., Oracle]":
        """Return the class."""
        if not isinstance(self.make, str):
            return self.make
        module, name = self.make.split(".")
        return getattr(import_module(f"search.oracles.{module}"), name)  # type: ignore[no-any-return]


ORACLES = {
    "gp": RegisteredOracle(
        "Gaussian process over all hyperparameters, expected improvement", "gp.GPOracle", several=True, replicates=True
    ),
    "tpe": RegisteredOracle("tree-structured Parzen estimator, of Optuna", "sampled.TPEOracle", several=True),
    "evolution": RegisteredOracle(
        "regularised evolution (Real et al. 2019)", "evolution.EvolutionOracle", several=True
    ),
    "nsga2": RegisteredOracle("NSGA-II, of Optuna, for several objectives", "sampled.NSGA2Oracle", several=True),
    "random": RegisteredOracle("at random, of KerasTuner", "stock.RandomOracle", several=True),
    "grid": RegisteredOracle(
        "every combination, in an order of the seed that spreads them", "grid.GridOracle", several=True
    ),
    "bayesian": RegisteredOracle("Gaussian process with upper confidence bound, of KerasTuner", "stock.BayesianOracle"),
    "hyperband": RegisteredOracle(
        "successive halving in brackets, of KerasTuner", "halving.HyperbandOracle", fidelities=True
    ),
    "asha": RegisteredOracle("asynchronous successive halving (Li et al. 2020)", "halving.ASHAOracle", fidelities=True),
}
"""The oracles by name. `register_oracle` adds to them."""
BUILT_IN = frozenset(ORACLES)
DEFAULT = "gp"
REPLICATE = "tuner/replicate"
"""Value of a proposal that is another seed of a point: its number, counted from 1."""


def register_oracle(name: str, about: str, *, several: bool = False) -> "Callable[[type[Oracle]], type[Oracle]]":
    """Register the decorated class, a `search.oracles.base.Oracle`, as the oracle of `--oracle NAME`.

    A user's class may be registered again, as when a notebook cell is run again. It replaces the earlier one.

    Args:
        name: A new name.
        about: Short description for `resnet-search list`.
        several: Whether it takes several objectives.

    Raises:
        UserError: This project has an oracle of this name.
    """

    def register(kind: "type[Oracle]") -> "type[Oracle]":
        if name in BUILT_IN:
            raise UserError(f"an oracle's name must be new, but there is an oracle '{name}' already; choose another")
        ORACLES[name] = RegisteredOracle(about, kind, several)
        return kind

    return register


def of_several() -> list[str]:
    """Return the names of the oracles that take several objectives."""
    return [name for name, known in ORACLES.items() if known.several]


@checked
def oracle(
    name: str,
    objective: Any,
    hyperparameters: "HyperParameters",
    max_trials: int | None,
    seed: NonNegativeInt,
    accepts: Callable[[dict[str, Any]], bool] | None = None,
    starts: Iterable[dict[str, Any]] = (),
    **options: Any,
) -> "Oracle":
    """Return an oracle.

    Args:
        name: One of `ORACLES`.
        objective: The objective in the form that KerasTuner takes: a name, a `keras_tuner.Objective`, or several.
        hyperparameters: The space.
        max_trials: Maximum number of trials; `None` for no bound.
        seed: A non-negative integer.
        accepts: Function that returns whether a new point may be proposed.
        starts: Points that are proposed first; not for oracles with fidelities.
        options: `max_epochs`, `min_epochs` and `factor` of oracles with fidelities; `replicates` of those with them.

    Raises:
        UserError: The name is unknown, the oracle does not take several objectives or starting points, or a starting
            point is outside the space.
    """
    if name not in ORACLES:
        raise UserError(f"an oracle must be a registered one, but got {name!r}{nearest(name, ORACLES)}")
    known, starts = ORACLES[name], list(starts)
    if not isinstance(objective, str) and hasattr(objective, "__len__") and len(objective) > 1 and not known.several:
        raise UserError(
            f"the oracle {name!r} takes one objective, but got {len(objective)}; "
            f"choose one of {', '.join(of_several())}"
        )
    if starts and known.fidelities:
        raise UserError(
            f"the oracle {name!r} takes no points to start from, but got {len(starts)}; "
            "leave them out, or choose another oracle"
        )
    proposer = known.load()(objective, max_trials, hyperparameters, seed, accepts, starts, **options)
    for start in starts if proposer.space.hyperparameters else ():  # a tuner may not know the space yet
        proposer.space.complete(start)
    return proposer
