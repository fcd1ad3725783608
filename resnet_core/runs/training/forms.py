"""The form in which a run is compiled, which depends on its spec only, and its engine."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from resnet_core.nets.cost import cost
from resnet_core.nets.opened.form import opened, why_not
from resnet_core.nets.own import OwnNet, spec_of
from resnet_core.runs.runtime import SMALL_STEP_MACS
from resnet_core.runs.spec import Form, Run
from resnet_core.runs.training.checkpoints import Array
from resnet_core.surroundings import settings_of_a_run

# Measured on one x86-64 core; see `benchmarks.fixed_cost`.
MACS_PER_SECOND = 30e9
START_SECONDS_PER_LAYER = 0.09  # to build and trace a network in its own form
LONGER_STEP_SECONDS = (0.7e-3, 0.04e-3)  # of a step in open shapes, at least: for the step, and for each layer
LONGER_STEP_SHARE = 0.03  # of a long step


def form_of(run: Run) -> Form:
    """Return the form in which a run is trained."""
    asked = run.train.form
    return "own" if asked == "own" or why_own(run) or (asked == "auto" and not open_is_faster(run)) else "open"


def open_is_faster(run: Run) -> bool:
    """Return whether a run is expected to be faster in open shapes, if its kind is compiled already.

    Its steps are a little longer, but nothing is traced. The number of steps in an epoch is not in the spec; so a run
    of epochs is in open shapes if its step is small. Thus the form does not depend on the number of epochs.
    """
    layers, macs = cost(spec_of(run.net)).depth, step_macs(run)
    if run.train.steps is None:
        return macs < SMALL_STEP_MACS
    longer = max(LONGER_STEP_SECONDS[0] + LONGER_STEP_SECONDS[1] * layers, LONGER_STEP_SHARE * macs / MACS_PER_SECOND)
    return run.train.steps * longer < START_SECONDS_PER_LAYER * layers


def step_macs(run: Run) -> float:
    """Return the multiply-accumulates of a training step: forward, and twice as many backward."""
    return 3.0 * cost(run.net).macs * run.train.batch_size


def compiled_as(run: Run) -> Hashable:
    """Return a key that is equal for runs that share compiled code: the network or, in open shapes, its kind."""
    return opened(spec_of(run.net)).kind if form_of(run) == "open" else run.net


def why_own(run: Run) -> str | None:
    """Return why a run that asks for the open form is trained in its own form; otherwise `None`."""
    if run.train.precision != "float32":
        return f"half precision ({run.train.precision}) is trained in its own form"
    if run.train.initial_weights:
        return "published weights are trained in their own form"
    if run.train.balance == "class_weights":
        return "class weights are used in the own form only (balance=sampling is used in both)"
    if isinstance(run.net, OwnNet):
        return f"the network is built by the function `{run.net.network}`"
    return why_not(run.net)


def in_own_form(runs: Sequence[Run]) -> list[str]:
    """Return a line for each reason why runs that ask for the open form are trained in their own."""
    asking = [run for run in runs if run.train.form == "open"]
    counts = Counter(filter(None, map(why_own, asking)))
    return [f"{count} of {len(runs)} runs are trained in their own form: {reason}" for reason, count in counts.items()]


def engine_of(run: Run) -> Any:
    """Return the engine that trains a run, an `Engine` or an `OpenEngine`; see `Engine` for its methods."""
    from resnet_core.runs.training.engine import engine
    from resnet_core.runs.training.open_engine import OpenEngine
    from resnet_core.runs.training.step import StepSpec

    step = StepSpec.from_specs(run.train, run.probe)
    return OpenEngine(spec_of(run.net), step) if form_of(run) == "open" else engine(run.net, step, run.code)


def weights_of_state(run: Run, values: Sequence[Array]) -> list[Array]:
    """Return the weights in the variables of a state of a run, in the order of `keras.Model.weights`."""
    with settings_of_a_run():
        engine = engine_of(run)
        engine.reset(run.init_seed)
        engine.restore(values)
        return engine.weights()  # type: ignore[no-any-return]
