"""`search_of`: makes a `Search` from the user's arguments, for the command line and for Python."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from resnet_core.arguments import checked
from resnet_core.errors import Named, UserError, as_argument, nearest
from resnet_core.folders import DEFAULT_OUT
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.recipes import DATA, rebudgeted
from resnet_core.runs.runtime import without_notices
from resnet_core.runs.settings import probing, training
from resnet_core.runs.spec import TrainSpec
from resnet_core.runs.training.initial import with_hash
from resnet_core.surroundings import check_backend, set_variables
from resnet_core.telling import say
from search.limits import Limits, within_step
from search.objectives import SHORT, Objective, objectives
from search.oracles import DEFAULT, ORACLES, of_several
from search.pretrained import fields_from, pretrained
from search.proposals import SearchBudget
from search.pruning import KNOWN, RULES, learned_of
from search.request import Search
from search.space import Space
from search.spaces import DEFAULT as DEFAULT_SPACE
from search.spaces import space_of
from search.starts import starts_of

TRAIN = TrainSpec(data="digits", epochs=10, batch_size=64, validation_fraction=0.2, test=False)
"""Base training, which the space and the settings change."""
PROBE = ProbeSpec(steps=(0,), each_epoch=False)
PASSES = 100  # number of timed passes, if the latency is an objective
NONE: Mapping[str, Any] = MappingProxyType({})
BUDGET = SearchBudget(60)
UNBOUNDED = Limits()


@checked
def search_of(
    space: Space | str | None = None,
    *,
    from_: str | None = None,
    weights: str | Path | None = None,
    name: str = "search",
    fix: Sequence[str] = (),
    oracle: str = DEFAULT,
    objective: str = "val_accuracy",
    budget: SearchBudget = BUDGET,
    limits: Limits = UNBOUNDED,
    epochs: int | None = None,
    recipe: str | None = None,
    fields: Mapping[str, Mapping[str, Any]] = NONE,
    start: Sequence[str] = (),
    replicates: str = "none",
    prune: str = "none",
    seed: int = 0,
    out: Path = DEFAULT_OUT,
    command: str = "",
    named: Named = as_argument,
) -> Search:
    """Return a search, checked as far as possible without data.

    Args:
        space: The space, its name, or a Python file with a function `space`. `None` means `cifar-small`.
        from_: In place of a space, a published network whose training starts from its weights, see `pretrained`.
        weights: File of these weights, see `resnet_core.load_weights`.
        name: Name of the search and its folder.
        fix: Hyperparameters that are fixed: `skip=none`.
        oracle: Name of the oracle.
        objective: Name of the objective. Several names, separated by commas, give a Pareto set.
        budget: Bounds of the number of trials and of their time.
        limits: Bounds of the cost of a network.
        epochs: Number of epochs of a trial. `None` means 10.
        recipe: Name of a training recipe that replaces the base training.
        fields: Fields that are set in every trial, by kind of spec: `net`, `train` and `probe`.
        start: Published networks, or folders of searches, whose nearest points are tried first.
        replicates: `auto` if a trial may be another seed of a point, see `oracles.replicates`; otherwise `none`.
        prune: Rule by which trials end early, see `search.pruning`: `median` or `halving`; otherwise `none`.
        seed: Seed of the oracle and of the trials.
        out: Parent folder of the search's folder.
        command: The command, or the call, for the plan.
        named: Formats an argument in error messages.

    Raises:
        UserError: Two arguments contradict each other, or a value is illegal.
    """
    sought = _checked(name, oracle, objective, named)
    fields = fields_from(from_, weights, fields, named)
    train = _training(epochs, recipe, fields.get("train", NONE), named)
    _check_ways(replicates, prune, oracle, sought, train, budget.epochs, named)
    train, probe = _measured(train, sought, limits, fields, named)
    where = _space(space, from_, named).with_fixed(fix)
    search = Search(
        name, where, oracle, sought, limits, budget, train, probe, fields.get("net", NONE), seed, out / name, command,
        given=fields.get("train", NONE), replicates=replicates == "auto", prune=prune,
    )  # fmt: skip
    return replace(search, starts=starts_of(search, start), start_words=tuple(start))


def _space(space: Space | str | None, from_: str | None, named: Named) -> Space:
    """Return the space that is asked for.

    Raises:
        UserError: There is no such space or network, or two are asked for.
    """
    with without_notices():
        import keras_tuner  # noqa: F401 - loaded here, since it prints notices
    if from_ is None:
        return space if isinstance(space, Space) else space_of(space or DEFAULT_SPACE)
    if space is not None:
        raise UserError(
            f"{named('from_', from_)} is a space of its own, but {named('space')} is given too; leave one of them out"
        )
    return pretrained(from_)


def _measured(
    train: TrainSpec,
    sought: Sequence[Objective],
    limits: Limits,
    fields: Mapping[str, Mapping[str, Any]],
    named: Named,
) -> tuple[TrainSpec, ProbeSpec]:
    """Return the training and the measurements. With a bound on memory, their batches are smaller."""
    timed = any(objective.name == "latency_seconds" for objective in sought)
    by_class = any(objective.name in SHORT.values() for objective in sought)
    needed = {**({"latency": PASSES} if timed else {}), **({"by_class": True} if by_class else {})}
    probe = probing(PROBE, {**needed, **fields.get("probe", NONE)})
    if limits.memory is None:
        return train, probe
    train, probe = within_step(train, probe, {kind: dict(fields.get(kind, NONE)) for kind in ("train", "probe")})
    say(
        f"to stay within {named('max_memory')}, {train.evaluation_batch} images are evaluated at a time and "
        f"{probe.batch_size} are probed"
    )
    return train, probe


def _checked(name: str, oracle: str, objective: str, named: Named) -> tuple[Objective, ...]:
    """Return the objectives, after checks of the backend, the name and the oracle.

    Raises:
        UserError: A name is illegal, or the oracle does not take several objectives.
    """
    set_variables()
    check_backend()
    if oracle not in ORACLES:
        raise UserError(f"{named('oracle')} must be known, but got '{oracle}'{nearest(oracle, ORACLES)}")
    if not re.fullmatch(r"[\w.-]+", name) or name.strip(".") == "":
        raise UserError(f"{named('name')} must be of letters, digits, dots and dashes, but got '{name}'")
    sought = objectives(objective)
    if len(sought) > 1 and oracle not in of_several():
        raise UserError(
            f"several objectives need an oracle that trades them, {', '.join(of_several())}, but got "
            f"{named('oracle', oracle)}"
        )
    return sought


def _check_ways(
    replicates: str,
    prune: str,
    oracle: str,
    sought: Sequence[Objective],
    train: TrainSpec,
    total: int | None,
    named: Named,
) -> None:
    """Check that the oracle can count in epochs, repeat and prune trials, as far as it is asked to.

    Raises:
        UserError: It cannot, or a value is unknown.
    """
    _check_epochs(oracle, train, total, named)
    _check_replicates(replicates, oracle, sought, named)
    _check_pruning(prune, oracle, sought, train, named)


def _check_replicates(replicates: str, oracle: str, sought: Sequence[Objective], named: Named) -> None:
    """Check that the oracle can repeat points, by one objective.

    Raises:
        UserError: It cannot, or the value is unknown.
    """
    if replicates not in ("none", "auto"):
        raise UserError(f"{named('replicates')} must be none or auto, but got '{replicates}'")
    if replicates == "none":
        return
    able = [name for name, known in ORACLES.items() if known.replicates]
    if oracle not in able:
        raise UserError(
            f"{named('replicates', 'auto')} needs an oracle that weighs another seed against a new point, "
            f"{' or '.join(able)}, but got {named('oracle', oracle)}"
        )
    if len(sought) > 1:
        raise UserError(
            f"{named('replicates', 'auto')} takes one objective, but got {len(sought)}; leave it out, or all but one"
        )


def _check_pruning(prune: str, oracle: str, sought: Sequence[Objective], train: TrainSpec, named: Named) -> None:
    """Check that trials have curves of one objective, by which they can be pruned, beside costs that are known before.

    Raises:
        UserError: They have none, or the value is unknown.
    """
    if prune == "none":
        return
    if prune not in RULES:
        raise UserError(f"{named('prune')} must be none, {' or '.join(RULES)}, but got '{prune}'")
    if ORACLES[oracle].fidelities:
        raise UserError(
            f"{named('prune', prune)} needs an oracle that trains every trial in full, but got "
            f"{named('oracle', oracle)}, which ends trials by itself"
        )
    learned = [objective.name for objective in learned_of(sought)]
    if len(learned) > 1:
        raise UserError(
            f"{named('prune', prune)} takes one objective besides {' and '.join(KNOWN)}, but got {', '.join(learned)}; "
            "leave it out, or all but one"
        )
    if (train.epochs or 0) < 2:
        raise UserError(
            f"{named('prune', prune)} needs trials of two epochs or more, but got epochs={train.epochs}; set "
            f"{named('epochs')}"
        )


def _training(epochs: int | None, recipe: str | None, given: Mapping[str, Any], named: Named) -> TrainSpec:
    """Return the base training.

    Raises:
        UserError: The epochs are given twice, or there are no validation images.
    """
    data = {name: given[name] for name in DATA if name in given}
    if epochs is not None and "epochs" in given:
        raise UserError(
            f"a field must be set once, but `epochs` is set by {named('epochs', epochs)} and by --set epochs="
            f"{given['epochs']}"
        )
    if epochs is not None:
        given = {"epochs": epochs, **given}
    train = with_hash(rebudgeted(training(TRAIN.replace(**data), recipe), given).replace(test=False))
    if not train.validation_fraction:
        raise UserError(
            "a search chooses by validation images, but validation_fraction is 0; set validation_fraction=0.1"
        )
    return train


def _check_epochs(oracle: str, train: TrainSpec, total: int | None, named: Named) -> None:
    """Check that the training has `epochs` if the oracle or the budget needs them.

    Raises:
        UserError: The training has steps.
    """
    counts = [named("oracle", oracle)] * ORACLES[oracle].fidelities + [named("total_epochs")] * (total is not None)
    if counts and train.epochs is None:
        raise UserError(
            f"{counts[0]} counts in epochs, but the training has steps={train.steps}; set {named('epochs')}"
        )
