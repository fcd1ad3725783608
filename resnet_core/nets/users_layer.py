"""Checks of layers for `at.layer`: a run must be able to initialise, train, measure and resume them."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras.src.backend import compute_output_spec
from keras.src.backend.common import global_state

from resnet_core.errors import UserError

MADE_BY = "_resnet_made_by"
ADDS_LOSS = "adds a loss of its own, which runs do not support; remove its regularizer, or set weight_decay instead"
GLOBAL_SEEDS = "global_seed_generator"
STATES = ("float32", "float64", "float16", "int32", "int64", "uint32", "uint8", "int8", "bool")
"""Dtypes of variables that checkpoints can store."""


def apply_layer(make: Callable[..., Any], name: str, x: Any) -> tuple[keras.layers.Layer, Any]:
    """Make the layer `make(name)` and apply it to a Keras tensor; return the layer and its output.

    Raises:
        UserError: The layer is not supported in runs; see `mistake_of`.
    """
    layer = make(name=name)
    rule = f"at.layer must be given a function that returns a new Keras layer named '{name}', its argument"
    if not isinstance(layer, keras.layers.Layer):
        raise UserError(f"{rule}, but it returned {type(layer).__name__}")
    if layer.name != name:
        raise UserError(f"{rule}, but it returned one named '{layer.name}'; pass the name on, and share no layer")
    if layer._inbound_nodes:
        raise UserError(f"{rule}, but it returned one that is in use already; share no layer")
    with watched() as faults:
        y = layer(x)
        compute_output_spec(layer, x)  # a layer with its own compute_output_shape has not been called yet
    mistake = next(iter(faults), "") or mistake_of(layer, y)
    if mistake:
        raise UserError(
            f"a layer must start from the seed of its run, be trained as its spec says, and be resumed, but '{name}' "
            f"{mistake}"
        )
    object.__setattr__(layer, MADE_BY, make)
    return layer, y


@contextmanager
def watched() -> Iterator[list[str]]:
    """Context manager that yields a list, to which it adds the faults of the layers that are called."""
    faults: list[str] = []
    seeds, add_loss = global_state.get_global_attribute(GLOBAL_SEEDS), keras.layers.Layer.add_loss
    global_state.set_global_attribute(GLOBAL_SEEDS, None)
    keras.layers.Layer.add_loss = lambda self, loss: faults.append(ADDS_LOSS)
    try:
        yield faults
        if global_state.get_global_attribute(GLOBAL_SEEDS) is not None:
            faults.append("draws from Keras' global seeds; give it a keras.random.SeedGenerator")
    finally:
        keras.layers.Layer.add_loss = add_loss
        global_state.set_global_attribute(GLOBAL_SEEDS, seeds)


def mistake_of(layer: keras.layers.Layer, y: Any) -> str:
    """Return why a layer is not supported in runs, or an empty text if it is."""
    if not isinstance(y, keras.KerasTensor):
        return f"returns a {type(y).__name__}, not a tensor"
    if any(weight.regularizer is not None for weight in layer.trainable_weights):
        return ADDS_LOSS
    if any(weight.constraint is not None for weight in layer.trainable_weights):
        return "has a constraint on its weights, which the optimisers of runs do not apply; remove it"
    for variable in layer.variables:
        if variable.dtype not in (("float32",) if variable.trainable else STATES):
            legal = "float32" if variable.trainable else " or ".join(STATES)
            return f"has the variable {variable.name} of {variable.dtype}, which must be {legal}"
    known = {id(variable.value) for variable in layer.variables}
    for part in layer._flatten_layers():
        for name, value in vars(part).items():
            if type(value).__name__ == "ResourceVariable" and id(value) not in known:
                return f"keeps `{name}` as a tf.Variable, which is not reset; make it by add_weight"
    return ""


def initialise_as_new(layer: keras.layers.Layer, seed: int) -> None:
    """Set the variables of a layer to those of a new layer, created and built with all global seeds set to `seed`."""
    make = getattr(layer, MADE_BY, None)
    with seeds_of_all(seed):
        new = make(name=layer.name) if make else type(layer).from_config(layer.get_config())
        new(keras.Input(batch_shape=layer.input.shape, dtype=layer.input.dtype))
    for variable, value in zip(layer.variables, new.variables, strict=True):
        variable.assign(value)


@contextmanager
def seeds_of_all(seed: int) -> Iterator[None]:
    """Context manager that seeds the global generators of Python, NumPy and Keras, and restores their states."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - users' code may draw from it
    generators = global_state.get_global_attribute(GLOBAL_SEEDS)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    global_state.set_global_attribute(GLOBAL_SEEDS, None)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        global_state.set_global_attribute(GLOBAL_SEEDS, generators)
