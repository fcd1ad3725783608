"""The space of a published network whose training starts from published weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.errors import Named, UserError
from resnet_core.nets.zoo import network
from resnet_core.runs.spec import TrainSpec
from search.space import Point, Space
from search.spaces import of_photographs

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

OF_TRAINING = frozenset({"dropout", "survival", "survival_decay", "drop_unit", "bn_momentum", "init"})
"""Fields of a published network that may be changed, since they have no influence on what given weights compute."""


def pretrained(name: str) -> Space:
    """Return the space of a published network: how many of its stages are frozen, and how the others are trained.

    Args:
        name: Name of the network, see `resnet_core.network`.

    Raises:
        UserError: There is no such network.
    """
    net = network(name)
    stages = len(net.depths)

    def declare(hp: "HyperParameters", train: TrainSpec) -> Point:
        kind = hp.Choice("optimizer", ["sgd", "adamw"])
        sgd = hp.Float(
            "sgd_rate", 1e-3, 0.1, default=1e-2, sampling="log", parent_name="optimizer", parent_values=["sgd"]
        )
        adamw = hp.Float(
            "adamw_rate", 3e-5, 3e-3, default=3e-4, sampling="log", parent_name="optimizer", parent_values=["adamw"]
        )
        train = train.replace(
            frozen_stages=hp.Int("frozen_stages", 0, stages, default=stages - 1),
            optimizer=kind,
            learning_rate=sgd if kind == "sgd" else adamw,
            weight_decay=hp.Float("weight_decay", 1e-6, 1e-2, default=1e-4, sampling="log"),
        )
        return net, of_photographs(hp, train)

    return Space(
        f"{name} from weights", "How a published network is trained from its weights.", declare, published=name
    )


def preprocessing_of(name: str) -> str:
    """Return the preprocessing with which the weights of a published network were trained; see `TrainSpec`.

    timm's pre-activation networks and Keras' v2 were trained on values from -1 to 1, Keras' v1 without a scale, and the
    other networks for ImageNet with Torch's constants. For those of CIFAR it is that of their papers.
    """
    if name.startswith(("keras-", "keras_")):
        return "tf" if "v2" in name else "caffe"
    net = network(name)
    if net.stem == "cifar":
        return "channel"
    return "tf" if net.order == "full_preactivation" else "torch"


def fields_from(
    name: str | None, weights: str | Path | None, fields: Mapping[str, Mapping[str, Any]], named: Named
) -> Mapping[str, Mapping[str, Any]]:
    """Return the fields of a search: the given ones and, if it starts from published weights, their file and the
    preprocessing with which they were trained.

    Args:
        name: Name of the published network; `None` for a search from drawn weights.
        weights: The file.
        fields: The given fields, by kind of spec.
        named: Formats an argument in error messages.

    Raises:
        UserError: Only one of name and file is given, or a field follows from the network.
    """
    if name is None:
        if weights is not None:
            raise UserError(
                f"{named('weights')} needs the name of their network; give {named('from_')} or, for a space of your "
                "own, --set initial_weights=FILE"
            )
        return fields
    if weights is None:
        raise UserError(f"{named('from_', name)} needs the file of its weights; give {named('weights')}")
    taken = sorted(fields.get("net", {}).keys() - OF_TRAINING)
    if taken:
        raise UserError(
            f"a field of a published network follows from its name, but `{taken[0]}` is set for '{name}'; leave it out"
        )
    train = dict(fields.get("train", {}))
    if "initial_weights" in train:
        raise UserError(
            f"a field must be set once, but `initial_weights` is set by {named('weights')} and by --set "
            f"initial_weights={train['initial_weights']}"
        )
    return {**fields, "train": {"preprocessing": preprocessing_of(name), **train, "initial_weights": str(weights)}}
