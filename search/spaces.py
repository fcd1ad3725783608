"""The spaces by name, and spaces in a user's file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError, line_in, nearest
from resnet_core.nets.spec import NetSpec
from resnet_core.runs.execution.plugins import registrations
from resnet_core.runs.runtime import without_notices
from resnet_core.runs.spec import TrainSpec
from resnet_core.users_code import load
from search.space import Point, Space, SpaceError

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

SKIPS = ["A", "B", "C"]


def tiny(hp: "HyperParameters", train: TrainSpec) -> Point:
    """Three stages of one to three basic blocks."""
    net = {
        "skip": hp.Choice("skip", ["none", "A", "B"], default="A"),
        "order": hp.Choice("order", ["original", "full_preactivation"]),
        "depths": (hp.Int("blocks", 1, 3),) * 3,
        "widths": _doubled(hp.Choice("width", [4, 8, 12, 16])),
    }
    return NetSpec(**net), train.replace(learning_rate=hp.Float("learning_rate", 1e-2, 0.3, sampling="log"))


def cifar_small(hp: "HyperParameters", train: TrainSpec) -> Point:
    """Three stages with a number of blocks each, basic or bottleneck, with the training that goes with them."""
    block = hp.Choice("block", ["basic", "bottleneck"])
    net = {
        "skip": hp.Choice("skip", ["none", *SKIPS], default="A"),
        "block": block,
        "order": hp.Choice("order", ["original", "full_preactivation"]),
        "depths": tuple(hp.Int(f"blocks{stage}", 1, 4, default=2) for stage in (1, 2, 3)),
        "widths": _doubled(hp.Choice("width", [8, 12, 16, 24, 32], default=16)),
        "se_reduction": hp.Choice("se_reduction", [0, 4, 8]),
    }
    return NetSpec(**net), _training(hp, train)


def photographs(hp: "HyperParameters", train: TrainSpec) -> Point:
    """Networks of `cifar-small`, with augmentation, label smoothing, schedule and balance of the classes."""
    net, train = cifar_small(hp, train)
    return net, of_photographs(hp, train)


def of_photographs(hp: "HyperParameters", train: TrainSpec) -> TrainSpec:
    """Return the training with augmentation, label smoothing, schedule and balance as hyperparameters."""
    return train.replace(
        augmentation=hp.Choice("augmentation", ["crop_flip", "none"]),
        label_smoothing=hp.Choice("label_smoothing", [0.0, 0.1]),
        schedule=hp.Choice("schedule", ["cosine", "steps"]),
        balance=hp.Choice("balance", ["none", "class_weights", "sampling"]),
    )


def full(hp: "HyperParameters", train: TrainSpec) -> Point:
    """All axes: those of `cifar-small`, and cardinality, normalisation, stochastic depth, branch scale, growth."""
    with_skip: Any = {"parent_name": "skip", "parent_values": SKIPS}
    net: dict[str, Any] = {
        "skip": hp.Choice("skip", ["none", *SKIPS], default="A"),
        "block": hp.Choice("block", ["basic", "bottleneck"]),
        "order": hp.Choice("order", ["original", "full_preactivation"]),
        "depths": tuple(hp.Int(f"blocks{stage}", 1, 6, default=2) for stage in (1, 2, 3)),
        "widths": _doubled(hp.Choice("width", [8, 12, 16, 24, 32, 48, 64], default=16)),
        "cardinality": hp.Choice("cardinality", [1, 2, 4], parent_name="block", parent_values=["bottleneck"]),
        "se_reduction": hp.Choice("se_reduction", [0, 4, 8]),
        "norm": hp.Choice("norm", ["batch", "group", "none"]),
        "norm_groups": hp.Choice("norm_groups", [2, 4], parent_name="norm", parent_values=["group"]),
        "branch_scale": hp.Choice("branch_scale", ["one", "skipinit", "rezero", "layerscale"], **with_skip),
        "survival": hp.Choice("survival", [1.0, 0.9, 0.8, 0.5], **with_skip),
        "activation": hp.Choice("activation", ["relu", "silu"]),
    }
    return NetSpec(**{name: value for name, value in net.items() if value is not None}), _training(hp, train)


def _training(hp: "HyperParameters", train: TrainSpec) -> TrainSpec:
    """Return the training with the optimiser, the learning rate and the weight decay as hyperparameters."""
    kind = hp.Choice("optimizer", ["sgd", "adamw"])
    sgd = hp.Float("sgd_rate", 1e-2, 0.5, default=0.1, sampling="log", parent_name="optimizer", parent_values=["sgd"])
    adamw = hp.Float(
        "adamw_rate", 3e-4, 2e-2, default=3e-3, sampling="log", parent_name="optimizer", parent_values=["adamw"]
    )
    decay = hp.Float("weight_decay", 1e-5, 1e-2, default=1e-4, sampling="log")
    return train.replace(optimizer=kind, learning_rate=sgd if kind == "sgd" else adamw, weight_decay=decay)


def _doubled(width: int) -> tuple[int, int, int]:
    return width, 2 * width, 4 * width


SPACES = {
    name: Space(name, (declare.__doc__ or "").strip(), declare)
    for name, declare in (
        ("tiny", tiny), ("cifar-small", cifar_small), ("photographs", photographs), ("full", full),
    )
}  # fmt: skip
DEFAULT = "cifar-small"


def space_of(text: str) -> Space:
    """Return the space with this name, or that of a user's file with a function `space`.

    Raises:
        UserError: There is no such space, or the file does not load.
    """
    if text in SPACES:
        return SPACES[text]
    file = Path(text)
    if file.suffix != ".py":
        raise UserError(f"--space must be a known space or a Python file, but got '{text}'{nearest(text, SPACES)}")
    before = registrations()
    with without_notices():
        module = load(file, "space")
    declare = getattr(module, "space", None)
    if not callable(declare):
        raise UserError(f"a space's file must define a function `space(hp, train)`, but {file} defines none")

    def declared(hp: "HyperParameters", train: TrainSpec) -> Point:
        try:
            point: Point = declare(hp, train)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # whatever a user's function may raise
            line = line_in(file, error)
            where = f"{file}, line {line}" if line else file
            raise SpaceError(f"a space must be a function of (hp, train), but {where}: {error!r}") from None
        return point

    about = (declare.__doc__ or "").strip().partition("\n")[0]
    return Space(file.stem, about, declared, registers=registrations() != before)
