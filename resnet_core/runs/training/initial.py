"""Initial weights that a run reads from a file (`TrainSpec.initial_weights`)."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_core.errors import UserError
from resnet_core.nets.own import spec_of
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.runtime import configure
from resnet_core.runs.spec import Run, TrainSpec
from resnet_core.runs.training.forms import engine_of
from resnet_core.sealed import sha256_of_file
from resnet_core.surroundings import settings_of_a_run
from resnet_core.telling import say

if TYPE_CHECKING:
    import keras

    from resnet_core.nets.sources import Tensors, WeightsSource


def with_hash(train: TrainSpec) -> TrainSpec:
    """Return a training with the hash of its file of initial weights; unchanged if it has no file.

    Raises:
        UserError: The file cannot be read.
    """
    if not train.initial_weights:
        return train
    path = Path(train.initial_weights)
    try:
        return train.replace(initial_weights_sha256=_content(path, path.stat().st_mtime_ns))
    except OSError as error:
        raise UserError(
            f"initial weights must be in a file, but {path} cannot be read: {error.strerror or error}"
        ) from None


@lru_cache
def _content(path: Path, changed: int) -> str:
    """Return the hash of a file that was changed at a time. The last ones are cached."""
    return sha256_of_file(path)


def weights_for(run: Run) -> "Tensors":
    """Return the weights with which a run begins, without those of its classifier. The last ones are cached.

    Raises:
        UserError: The file is not the one with which the run was planned, or its weights are of another network.
    """
    planned, path = run.train.initial_weights_sha256, run.train.initial_weights
    if planned not in ("", with_hash(run.train).initial_weights_sha256):
        raise UserError(
            f"the initial weights of a run must be those it was planned with, with the hash {planned[:12]}…, but "
            f"{path} has others now; restore the file, or choose another --out"
        )
    return _source(run).tensors


def initial_network(run: Run) -> "keras.Model":
    """Return the network of a run with its initial weights, drawn or read.

    Raises:
        UserError: See `weights_for`.
    """
    from resnet_core.nets.keras_net import build

    model = build(run.net, seed=run.init_seed)
    if run.train.initial_weights:
        from resnet_core.nets.weights import load_features

        load_features(model, spec_of(run.net), weights_for(run))
    return model


def _source(run: Run, name: str | None = None) -> "WeightsSource":
    alike = spec_of(run.net).replace(input_shape=(224, 224, 3), classes=1000)  # on which no feature depends
    return _read(alike, run.train.initial_weights, run.train.initial_weights_sha256, name)


@lru_cache(maxsize=1)
def _read(net: NetSpec, path: str, sha256: str, name: str | None) -> "WeightsSource":
    from resnet_core.nets.weights import features

    return features(net, path, name)


def check_initial(runs: Sequence[Run], threads: int, name: str | None = None) -> None:
    """Check that the initial weights of runs fit their networks.

    Args:
        runs: The runs. Those without a file of weights are not considered.
        threads: Number of threads of TensorFlow.
        name: Name of the network of the weights, as for `nets.zoo.network`, if the user gave it.

    Raises:
        UserError: A file cannot be read, or its weights do not fit.
    """
    reading = {(run.net, run.train.initial_weights): run for run in runs if run.train.initial_weights}
    if not reading:
        return
    configure(threads)
    for run in reading.values():
        source = _source(run, name)
        with settings_of_a_run():
            engine_of(run).start_from(source.tensors)
        if source.name is None:
            say(
                f"nothing tells of which network {run.train.initial_weights} is; its tensors fit, and strides, ε, "
                "padding and activation are those of the network that is trained"
            )
