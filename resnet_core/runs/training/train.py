"""One training run, from its spec to its record."""

import time
import traceback
from collections.abc import Callable, Mapping

from resnet_core.errors import UserError
from resnet_core.nets.cost import cost
from resnet_core.nets.own import code_of_net, described_code, is_known
from resnet_core.runs.data.arrays import Dataset
from resnet_core.runs.records.record import Outcome, Record, Status
from resnet_core.runs.runtime import environment, usage
from resnet_core.runs.spec import Run
from resnet_core.runs.training.checkpoints import Checkpoint, NoRoom
from resnet_core.runs.training.endings import Diverged, Pruned
from resnet_core.runs.training.forms import form_of
from resnet_core.runs.training.initial import weights_for
from resnet_core.runs.training.loop import NEVER, NOWHERE, OnWeights, Progress, Training
from resnet_core.surroundings import check_backend, settings_of_a_run


def train_run(
    run: Run,
    data: Dataset,
    on_progress: Callable[[Progress], None] = lambda _: None,
    checkpoint: Checkpoint = NOWHERE,
    on_trained: OnWeights | None = None,
    at_steps: Mapping[int, OnWeights] = NEVER,
) -> Record:
    """Train `run` on `data` and return its record. Failures are records too.

    A run with a state in `checkpoint` continues from there, with the same record as an uninterrupted run. Only an
    interrupt returns no record.

    Args:
        run: The run.
        data: Its data.
        on_progress: Called every few steps. If it raises `Pruned`, the run ends.
        checkpoint: Saves the states of the run.
        on_trained: Called with the trained weights, in the order of `keras.Model.weights`, if the run completes. With
            `None`, a network in open shapes is not built as a Keras model.
        at_steps: Functions by number of updates; each is called with the weights after this number of updates.

    Raises:
        UserError: The block of the run is not registered here, its code has changed since the run was planned, or its
            initial weights are not those it was planned with.
    """
    check_code(run)
    check_backend()
    if run.train.initial_weights:
        weights_for(run)  # which is cached: its mistakes are the user's, and no outcome of the run
    with settings_of_a_run():
        return _executed(run, Training(run, data, on_progress, checkpoint, at_steps), on_trained)


def _executed(run: Run, training: Training, on_trained: OnWeights | None) -> Record:
    started, used = time.perf_counter(), usage()
    state, measured = training.state, {}
    try:
        results = training.complete()
        measured = training.latency()
        if on_trained:
            on_trained(training.weights())
        outcome = Outcome("completed", state.step)
    except Diverged as error:
        results, outcome = {}, Outcome("diverged", error.step, str(error))
        state.probes = [row for row in state.probes if row["step"] <= error.step]
    except Pruned as error:
        results, outcome = {}, Outcome("pruned", state.step, str(error))
    except NoRoom:
        raise
    except (Exception, SystemExit) as error:  # a user's block may call `sys.exit`
        results, outcome = {}, Outcome(_status(error), state.step, traceback.format_exc())
    seconds = round(training.seconds_before + time.perf_counter() - started, 3)
    spent = {**used(), **measured}
    return Record(
        run,
        outcome,
        results,
        state.epochs,
        state.probes,
        network_of(run),
        environment(),
        seconds,
        spent,
        data=training.data.info,
        form=form_of(run),
    )


def network_of(run: Run) -> dict[str, int]:
    """Return the entries of a record about the network."""
    network_cost = cost(run.net)
    return {"layers": network_cost.depth, "parameters": network_cost.trainable, "macs": network_cost.macs}


def check_code(run: Run) -> None:
    """Check that the code of a run's block or network has not changed since the run was planned.

    Raises:
        UserError: The code has changed, or is not registered in this process.
    """
    code = described_code(run.net)
    if run.code and not is_known(run.net):
        raise UserError(
            f"{code} must be known in every process that executes its runs, but it is not known in this one; "
            "write it into a file and name the file by --plugin, or execute its runs in one process"
        )
    if code_of_net(run.net) != run.code:
        raise UserError(f"the code of {code} must be what it was when a run was made, but it has changed")


def _status(error: BaseException) -> Status:
    import tensorflow as tf

    return "out_of_memory" if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError) else "crashed"
