"""The `keras.Model` of an `OwnNet`: built, checked and counted."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import keras
from keras.src.backend.common import global_state

from resnet_core.errors import UserError
from resnet_core.nets.counting import LayerCost
from resnet_core.nets.fused import subsample_first
from resnet_core.nets.own import OwnNet
from resnet_core.nets.registry import registered_network
from resnet_core.nets.traced import Uncounted, counted, macs_by_name
from resnet_core.nets.users_layer import mistake_of, watched
from resnet_core.surroundings import settings_of_a_run
from resnet_core.users_code import guarded

NAMES = "object_name_uids"
"""Keras' global counter for default layer names."""
OTHERS = "other operations"


def own_model(spec: OwnNet) -> keras.Model:
    """Return the model that a user's function builds. Set its weights by `initialise`.

    Default names of layers are counted from zero, so that they do not depend on models built before.

    Raises:
        UserError: The function raises an error, or returns a model that cannot be trained by a run.
    """
    build = registered_network(spec.network).build
    rule = f"the function `{spec.network}` must return a functional keras.Model"
    with guarded(rule), names_counted_from_zero(), watched() as faults:
        model = build(**json.loads(spec.arguments), input_shape=spec.input_shape, classes=spec.classes)
        if isinstance(model, keras.Sequential) and model.built:
            model = keras.Model(model.inputs[0], model.outputs[0])
    _check(spec, rule, model)
    mistakes = (f"'{layer.name}' {mistake_of(layer, model.outputs[0])}" for layer in model.layers)
    mistake = next(iter(faults), "") or next((text for text in mistakes if not text.endswith("' ")), "")
    if mistake:
        raise UserError(
            f"a network must start from the seed of its run, be trained as its spec says, and be resumed, but "
            f"`{spec.network}`: {mistake}"
        )
    return subsample_first(model)


def _check(spec: OwnNet, rule: str, model: Any) -> None:
    """Check the form of a model.

    Raises:
        UserError: The model is not functional, or its inputs or outputs are wrong.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "outputs", None):
        raise UserError(f"{rule}, but it returned a {type(model).__name__}; build it by keras.Model(inputs, outputs)")
    if len(model.inputs) != 1 or tuple(model.inputs[0].shape[1:]) != spec.input_shape:
        shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in model.inputs)
        raise UserError(f"{rule} that takes images of {spec.input_shape}, but it takes {shapes}; use input_shape")
    if len(model.outputs) != 1 or tuple(model.outputs[0].shape[1:]) != (spec.classes,):
        shapes = ", ".join(str(tuple(tensor.shape[1:])) for tensor in model.outputs)
        raise UserError(f"{rule} that gives a logit for each of {spec.classes} classes, but it gives {shapes}")
    last = model.outputs[0]._keras_history.operation
    function = getattr(getattr(last, "activation", None), "__name__", type(last).__name__).lower()
    if function in ("softmax", "sigmoid", "logsoftmax", "log_softmax"):
        raise UserError(f"{rule} that gives logits, but `{last.name}` is a {function}; remove it, the loss applies it")


@contextmanager
def names_counted_from_zero() -> Iterator[None]:
    """Context manager in which default names of layers do not depend on layers made before."""
    before = global_state.get_global_attribute(NAMES)
    global_state.set_global_attribute(NAMES, defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(NAMES, before)


class Counted(NamedTuple):
    """The cost of a model: its layers, further memory for the backward pass, and its depth in layers with a kernel."""

    layers: tuple[LayerCost, ...]
    kept_bytes: int
    depth: int


@lru_cache(maxsize=256)
def own_cost(spec: OwnNet, code: str) -> Counted:
    """Return the cost of an `OwnNet`, counted on the operations that TensorFlow traces.

    Args:
        spec: The network.
        code: Hash of its code, see `own.code_of_net`; part of the key of the cache.

    Raises:
        UserError: See `own_model`; or an operation cannot be counted.
    """
    with settings_of_a_run():
        model = own_model(spec)
        whole = counted(model, model.outputs[0].shape[1:], spec.input_shape)
        unknown = [word for word in (whole.macs, whole.kept_bytes) if isinstance(word, Uncounted)]
        if unknown or isinstance(whole.kept_bytes, Uncounted):
            raise UserError(
                f"a network's cost must be counted, but an operation of `{spec.network}` cannot be: {unknown[0]}"
            )
        macs = _by_layer(model)
        others = whole.macs - macs.total() if isinstance(whole.macs, int) else 0
    layers = [
        LayerCost(
            layer.name, type(layer).__name__, tuple(map(int, _shape(layer))),
            trainable=sum(prod(weight.shape) for weight in layer.trainable_weights),
            bn_running_stats=sum(prod(w.shape) for w in layer.non_trainable_weights if "float" in str(w.dtype)),
            macs=macs[layer.name],
        )
        for layer in model.layers
    ]  # fmt: skip
    layers += [LayerCost(OTHERS, OTHERS, (), macs=others)] if others else []
    return Counted(tuple(layers), whole.kept_bytes, _depth(model))


def _shape(layer: Any) -> tuple[Any, ...]:
    """Return the shape of a layer's first output, without the batch axis; empty if an axis is open."""
    output = layer._inbound_nodes[0].outputs[0].shape[1:] if layer._inbound_nodes else ()
    return tuple(output) if None not in output else ()


def _by_layer(model: keras.Model) -> Counter[str]:
    """Return the multiply-accumulates of each layer with weights, by its name."""
    macs = Counter[str]()
    for node in (node for level in model._nodes_by_depth.values() for node in level):
        layer, inputs = node.operation, node.input_tensors
        if getattr(layer, "weights", None) and len(inputs) == 1 and None not in inputs[0].shape[1:]:
            macs[layer.name] += sum(count for _, count in macs_by_name(layer, tuple(inputs[0].shape[1:])))
    return +macs


def _depth(model: keras.Model) -> int:
    """Return the number of layers with a kernel on the longest path."""
    deepest: dict[Any, int] = {}
    for level in sorted(model._nodes_by_depth, reverse=True):  # the input has the largest depth
        for node in model._nodes_by_depth[level]:
            before = max((deepest.get(parent, 0) for parent in node.parent_nodes), default=0)
            deepest[node] = before + (getattr(node.operation, "kernel", None) is not None)
    return max(deepest.values())
