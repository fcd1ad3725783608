"""`request_of`: makes a `Request` from a study and the user's arguments, for the command line and for Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ablations.carrying import carried
from ablations.designs import Design
from ablations.request import Claimed, Rates, Request, Seeds, Settings
from ablations.study import Scale, Study
from resnet_core.arguments import Rate, Share, checked
from resnet_core.errors import Named, UserError, as_argument, as_option, nearest
from resnet_core.folders import DEFAULT_OUT
from resnet_core.nets.budget import Budget
from resnet_core.runs.recipes import DATA, rebudgeted
from resnet_core.runs.settings import probing, training

MOST_SEEDS = 20  # default of `most_seeds`
NONE: Mapping[str, Any] = MappingProxyType({})


@checked
def request_of(
    study: Study,
    scale: str | None = None,
    *,
    levels: Mapping[str, Sequence[Any]] = NONE,
    fields: Mapping[str, Mapping[str, Any]] = NONE,
    recipe: str | None = None,
    seeds: int | None = None,
    until: str | None = None,
    most_seeds: int | None = None,
    learning_rates: Sequence[Rate] = (),
    trial_seeds: int | None = None,
    trial_share: Share | None = None,
    match: Budget | None = None,
    out: Path = DEFAULT_OUT,
    command: str = "",
    named: Named = as_argument,
) -> Request:
    """Return the request for a study with the user's arguments.

    Args:
        study: The study.
        scale: Name of the scale. `None` means the first scale of the study.
        levels: Levels of factors that replace those of the design.
        fields: Fields that are set in every arm, by kind of spec: `net`, `train` and `probe`.
        recipe: Name of a training recipe that replaces the training of the scale.
        seeds: Number of seeds of every arm. `None` means that of the scale.
        until: `decided` adds seeds to the arms of undecided claims until all claims are decided.
        most_seeds: Maximum number of seeds with `until`. `None` means 20.
        learning_rates: Learning rates from which each arm chooses. Empty means those of the scale, if its training is
            not changed.
        trial_seeds: Number of trials at each rate. `None` means that of the scale.
        trial_share: Length of a trial as a share of that of a run, above 0 and up to 1. `None` means that of the scale.
        match: Cost that is made equal to that of the first arm, by scaling widths.
        out: Parent folder of the study's folder.
        command: The command, or the call, for the plan.
        named: Formats an argument in error messages.

    Raises:
        UserError: Two arguments contradict each other, or a value is illegal.
    """
    name = scale_of(study, scale)
    size, train = study.scales[name], fields.get("train", {})
    arms = _design(study, name, levels, named).arms()
    trials = {"trial_seeds": trial_seeds, "trial_share": trial_share}
    rates = _rates(size, learning_rates, trials, untuned(size, recipe, train), named)
    if learning_rates and "learning_rate" in train:
        raise UserError(f"a learning rate is either set or chosen, but got {named('learning_rates')} and {_set(named)}")
    settings = Settings(
        rebudgeted(training(size.train, recipe), train), train, fields.get("net", {}),
        probing(study.probe, fields.get("probe", {})), match,
    )  # fmt: skip
    claimed = Claimed(*carried(size.claims, arms), size.published)
    count = _seeds(size.seeds if seeds is None else seeds, until, most_seeds, named)
    return Request(study, arms, settings, out / study.name, name, count, rates, claimed, command)


def scale_of(study: Study, name: str | None) -> str:
    """Return the name of a scale of a study; `None` means the first.

    Raises:
        UserError: There is no scale of this name.
    """
    if name is None:
        return next(iter(study.scales))
    if name not in study.scales:
        raise UserError(f"unknown scale '{name}'{nearest(name, study.scales)}")
    return name


def untuned(scale: Scale, recipe: str | None, given: Mapping[str, Any]) -> str:
    """Return why no learning rate is chosen, or an empty text. The rates of a scale are for its own training, on any
    data set.
    """
    changed = ["--recipe", *given] if recipe else [name for name in given if name not in DATA]
    if not scale.learning_rates or not changed:
        return scale.untuned
    if "learning_rate" in given:
        return "it is set"
    rates = " ".join(f"{rate:g}" for rate in scale.learning_rates)
    return (
        f"the rates of the scale are for its own training, which {changed[0]} changes; --learning-rates {rates} tunes "
        "every arm"
    )


def _rates(size: Scale, given: Sequence[float], trials: Mapping[str, Any], reason: str, named: Named) -> Rates:
    """Return the learning rates to choose from: those given, or those of the scale unless there is a `reason` not to.

    Args:
        size: The scale.
        given: Learning rates of the user.
        trials: Number and length of the trials, by the name of the argument; `None` means that of the scale.
        reason: Why no rate of the scale is chosen.
        named: Formats an argument in error messages.

    Raises:
        UserError: A number or a length of trials is given, but no rates.
    """
    grid = tuple(map(float, given)) or (() if reason else size.learning_rates)
    asked = {name: value for name, value in trials.items() if value is not None}
    for name, value in asked.items():
        if not grid:
            raise UserError(
                f"{named(name)} needs learning rates to choose from, but got {named(name, value)} alone; give "
                f"{named('learning_rates')}"
            )
    of_scale = {name: getattr(size, name) for name in trials}
    return Rates(grid, **of_scale | asked, untuned="" if given else reason)


def _seeds(first: int, until: str | None, most: int | None, named: Named) -> Seeds:
    """Return the numbers of seeds.

    Raises:
        UserError: The maximum number is given without `until`, or is less than the first.
    """
    if until not in (None, "decided"):
        raise UserError(f"{named('until')} must be 'decided', but got {until!r}")
    if most is not None and until is None:
        raise UserError(
            f"{named('most_seeds')} needs {named('until', 'decided')}, but got {named('most_seeds', most)} alone"
        )
    if most is not None and most < first:
        raise UserError(f"{named('most_seeds')} must be at least the number of seeds, {first}, but got {most}")
    return Seeds(first, None if until is None else MOST_SEEDS if most is None else most)


def _set(named: Named) -> str:
    return "--set learning_rate" if named is as_option else named("learning_rate")


def _design(study: Study, scale: str, levels: Mapping[str, Sequence[Any]], named: Named) -> Design:
    """Return the design of the scale with the given levels."""
    design = study.scales[scale].design
    for factor in levels:
        if factor not in design.levels:
            raise UserError(
                f"{named(factor)} must be a factor of the scale, but '{scale}' varies {', '.join(design.levels)}"
            )
    return design.with_levels({factor: list(dict.fromkeys(values)) for factor, values in levels.items()})
