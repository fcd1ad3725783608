"""The compiled training step of one architecture, shared by all runs of it in a process."""

import gc
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from resnet_core.nets.keras_net import build, initialise
from resnet_core.nets.own import Net, OwnNet, spec_of
from resnet_core.nets.own_model import names_counted_from_zero
from resnet_core.nets.sources import Tensors
from resnet_core.nets.weights import load_features
from resnet_core.probes.anatomy import anatomy
from resnet_core.probes.gradient_norms import GradientProbe, Row, activation_sites, step_rows, weight_sites
from resnet_core.runs.data.stored import Array
from resnet_core.runs.training.device import Data, Part, Preprocessing
from resnet_core.runs.training.objective import DrawnBatch, accuracy_of, augmented, loss_of
from resnet_core.runs.training.optimizers import optimizer
from resnet_core.runs.training.order import Batch
from resnet_core.runs.training.precision import LossScale, dtype_policy
from resnet_core.runs.training.step import StepSpec


@lru_cache(maxsize=1)
def engine(net: Net, step: StepSpec, code: str | None) -> "Engine":
    """Return the engine of an architecture whose block has this code. The last engine is cached.

    Memory of earlier engines is freed without Keras' `clear_session`, which also empties TensorFlow's cache of
    compiled functions: a kind in open shapes would be compiled again.
    """
    gc.collect()
    with names_counted_from_zero():
        return Engine(net, step)


class Engine:
    """A network with its compiled functions. `reset` returns it to the state of a new network."""

    def __init__(self, net: Net, step: StepSpec) -> None:
        self._net = net
        self._step = step
        with dtype_policy(step.precision):
            self._model = build(net)
        _freeze(self._model, step.frozen_stages)
        self._weights = [variable.value for variable in self._model.trainable_variables]
        self._optimizer = optimizer(self._weights, step)
        self._loss_scale = LossScale() if step.precision == "mixed_float16" else None
        layers, between = self._places()
        self._sites = layers
        places = {id(variable): i for i, variable in enumerate(self._model.trainable_variables)}
        self._kernels = [places[id(self._model.get_layer(site.layer).kernel)] for site in self._sites]
        self._train_step = tf.function(self._update, autograph=False, reduce_retracing=True)
        self._evaluate_batch = tf.function(self._score, autograph=False)
        self._gradients = GradientProbe(self._model, layers, between)

    def _places(self) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return the layers with a trainable kernel, and the places between blocks; for an `OwnNet`, by its graph."""
        if not isinstance(self._net, OwnNet):
            return weight_sites(self._model), activation_sites(self._model)
        parts = anatomy(self._model)
        trained = {id(variable) for variable in self._model.trainable_variables}
        kernels = {layer.name: getattr(layer, "kernel", None) for layer in self._model.layers}
        return [part for part in parts.layers if id(kernels.get(part.layer)) in trained], parts.places

    def reset(self, seed: int) -> None:
        """Draw the initial weights from `seed` and reset the optimiser."""
        initialise(self._model, seed)
        self._optimizer.reset()
        if self._loss_scale is not None:
            self._loss_scale.reset()

    def start_from(self, tensors: Tensors) -> None:
        """Set all weights and statistics to published ones, but for the classifier; see `weights.load_features`."""
        load_features(self._model, spec_of(self._net), tensors)

    def variables(self) -> list[Array]:
        """Return the values of all variables that an update changes."""
        return [variable.numpy() for variable in self._changing()]

    def weights(self) -> list[Array]:
        """Return the weights and statistics of the network, in the order of `keras.Model.weights`."""
        return [variable.numpy() for variable in self._model.weights]

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
        scale = [] if self._loss_scale is None else self._loss_scale.state
        return [*(variable.value for variable in self._model.variables), *self._optimizer.state, *scale]

    def update(
        self, data: Data, batch: Batch, learning_rate: float, read: Part | None = None
    ) -> tuple[tf.Tensor, tf.Tensor, Any]:
        """Make one update. Return the loss and the accuracy before it, and the norms for `rows`.

        Args:
            data: The data.
            batch: The batch.
            learning_rate: Learning rate of the step.
            read: Images and labels of the batch, in its order, if the images are not on the device.
        """
        drawn = DrawnBatch.from_batch(batch, is_read=read is not None)
        return self._train_step(read or data.train, data.preprocessing, drawn, tf.constant(learning_rate))  # type: ignore[no-any-return]

    def rows(self, norms: tf.Tensor) -> Iterator[Row]:
        """Yield the rows of the norms that `update` returned, if the step measures them."""
        return step_rows(self._sites, norms.numpy().tolist())

    def evaluate(self, data: Data, images: Any, labels: tf.Tensor, batch: int = 512) -> tuple[float, Array]:
        """Return the loss and the predicted class of each image in inference mode, computed in batches."""
        loss, predicted = 0.0, []
        score = self._evaluate_batch.get_concrete_function(  # traced once for batches of every size
            tf.TensorSpec((None, *images.shape[1:]), images.dtype), tf.TensorSpec((None,), labels.dtype),
            Preprocessing(*map(tf.TensorSpec.from_tensor, data.preprocessing)),
        )  # fmt: skip
        for part in data.parts(images, labels, batch):
            total, classes = score(*part, data.preprocessing)
            loss += float(total)
            predicted.append(classes.numpy())
        return loss / len(images), np.concatenate(predicted)

    def latency(self, passes: int) -> float:
        """Return the latency of the network; see `median_latency`."""
        return median_latency(self._model, passes)

    def probe(self, data: Data, indices: Array) -> Iterator[Row]:
        """Yield the rows of the gradient probe on these training images, not augmented."""
        images, labels = data.taken(indices)
        return self._gradients(data.preprocessing(images), labels)

    def _update(self, images: Part, preprocessing: Preprocessing, drawn: DrawnBatch, rate: Any) -> tuple[Any, Any, Any]:
        x = augmented(self._step, preprocessing(tf.gather(images[0], drawn.indices)), drawn)
        y, mixing = tf.gather(images[1], drawn.indices), drawn.mixing
        with tf.GradientTape() as tape:
            logits = self._model(x, training=True)
            loss = loss_of(self._step, y, logits, mixing, drawn.weights)
            scaled = loss if self._loss_scale is None else loss * self._loss_scale.value
        gradients = tape.gradient(scaled, self._weights, unconnected_gradients="zero")
        if self._loss_scale is None:
            self._optimizer.apply(gradients, rate)
        else:
            gradients = [gradient / self._loss_scale.value for gradient in gradients]
            self._loss_scale.apply(gradients, lambda: self._optimizer.apply(gradients, rate))
        norms = self._norms(gradients) if self._step.measures else None
        return loss, accuracy_of(y, logits, mixing), norms

    def _norms(self, gradients: list[Any]) -> Any:
        """Return the L2 norms of the kernels' gradients, in the order of the sites."""
        return tf.sqrt(2.0 * tf.stack([tf.nn.l2_loss(gradients[i]) for i in self._kernels]))

    def _score(self, images: Any, labels: Any, preprocessing: Preprocessing) -> tuple[Any, Any]:
        logits = self._model(preprocessing(images), training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return tf.reduce_sum(losses), tf.argmax(logits, -1)


def _freeze(model: keras.Model, stages: int) -> None:
    """Freeze the stem and the first stages of a model, none if `stages` is 0; see `TrainSpec.frozen_stages`."""
    frozen = ("stem_", *(f"stage{stage}_" for stage in range(1, stages + 1))) if stages else ()
    for layer in model.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False


def median_latency(model: keras.Model, passes: int) -> float:
    """Return the median time in seconds of a forward pass of one image in inference mode. Tracing is not timed."""
    forward = tf.function(lambda image: model(image, training=False), autograph=False)
    image = tf.zeros((1, *model.input_shape[1:]))
    forward(image)
    times = []
    for _ in range(passes):
        started = time.perf_counter()
        forward(image).numpy()
        times.append(time.perf_counter() - started)
    return float(np.median(times))
