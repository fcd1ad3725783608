"""The graph of a functional Keras model: its calls, and their dominators."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import keras

from resnet_core.errors import UserError


@dataclass(frozen=True, eq=False)
class Call:
    """One call of an operation in a graph.

    Attributes:
        operation: The layer, or another operation of Keras.
        inputs: The calls whose outputs are the arguments, in order.
        tensor: The output; the first, if there are several.
        order: Position in a topological order, in which every call follows its inputs.
    """

    operation: Any
    inputs: tuple["Call", ...]
    tensor: Any
    order: int

    @property
    def name(self) -> str:
        """Name of the operation."""
        return str(self.operation.name)

    @property
    def has_kernel(self) -> bool:
        """Whether the operation is a layer with a kernel."""
        return getattr(self.operation, "kernel", None) is not None


def functional(model: Any) -> keras.Model:
    """Return a functional model with one input and one output; a `Sequential` is converted.

    The layers of models that it calls take their place, so that blocks of a nested model are found, too. They are the
    same layers.

    Raises:
        UserError: The model is not functional, has several inputs or outputs, or calls models with equal names of
            layers.
    """
    if isinstance(model, keras.Sequential) and model.built:
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    if not isinstance(model, keras.Model) or not getattr(model, "outputs", None):
        raise UserError(
            f"a network to be probed must be a functional keras.Model, but got {type(model).__name__}; "
            "build it by keras.Model(inputs, outputs)"
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise UserError(
            f"a network to be probed must have one input and one output, but '{model.name}' has "
            f"{len(model.inputs)} and {len(model.outputs)}"
        )
    while any(map(_is_graph, model.layers)):
        try:
            model = keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=_call_within)
        except ValueError as error:
            raise UserError(
                f"the models that a network calls must have layers of different names, but '{model.name}': {error}"
            ) from None
    return model


def _is_graph(layer: Any) -> bool:
    """Return whether a layer is a model with a graph: a functional one, or a `Sequential` that is built."""
    return isinstance(layer, keras.Model) and bool(getattr(layer, "outputs", None))


def _call_within(operation: Any, *args: Any, **named: Any) -> Any:
    """Call an operation; of a model, call its layers."""
    return operation.call(*args, **named) if _is_graph(operation) else operation(*args, **named)


def calls(model: keras.Model) -> list[Call]:
    """Return the calls of a functional model in a topological order: each call follows its inputs."""
    known: dict[Any, Call] = {}
    pending = [model.outputs[0]]
    while pending:
        node = _node(pending[-1])
        if node in known:
            pending.pop()
            continue
        missing = [tensor for tensor in node.input_tensors if _node(tensor) not in known]
        if missing:
            pending += reversed(missing)
            continue
        inputs = tuple(known[_node(tensor)] for tensor in node.input_tensors)
        known[node] = Call(node.operation, inputs, node.outputs[0], len(known))
        pending.pop()
    return list(known.values())


def _node(tensor: Any) -> Any:
    """Return the node of Keras' graph that produced a tensor."""
    history = tensor._keras_history
    return history.operation._inbound_nodes[history.node_index]


def dominators(graph: list[Call]) -> dict[Call, Call]:
    """Return the immediate dominator of every call (Cooper et al. 2001)."""
    nearest: dict[Call, Call] = {graph[0]: graph[0]}
    for call in graph[1:]:
        ways = iter(call.inputs or (call,))
        common = next(ways)
        for other in ways:
            while common is not other:
                if common.order > other.order:
                    common = nearest[common]
                else:
                    other = nearest[other]
        nearest[call] = common
    return nearest


def trunk_to(end: Call, nearest: dict[Call, Call]) -> list[Call]:
    """Return the calls through which every path from the input to the output passes."""
    trunk = [end]
    while nearest[trunk[-1]] is not trunk[-1]:
        trunk.append(nearest[trunk[-1]])
    return trunk[::-1]


def between(end: Call, start: Call) -> list[Call]:
    """Return the calls on all paths from `start` to `end`, without `start`."""
    seen: dict[Call, None] = {}
    pending = [end]
    while pending:
        call = pending.pop()
        if call is start or call in seen:
            continue
        seen[call] = None
        pending += call.inputs
    return list(seen)


def activates(call: Call) -> bool:
    """Return whether a call is an activation, or the identity."""
    operation = call.operation
    if isinstance(operation, keras.layers.Layer):
        kinds = (keras.layers.Activation, keras.layers.ReLU, keras.layers.LeakyReLU, keras.layers.PReLU,
                 keras.layers.ELU, keras.layers.Identity)  # fmt: skip
        return isinstance(operation, kinds)
    return type(operation).__module__.startswith("keras.src.ops.nn")


def normalises(call: Call) -> bool:
    """Return whether a call is a normalisation."""
    kinds = (keras.layers.BatchNormalization, keras.layers.GroupNormalization, keras.layers.LayerNormalization)
    return isinstance(call.operation, kinds)


def common_name(names: Iterable[str]) -> str:
    """Return the common prefix of the names, cut at the end of a word."""
    known = sorted(names)  # the first and the last have the same common prefix as all
    same = (a == b for a, b in zip(known[0], known[-1]))
    prefix = known[0][: next((i for i, equal in enumerate(same) if not equal), min(len(known[0]), len(known[-1])))]
    return re.sub(r"[^_./-]*$", "", prefix).rstrip("_./-")
