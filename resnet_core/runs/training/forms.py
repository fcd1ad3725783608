"""The form in which a run is compiled, which depends on its spec only, and its engine."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from resnet_core.nets.opened.form import opened, why_not
from resnet_core.nets.own import OwnNet, spec_of
from resnet_core.runs.spec import Form, Run
from resnet_core.runs.training.checkpoints import Array
from resnet_core.surroundings import settings_of_a_run


def form_of(run: Run) -> Form:
    """Return the form in which a run is trained."""
    return "own" if run.train.form == "own" or why_own(run) else "open"


def compiled_as(run: Run) -> Hashable:
    """Return a key that is equal for runs that share compiled code: the network or, in open shapes, its kind."""
    return opened(spec_of(run.net)).kind if form_of(run) == "open" else run.net


def why_own(run: Run) -> str | None:
    """Return why a run that asks for the open form is trained in its own form; otherwise `None`."""
    if run.train.precision != "float32":
        return f"half precision ({run.train.precision}) is trained in its own form"
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

    step = StepSpec.of(run.train, run.probe)
    return OpenEngine(spec_of(run.net), step) if form_of(run) == "open" else engine(run.net, step, run.code)


def weights_of_state(run: Run, values: Sequence[Array]) -> list[Array]:
    """Return the weights in the variables of a state of a run, in the order of `keras.Model.weights`."""
    with settings_of_a_run():
        engine = engine_of(run)
        engine.reset(run.init_seed)
        engine.restore(values)
        return engine.weights()  # type: ignore[no-any-return]
