"""Kept networks: the trained weights of runs, one file for each run, beside the records."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_core.errors import UserError, one_line
from resnet_core.folders import write_beside
from resnet_core.nets.cost import cost
from resnet_core.runs.spec import Run

if TYPE_CHECKING:
    import keras

Array = np.ndarray[Any, np.dtype[Any]]
NETWORKS = "networks"
"""The subfolder of a study for kept networks."""
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def name_of(run_id: str) -> str:
    """Return the path of a run's network relative to the folder of a study."""
    return f"{NETWORKS}/{run_id}.npz"


def place_of(root: Path, run_id: str) -> Path:
    """Return the path of the file of a run's network."""
    return root / name_of(run_id)


def kept(root: Path) -> dict[str, Path]:
    """Return the files of the kept networks of a study, by the id of the run."""
    return {path.stem: path for path in sorted((root / NETWORKS).glob("*.npz")) if not path.name.startswith(".")}


def bytes_of(run: Run) -> int:
    """Return the approximate size in bytes of the file of a run's network, without building the network."""
    spent = cost(run.net)
    return 4 * (spent.trainable + spent.bn_running_stats)


def encoded(weights: Sequence[Array]) -> bytes:
    """Return the content of the file of a network: the uncompressed arrays, each with a checksum (CRC-32)."""
    content = io.BytesIO()
    arrays: dict[str, Any] = {f"weight{i}": array for i, array in enumerate(weights)}
    np.savez(content, **arrays)
    return content.getvalue()


def write(root: Path, run_id: str, weights: Sequence[Array]) -> None:
    """Write the file of a run's network atomically.

    Raises:
        UserError: The disk is full, or the folder is not writable.
    """
    write_beside(place_of(root, run_id), encoded(weights))


def weights_of(root: Path, run: Run) -> list[Array]:
    """Return the trained weights of a run, in the order of `keras.Model.weights`.

    Raises:
        UserError: The weights were not kept, or the file is damaged.
    """
    path = place_of(root, run.id)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return [file[f"weight{i}"] for i in range(len(file.files))]
    except FileNotFoundError:
        raise UserError(
            f"the network of a run must have been kept, but {path} is not there; run the study with --keep-networks "
            "(keep_networks=True in Python; in another --out, if the run is recorded already)"
        ) from None
    except UNREADABLE as error:
        raise damaged(path, one_line(error)) from None


def network_of(root: Path, run: Run) -> "keras.Model":
    """Return the trained network of a run. Its weights are bit for bit those after the training.

    The network maps images, preprocessed as in the run by `(image - shift) * scale` of its `Dataset`, to logits.

    Raises:
        UserError: The network was not kept, its file is damaged, or the block of the run is not known or has another
            code.
    """
    weights = weights_of(root, run)
    try:
        return with_weights(run, weights)
    except UserError:
        raise
    except ValueError:
        raise damaged(place_of(root, run.id), "its weights are of another network") from None


def with_weights(run: Run, weights: Sequence[Array]) -> "keras.Model":
    """Return the network of a run with these weights.

    Raises:
        UserError: The block of the run is not known or has another code.
        ValueError: The weights belong to another network.
    """
    from resnet_core.nets.keras_net import build
    from resnet_core.runs.training.precision import dtype_policy
    from resnet_core.runs.training.train import check_code

    check_code(run)
    with dtype_policy(run.train.precision):
        model = build(run.net, seed=run.init_seed)
    model.set_weights(weights)
    return model


def damaged(path: Path, reason: str) -> UserError:
    """Return the error for a damaged file of a network."""
    return UserError(f"a kept network must be whole, but {path} is not: {reason}; remove it, and train the run again")
