"""The training of networks in open shapes. Compiled functions are shared by all networks of a kind."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from resnet_core.nets.keras_net import build
from resnet_core.nets.opened.compiled import compiled, stacked_norms
from resnet_core.nets.opened.form import Kind, opened
from resnet_core.nets.opened.order import kernels
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.gradient_norms import Row, Site, probe_rows, sites_of, step_rows
from resnet_core.runs.data.stored import Array
from resnet_core.runs.training.device import Data, Part, Preprocessing
from resnet_core.runs.training.engine import median_latency
from resnet_core.runs.training.objective import DrawnBatch, accuracy_of, augmented, targets_of
from resnet_core.runs.training.optimizers import optimizer
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.step import StepSpec


class Updates:
    """The compiled update of a kind. Each function is traced once for all networks.

    Attributes:
        passes: The compiled passes of the kind, and its variables.
        optimizer: The optimiser of its weights.
        make: Function of gradients, statistics and the learning rate that makes an update.
        norms: Function from gradients to the norms of the kernels' gradients, a vector for each slot.
        batch: Function from the images on the device and a `Drawn` to images, targets and labels.
    """

    def __init__(self, kind: Kind, step: StepSpec) -> None:
        self._step = step
        self.passes = compiled(kind)
        variables = self.passes.variables
        self.optimizer = optimizer(variables.of("weight"), step, stacked=True)
        weights, statistics = ([tf.TensorSpec(v.shape) for v in variables.of(role)] for role in ("weight", "statistic"))
        rate = tf.TensorSpec(())
        self.make = tf.function(self._make, autograph=False, input_signature=(weights, statistics, rate))
        self.norms = tf.function(self._norms, autograph=False, input_signature=(weights,))
        self.batch = tf.function(self._batch, autograph=False)

    @cached_property
    def kernel_places(self) -> list[int]:
        """Positions of the kernels among the weights."""
        variables = self.passes.variables
        return [i for i, slot in enumerate(variables.slots("weight")) if slot.name == "kernel"]

    def _make(self, gradients: list[Any], statistics: list[Any], rate: Any) -> None:
        self.optimizer.apply(gradients, rate)
        self.passes.move_on(statistics)

    def _norms(self, gradients: list[Any]) -> list[Any]:
        return [stacked_norms(gradients[i]) for i in self.kernel_places]

    def _batch(self, part: Part, preprocessing: Preprocessing, drawn: DrawnBatch, classes: int) -> tuple[Any, Any, Any]:
        images, labels = part
        x = augmented(self._step, preprocessing(tf.gather(images, drawn.indices)), drawn)
        y = tf.gather(labels, drawn.indices)
        return x, targets_of(self._step, y, classes, drawn.mixing), y


@lru_cache(maxsize=4)
def updates(kind: Kind, step: StepSpec) -> Updates:
    """Return the compiled update of a kind. The last few are cached."""
    return Updates(kind, step)


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
        self._spec, self._measures = net, step.measures
        self._net = opened(net)
        self._updates = updates(self._net.kind, replace(step, measures=False))
        self._passes = self._updates.passes
        self._kernels = list(kernels(self._net))
        self._sites = sites_of(kernel.cell.layer for kernel in self._kernels)
        names = [name for blocks in self._net.blocks[:-1] for name, _ in blocks]
        self._places = [Site(f"{name}_out", index, "main") for index, name in enumerate(names)]

    def reset(self, seed: int) -> None:
        """Draw the initial weights from `seed` and reset the optimiser."""
        self._passes.variables.take(self._net, self._spec.init, seed)
        self._updates.optimizer.reset()

    def variables(self) -> list[Array]:
        """Return the values of all variables that an update changes."""
        return [variable.numpy() for variable in self._changing()]

    def weights(self) -> list[Array]:
        """Return the weights and statistics of the network, in the order of `keras.Model.weights`."""
        return [variable.numpy() for variable in self._model().weights]

    def restore(self, values: Sequence[Array]) -> None:
        """Set all variables that an update changes to values that `variables` returned."""
        for variable, value in zip(self._changing(), values, strict=True):
            variable.assign(value)

    def fits(self, values: Sequence[Array]) -> bool:
        """Return whether `restore` can take these values: their number, shapes and types agree."""
        return [(variable.shape, variable.dtype) for variable in self.variables()] == [
            (value.shape, value.dtype) for value in values
        ]

    def _changing(self) -> list[tf.Variable]:
        variables = self._passes.variables
        of_network = [variable for role in ("weight", "statistic", "draw") for variable in variables.of(role)]
        return [*of_network, *self._updates.optimizer.state]

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
        drawn = DrawnBatch.of(batch, is_read=read is not None)
        x, targets, labels = self._updates.batch(read or data.train, data.preprocessing, drawn, self._spec.classes)
        passed = self._passes.backward(x, targets)
        self._updates.make(passed.gradients, passed.statistics, tf.constant(learning_rate))
        norms = self._updates.norms(passed.gradients) if self._measures else None
        return passed.loss, accuracy_of(labels, passed.logits, drawn.mixing), norms

    def rows(self, norms: list[Any]) -> Iterator[Row]:
        """Yield the rows of the norms that `update` returned, if the step measures them."""
        return step_rows(self._sites, self._in_order(norms))

    def _in_order(self, norms: list[Any]) -> list[float]:
        """Return the norms of the kernels' gradients in the order of the sites."""
        places = list(self._passes.variables.places("weight"))
        by_place = {places[i]: norm.numpy() for i, norm in zip(self._updates.kernel_places, norms, strict=True)}
        return [float(by_place[kernel.segment, kernel.slot][kernel.block]) for kernel in self._kernels]

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
        images, labels = data.taken(indices)
        passed = self._passes.backward(data.preprocessing(images), tf.one_hot(labels, self._spec.classes))
        of_kernels = self._in_order(self._updates.norms(passed.gradients))
        at_places = np.concatenate([norms.numpy() for norms in passed.norms[:-1]]).tolist()
        counts = [float(np.prod(kernel.cell.shape)) for kernel in self._kernels]
        return probe_rows(self._sites, counts, of_kernels, self._places, at_places)
