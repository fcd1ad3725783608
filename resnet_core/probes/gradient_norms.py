"""Norms of the gradients of the loss, layer by layer: by the weights and by the values between blocks.

They are measured on a fixed batch in training mode. In inference mode, an untrained network with batch normalisation
behaves like one without it, which reverses the result at initialisation. The pass is stateless, so weights and moving
statistics stay as they are, bit for bit.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import tensorflow as tf

from resnet_core.nets.keras_net import recursion_room

Row = dict[str, Any]
SCALES = (2.0**15, 2.0**12, 2.0**9, 2.0**6, 2.0**3, 1.0)


@dataclass(frozen=True)
class Site:
    """A place in the network where a gradient is taken.

    Attributes:
        layer: Name of the layer.
        index: Number of the site among those of its kind on the main path, counted from 0 at the input. A layer of the
            skip has the index of the convolution beside it.
        path: `main` or `skip`.
    """

    layer: str
    index: int
    path: str


def weight_sites(model: keras.Model) -> list[Site]:
    """Return the layers with a trainable kernel: the convolutions and the classifier, in order."""
    trained = {id(variable) for variable in model.trainable_variables}
    return sites_of(layer.name for layer in model.layers if id(getattr(layer, "kernel", None)) in trained)


def sites_of(layers: Iterable[str]) -> list[Site]:
    """Return the sites of the layers of these names, in this order."""
    sites: list[Site] = []
    index = -1
    for layer in layers:
        skip = "_skip_" in layer
        index += not skip
        sites.append(Site(layer, index, "skip" if skip else "main"))
    return sites


def activation_sites(model: keras.Model) -> list[Site]:
    """Return the layers whose outputs are the values between blocks: the last of the stem and of every block."""
    names = [x.name for x in model.layers if re.fullmatch(r"(stem|stage\d+_block\d+)_out", x.name)]
    return [Site(name, index, "main") for index, name in enumerate(names)]


class GradientProbe:
    """Measures one model. It is traced once for all batches of one size.

    Rows have the columns `probe`, `layer`, `index`, `path` and `value`. The probes:

    `weight_gradient_l2`: L2 norm of dL/dW of a kernel.
    `weight_gradient_rms`: the same, divided by the root of the number of weights.
    `activation_gradient_l2`: L2 norm of dL/dx over the whole batch, x a value between blocks.

    L is the mean cross-entropy of the batch.
    """

    def __init__(
        self,
        model: keras.Model,
        layers: Sequence[Any] | None = None,
        places: Sequence[Any] | None = None,
        losses: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        """Prepare the probe. It is traced in the first call.

        Args:
            model: A network of this project, or another model together with the other arguments.
            layers: Layers with a kernel, with `layer`, `index` and `path`; by default those of `weight_sites`.
            places: Layers whose outputs are the values between blocks; by default those of `activation_sites`.
            losses: Function from outputs and labels to the loss of each image; by default the cross-entropy of logits.
        """
        self._weights = weight_sites(model) if layers is None else layers
        self._activations = activation_sites(model) if places is None else places
        self._losses = losses or _cross_entropies
        self._kernels = [model.get_layer(site.layer).kernel for site in self._weights]
        self._model = model
        outputs = [_tensor(model, site) for site in self._activations]
        with recursion_room(len(model.layers)):
            self._tapped = keras.Model(model.inputs, [*outputs, *model.outputs])
        self._scaled = any(layer.compute_dtype == "float16" for layer in model.layers)
        self._measure: Callable[..., tuple[tf.Tensor, tf.Tensor]] = tf.function(partial(self._norms), autograph=False)

    def _norms(self, images: tf.Tensor, labels: tf.Tensor, scale: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape, keras.StatelessScope():
            *boundaries, logits = keras.tree.flatten(self._tapped(images, training=True))
            loss = tf.reduce_mean(self._losses(logits, labels))
            loss = loss if scale is None else loss * scale
        kernels = [kernel.value for kernel in self._kernels]
        gradients = tape.gradient(loss, [*kernels, *boundaries], unconnected_gradients="zero")
        norms = tf.stack([tf.norm(tf.cast(gradient, tf.float32)) for gradient in gradients] or tf.zeros((0,)))
        norms = norms if scale is None else norms / scale
        return norms[: len(kernels)], norms[len(kernels) :]

    def _measured(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the norms. In float16 they are computed at the highest loss scale at which all are finite."""
        if not self._scaled:
            return self._measure(images, labels, None)
        for scale in SCALES:
            norms = self._measure(images, labels, tf.constant(scale))
            if all(bool(tf.reduce_all(tf.math.is_finite(part))) for part in norms):
                break
        return norms

    def __call__(self, images: tf.Tensor, labels: tf.Tensor) -> Iterator[Row]:
        """Yield the rows for one batch: images (n, height, width, channels) and labels (n,)."""
        weights, activations = (norms.numpy().tolist() for norms in self._measured(images, labels))
        counts = [float(tf.size(kernel.value)) for kernel in self._kernels]
        yield from probe_rows(self._weights, counts, weights, self._activations, activations)


def probe_rows(
    kernels: Sequence[Any], counts: Sequence[float], of_kernels: Sequence[float], places: Sequence[Any],
    at_places: Sequence[float],
) -> Iterator[Row]:  # fmt: skip
    """Yield the rows of `GradientProbe`.

    Args:
        kernels: Sites of the kernels.
        counts: Number of weights of each kernel.
        of_kernels: Norm of the gradient by each kernel.
        places: Sites between blocks.
        at_places: Norm of the gradient by the value at each place.
    """
    for site, count, norm in zip(kernels, counts, of_kernels, strict=True):
        yield {"probe": "weight_gradient_l2", **_named(site), "value": norm}
        yield {"probe": "weight_gradient_rms", **_named(site), "value": norm / count**0.5}
    for site, norm in zip(places, at_places, strict=True):
        yield {"probe": "activation_gradient_l2", **_named(site), "value": norm}


def _cross_entropies(logits: Any, labels: Any) -> Any:
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def _tensor(model: keras.Model, site: Any) -> Any:
    """Return the value at a site: the output of its call, or of the layer with its name."""
    return site.call.tensor if hasattr(site, "call") else model.get_layer(site.layer).output


def _named(site: Any) -> Row:
    """Return the columns of a row that name a site."""
    return {name: getattr(site, name) for name in ("layer", "block", "index", "path") if hasattr(site, name)}


def step_rows(sites: Sequence[Any], norms: list[float]) -> Iterator[Row]:
    """Yield the rows of the norms that a training step recorded of its own gradients, one per site.

    `step_weight_gradient_l2`: L2 norm of dL/dW of a kernel, L the training loss of the step's batch.
    """
    for site, norm in zip(sites, norms, strict=True):
        yield {"probe": "step_weight_gradient_l2", **_named(site), "value": norm}
