"""The training of networks in open shapes. Compiled functions are shared by all networks of a kind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.opened.compiled import compiled
from resnet_core.nets.opened.form import Kind, opened
from resnet_core.nets.opened.layout import kernel_places, matrices, places, stacks
from resnet_core.nets.opened.order import kernels
from resnet_core.nets.opened.tape import Role
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.gradient_norms import Row, Site, probe_rows, sites_of, step_rows
from resnet_core.runs.data.stored import Array
from resnet_core.runs.training.device import Data, Part, Preprocessing
from resnet_core.runs.training.engine import median_latency
from resnet_core.runs.training.objective import DrawnBatch, accuracy_of, augmented, targets_of
from resnet_core.runs.training.optimizers import optimizer
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.step import StepSpec


class Measured(NamedTuple):
    """Results of a training step.

    Attributes:
        loss: Loss before the update.
        accuracy: Accuracy before the update.
        gradients: Gradients by the weights, a matrix for each segment.
        norms: For each segment, the L2 norms of the gradients by the outputs of its blocks.
    """

    loss: Any
    accuracy: Any
    gradients: list[Any]
    norms: list[Any]


NUMBERS = ("momentum", "weight_decay", "beta_1", "beta_2", "epsilon")
"""Settings of the update that are data: a trace depends only on whether there is a weight decay."""


class Updates:
    """The compiled update of a kind, traced once for all networks.

    Args:
        kind: The kind.
        step: Settings of the update, as `structure_of` returns them.
        classes: Number of classes.

    Attributes:
        passes: The passes of the kind, and its variables.
        optimizer: The optimiser of its weights.
        norms: Function from gradients to the norms of the kernels' gradients, (blocks, kernels) for each segment.
    """

    def __init__(self, kind: Kind, step: StepSpec, classes: int) -> None:
        self._numbers = {name: tf.Variable(getattr(step, name), trainable=False) for name in NUMBERS}
        decays = {} if step.weight_decay else {"weight_decay": 0.0}
        self._step, self._classes = replace(step, **{**self._numbers, **decays}), classes
        self.passes = compiled(kind)
        variables = self.passes.variables
        self.optimizer = optimizer(variables.with_role("weight"), self._step, variables.are_kernels)
        gradients = [tf.TensorSpec(variable.shape) for variable in variables.with_role("weight")]
        self.norms = tf.function(self.passes.kernel_norms, autograph=False, input_signature=(gradients,))
        self._steps: dict[Any, Any] = {}

    def reset(self, step: StepSpec) -> None:
        """Take the numbers of a step, and reset the optimiser."""
        for name, number in self._numbers.items():
            number.assign(getattr(step, name))
        self.optimizer.reset()

    def make(self, part: Part, preprocessing: Preprocessing, drawn: DrawnBatch, rate: Any, updates: Any) -> Measured:
        """Make an update, or only measure.

        Args:
            part: Images and labels, from which the step takes its own.
            preprocessing: Preprocessing of the images.
            drawn: The draws of the batch.
            rate: The learning rate.
            updates: Whether the step is an update. If not, the images are not augmented, and no variable is written.
        """
        arguments = part, preprocessing, drawn, rate, updates
        tensors = [tensor for tensor in tf.nest.flatten(arguments) if tensor is not None]
        form = tuple((tensor.dtype, tensor.shape.rank) for tensor in tensors)
        if form not in self._steps:
            self._steps[form] = self._step_for(arguments)
        return self._steps[form](*arguments)  # type: ignore[no-any-return]

    def _step_for(self, arguments: Any) -> Any:
        """Return the compiled step for arguments of these dtypes, whatever their shapes."""
        signature = tf.nest.map_structure(lambda each: each if each is None else _open(each), arguments)
        return tf.function(self._make, autograph=False).get_concrete_function(*signature)

    def not_drawn(self, images: int) -> DrawnBatch:
        """Return a batch of the first images with draws that nothing reads."""
        indices, none = np.arange(images), np.zeros((images, 2))
        step = self._step
        batch = Batch(
            0, False, indices, none.astype(np.int64), none.astype(bool)[:, 0],
            places=none.astype(np.float32) if step.cutout else None, partners=indices if step.mixes else None,
        )  # fmt: skip
        return DrawnBatch.from_batch(batch, is_read=True)

    def _make(self, part: Part, preprocessing: Preprocessing, drawn: DrawnBatch, rate: Any, updates: Any) -> Measured:
        images, labels = part
        taken, y = preprocessing(tf.gather(images, drawn.indices)), tf.gather(labels, drawn.indices)
        x, targets = tf.cond(
            updates,
            lambda: (augmented(self._step, taken, drawn), targets_of(self._step, y, self._classes, drawn.mixing)),
            lambda: (taken, tf.one_hot(y, self._classes)),
        )
        passed = self.passes.backward(x, targets)

        def update() -> Any:
            self.optimizer.apply(passed.gradients, rate)
            self.passes.move_on(passed.statistics)
            return updates

        tf.cond(updates, update, lambda: updates)
        return Measured(passed.loss, accuracy_of(y, passed.logits, drawn.mixing), passed.gradients, passed.norms)


def _open(value: Any) -> tf.TensorSpec:
    """Return the signature of a tensor. Its first axis is open, and so are the channels of images."""
    first, *others = value.shape.as_list() or [()]
    if len(others) == 3:
        others[-1] = None
    return tf.TensorSpec([] if first == () else [None, *others], value.dtype)


def structure_of(step: StepSpec) -> StepSpec:
    """Return the settings on which the trace of an update depends; the others have one value."""
    numbers = {name: 1.0 if name == "weight_decay" and step.weight_decay else 0.0 for name in NUMBERS}
    return replace(step, **numbers, batch_size=0, measures=False)  # type: ignore[arg-type]


@lru_cache(maxsize=8)
def updates(kind: Kind, step: StepSpec, classes: int) -> Updates:
    """Return the compiled update of a kind. The last few are cached; each takes some 45 MB."""
    return Updates(kind, step, classes)


class OpenEngine:
    """A network in open shapes with the compiled functions of its kind. It has the methods of `engine.Engine`.

    Networks of a kind share variables. So only one of them can be trained at a time; `reset` begins with another.

    Args:
        net: The network.
        step: Settings of the update.

    Raises:
        NotOpen: The network has no open form.
    """

    def __init__(self, net: NetSpec, step: StepSpec) -> None:
        self._spec, self._step = net, step
        self._net = opened(net)
        self._updates = updates(self._net.kind, structure_of(step), net.classes)
        self._passes = self._updates.passes
        self._kernels = list(kernels(self._net))
        self._sites = sites_of(kernel.cell.layer for kernel in self._kernels)
        names = [name for blocks in self._net.blocks[:-1] for name, _ in blocks]
        self._places = [Site(f"{name}_out", index, "main") for index, name in enumerate(names)]

    def reset(self, seed: int) -> None:
        """Draw the initial weights from `seed` and reset the optimiser."""
        self._passes.variables.take(self._net, self._spec.init, seed)
        self._updates.reset(self._step)

    def variables(self) -> list[Array]:
        """Return the values of all variables that an update changes: those of each slot, stacked over the blocks."""
        values = [
            stack
            for role, variables in self._changing()
            for stack in stacks(self._net, role, [variable.numpy() for variable in variables])
        ]
        return [*values, *(count.numpy() for count in self._updates.optimizer.counts)]

    def weights(self) -> list[Array]:
        """Return the weights and statistics of the network, in the order of `keras.Model.weights`."""
        return [variable.numpy() for variable in self._model().weights]

    def restore(self, values: Sequence[Array]) -> None:
        """Set all variables that an update changes to values that `variables` returned."""
        given = iter(values)
        for role, variables in self._changing():
            of_slots = [next(given) for _ in places(self._net.kind, role)]
            for variable, rows in zip(variables, matrices(self._net, role, of_slots), strict=True):
                variable.assign(rows)
        for count, value in zip(self._updates.optimizer.counts, given, strict=True):
            count.assign(value)

    def fits(self, values: Sequence[Array]) -> bool:
        """Return whether `restore` can take these values: their number, shapes and types agree."""
        return [(variable.shape, variable.dtype) for variable in self.variables()] == [
            (value.shape, value.dtype) for value in values
        ]

    def _changing(self) -> Iterator[tuple[Role, list[tf.Variable]]]:
        """Yield the variables that an update changes by the role of their slots, except the optimiser's counts."""
        roles: tuple[Role, ...] = ("weight", "statistic", "draw")
        yield from ((role, self._passes.variables.with_role(role)) for role in roles)
        yield from (("weight", average) for average in self._updates.optimizer.averages)

    def _model(self) -> Any:
        """Return the network as a Keras model."""
        model, values = build(self._spec), self._passes.variables.by_layer(self._net)
        for layer in model.layers:
            for variable in layer.variables:
                variable.assign(values[f"{layer.name}/{variable.name}"])
        return model

    def update(
        self, data: Data, batch: Batch, learning_rate: float, read: Part | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Make one update; see `Engine.update`."""
        drawn = DrawnBatch.from_batch(batch, is_read=read is not None)
        measured = self._make(read or data.train, data, drawn, learning_rate)
        norms = self._updates.norms(measured.gradients) if self._step.measures else None
        return measured.loss, measured.accuracy, norms

    def _make(self, part: Part, data: Data, drawn: DrawnBatch, learning_rate: float | None) -> Measured:
        """Make an update; without a learning rate, only measure."""
        rate, updates = tf.constant(learning_rate or 0.0), tf.constant(learning_rate is not None)
        return self._updates.make(part, data.preprocessing, drawn, rate, updates)

    def rows(self, norms: list[Any]) -> Iterator[Row]:
        """Yield the rows of the norms that `update` returned, if the step measures them."""
        return step_rows(self._sites, self._in_order(norms))

    def _in_order(self, norms: list[Any]) -> list[float]:
        """Return the norms of the kernels' gradients in the order of the sites."""
        columns = [norm.numpy().T for norm in norms]
        kernels_of = map(kernel_places, self._net.kind.segments)
        of_slots = [dict(zip(held, each, strict=True)) for held, each in zip(kernels_of, columns, strict=True)]
        return [float(of_slots[kernel.segment][kernel.slot][kernel.block]) for kernel in self._kernels]

    def evaluate(self, data: Data, images: Any, labels: tf.Tensor, batch: int = 512) -> tuple[float, Array]:
        """See `Engine.evaluate`."""
        loss, predicted = 0.0, []
        for x, y in data.parts(images, labels, batch):
            logits = self._passes.infer(data.preprocessing(x))
            loss += float(tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)))
            predicted.append(tf.argmax(logits, -1).numpy())
        return loss / len(images), np.concatenate(predicted)

    def latency(self, passes: int) -> float:
        """Return the latency of the network as a Keras model; see `engine.median_latency`."""
        return median_latency(self._model(), passes)

    def probe(self, data: Data, indices: Array) -> Iterator[Row]:
        """Yield the rows of the gradient probe on these training images, not augmented."""
        measured = self._make(data.taken(indices), data, self._updates.not_drawn(len(indices)), None)
        of_kernels = self._in_order(self._updates.norms(measured.gradients))
        at_places = np.concatenate([norms.numpy() for norms in measured.norms[:-1]]).tolist()
        counts = [float(np.prod(kernel.cell.shape)) for kernel in self._kernels]
        return probe_rows(self._sites, counts, of_kernels, self._places, at_places)
