"""Loading published weights: state dicts and models of timm and torchvision, and models of `keras.applications`.

A source (`sources`) maps published names to arrays. `torch_resnet` and `torch_resnetv2` return the published name of a
layer of this project. Missing, extra and misshapen tensors are errors that name them. Names and shapes do not identify
a network. Therefore the name of a source, if known, is compared with the spec. If the model is given, the logits are
compared, too.
"""

import re
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np

from resnet_core.arguments import checked
from resnet_core.errors import UserError, one_line
from resnet_core.nets.keras_net import build
from resnet_core.nets.of_keras import TORCH_VARIABLES
from resnet_core.nets.sources import Array, Tensors, WeightsSource, differences, opened
from resnet_core.nets.spec import NetSpec

Names = Callable[[str, NetSpec], str | None]

OF_KERAS = tuple(f"keras-resnet{depth}{version}" for depth in (50, 101, 152) for version in ("", "v2"))
CLASSIFIER = ("fc.", "head.fc.")
"""How the names of a classifier's tensors begin in timm and torchvision."""

TOLERANCE = 1e-3
"""Tolerance of logits, relative to the largest. Rounding gives 1e-6 to 1e-5; the smallest known real difference is
7e-2.
"""


class UnverifiedWeights(UserWarning):
    """The network of the loaded weights is unknown, so it could not be compared with the spec."""


def torch_resnet(layer: str, spec: NetSpec) -> str | None:
    """Return the name of a layer of this project in timm's `resnet.py` and torchvision, or `None` if they have none."""
    deep = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv1.3", "bn2": "conv1.4", "conv": "conv1.6", "bn": "bn1"}
    stem = deep if spec.stem in ("deep", "tiered") else {"conv": "conv1", "bn": "bn1"}
    stem |= {"pool_conv": "maxpool.0", "pool_bn": f"maxpool.{1 if spec.antialias == 'none' else 2}"}
    first = 1 if spec.skip == "D" else 0  # the pooling is downsampling layer 0
    inside = {
        "se_conv1": "se.fc1", "se_conv2": "se.fc2", "eca_conv": "se.conv",
        "skip_conv": f"downsample.{first}", "skip_bn": f"downsample.{first + 1}",
    }  # fmt: skip
    match re.fullmatch(r"(?:stage(\d+)_block(\d+)|stem|head)_(.*)", layer):
        case None:
            return None
        case match if match[1]:
            word = inside.get(match[3]) or (match[3] if re.fullmatch(r"(conv|bn)\d+", match[3]) else None)
            return word and f"layer{match[1]}.{int(match[2]) - 1}.{word}"
        case match if layer == "head_logits":
            return "fc"
        case match:
            return stem.get(match[3])


def torch_resnetv2(layer: str, spec: NetSpec) -> str | None:
    """Return the name of a layer of this project in timm's `resnetv2.py`, or `None` if it has none."""
    deep = {"stem_conv1": "stem.conv1", "stem_bn1": "stem.norm1", "stem_conv2": "stem.conv2", "stem_bn2": "stem.norm2"}
    ends = {"head_bn": "norm", "head_logits": "head.fc"}
    ends |= {**deep, "stem_conv": "stem.conv3"} if spec.stem in ("deep", "tiered") else {"stem_conv": "stem.conv"}
    if layer in ends:
        return ends[layer]
    match = re.fullmatch(r"stage(\d+)_block(\d+)_(pre_bn|skip_conv|conv\d|bn\d)", layer)
    if not match:
        return None
    word = {"pre_bn": "norm1", "skip_conv": "downsample.conv"}.get(match[3], match[3])
    word = re.sub(r"bn(\d)", lambda number: f"norm{int(number[1]) + 1}", word)
    return f"stages.{int(match[1]) - 1}.blocks.{int(match[2]) - 1}.{word}"


@checked
def load_weights(
    model: keras.Model, spec: NetSpec, source: Tensors | keras.Model | str | Path | Any, name: str | None = None
) -> None:
    """Set all weights and statistics of `model`, which is `build(spec)`, to those of `source`.

    If the network of the source is known, it must be the one that `spec` describes. It is known from a Keras model, a
    module of timm, the metadata of a file, a `config.json` beside it, its repository on the hub, its file name, or the
    argument `name`. If the source is a model, its outputs for one batch are compared with those of `spec`.

    A state dict alone does not determine strides, ε, padding, the activation, anti-aliasing, weight standardisation, or
    the number of groups of a normalisation. These are taken from `spec`, with an `UnverifiedWeights` warning.

    Args:
        model: The model of `build(spec)`.
        spec: The spec of `model`.
        source: A state dict of timm or torchvision, as a mapping or as a `.safetensors`, `.npz` or, with Torch,
            `.pth` file; a Torch module of theirs; or a ResNet of `keras.applications` or its `.keras` or `.h5` file,
            for which the spec is `network("keras-resnet50")` or the like. Keras' v1 has biases before its
            normalisations; they are subtracted from the moving means, unless `spec.conv_bias` keeps them.
        name: Name of the network of the weights, as for `network`.

    Raises:
        UserError: A tensor is missing, has no place in the network, or has another shape; the source is another network
            than `spec` describes, or gives other logits; or the file cannot be read. The model is unchanged.
    """
    known = _known(spec, source, name)
    values = _placed(known.tensors, model, spec)
    before = [(variable, variable.numpy()) for variable, _ in values] if known.forward else []
    for variable, value in values:
        variable.assign(value)
    if known.forward:
        error = _error(model, spec, known)
        if not error <= TOLERANCE:
            for variable, value in before:
                variable.assign(value)
            raise UserError(
                f"the network must give the logits of its source, but they differ by {100 * error:.2g} %: the source "
                "has other strides, paddings, ε or layers without weights than the spec; nothing was loaded"
            )
    elif known.name is None:
        warnings.warn(
            "the tensors fit by name and shape, but nothing tells which network they are of: strides, ε, padding, "
            "activation, anti-aliasing, weight standardisation and groups are those of the spec; pass `name`, or the "
            "model itself, to have them checked",
            UnverifiedWeights,
            stacklevel=3,  # the caller of `checked`
        )


def _known(spec: NetSpec, source: Any, name: str | None) -> WeightsSource:
    """Return the source of weights, whose network, if it is known, is that of the spec.

    Raises:
        UserError: It is another network, or the source cannot be read.
    """
    if isinstance(source, str | Path) and Path(source).suffix == ".h5":
        name = name or next((each for each in OF_KERAS if not differences(spec, each, "")), None)
    known = opened(source, name, biases=spec.conv_bias is True)
    wrong = differences(spec, known.name, known.origin) if known.name is not None else []
    if wrong:
        raise UserError(
            f"weights must be of the network that they are loaded into, but {known.origin} is '{known.name}', "
            f"with {', '.join(wrong)}; build network('{known.name}')"
        )
    return known


def features(spec: NetSpec, source: Any, name: str | None = None) -> WeightsSource:
    """Return the weights and statistics of a source without its classifier, for `load_features`.

    `keras.applications` trained its v1 on images whose channels begin with blue. The kernel of its first convolution is
    reversed here, so that the network takes red first, as all others.

    Args:
        spec: The network. Its shape of images and number of classes may differ from those of the source.
        source: See `load_weights`. The outputs of a model are not compared.
        name: See `load_weights`.

    Raises:
        UserError: See `load_weights`.
    """
    known = _known(spec, source, name)
    tensors = {name: array for name, array in known.tensors.items() if not str(name).startswith(CLASSIFIER)}
    if re.fullmatch(r"keras[-_]resnet\d+", known.name or "") and "conv1.weight" in tensors:
        tensors["conv1.weight"] = tensors["conv1.weight"][:, ::-1]
    return WeightsSource(tensors, known.name, known.origin)


def load_features(model: keras.Model, spec: NetSpec, tensors: Tensors) -> None:
    """Set all weights and statistics of `model`, which is `build(spec)`, but for its classifier.

    Args:
        model: The model of `build(spec)`.
        spec: The spec of `model`.
        tensors: Those that `features` returned.

    Raises:
        UserError: A tensor is missing, has no place in the network, or has another shape. The model is unchanged.
    """
    for variable, value in _placed(tensors, model, spec, without="head_logits"):
        variable.assign(value)


def _placed(
    source: Tensors, model: keras.Model, spec: NetSpec, without: str = ""
) -> list[tuple[keras.Variable, Array]]:
    """Return the variables of `model`, without those of one layer, with their new values from `source`.

    Raises:
        UserError: See `load_weights`.
    """
    tensors = {name: array for name, array in source.items() if not str(name).endswith("num_batches_tracked")}
    misnamed = next((name for name in tensors if not isinstance(name, str)), None)
    if misnamed is not None:
        raise UserError(f"a state dict must have tensors by their names, but one is under {misnamed!r}")
    names = torch_resnetv2 if any(name.startswith("stages.") for name in tensors) else torch_resnet
    kind = "resnetv2" if names is torch_resnetv2 else "resnet"
    variables = [
        (layer.name, variable)
        for layer in model.layers
        for variable in layer.weights
        if variable.name != "seed_generator_state" and layer.name != without
    ]
    places = {owner: names(owner, spec) for owner, _ in variables}
    unknown = next((owner for owner, layers in places.items() if layers is None), None)
    if unknown:
        raise UserError(
            f"every layer with weights must have a name in timm's {kind}.py, but {unknown} has none: "
            "no published weights are of this network"
        )
    values = []
    for owner, variable in variables:
        name = f"{places[owner]}.{TORCH_VARIABLES[variable.name]}"
        if name not in tensors:
            raise UserError(f"the weights must have a tensor for {owner}/{variable.name}, but '{name}' is missing")
        value = _with_keras_axes(_numbers(tensors.pop(name), name), variable)
        if value.shape != tuple(variable.shape):
            raise UserError(
                f"'{name}' must have the shape of {owner}/{variable.name}, {tuple(variable.shape)} "
                f"in Keras' order, but has {value.shape}"
            )
        values.append((variable, value))
    if tensors:
        raise UserError(f"every tensor must have a place in the network, but '{min(tensors)}' has none")
    return values


def _error(model: keras.Model, spec: NetSpec, source: WeightsSource) -> float:
    """Return the largest difference of the outputs for one batch, relative to the largest output of the source."""
    rows, columns, channels = source.input_shape or spec.input_shape
    shape = (rows or spec.input_shape[0], columns or spec.input_shape[1], channels)
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype("float32")
    outputs = _float32_logits(model, spec.replace(input_shape=shape), images)
    if source.softmax:
        outputs = np.asarray(keras.ops.softmax(outputs))
    published = source.forward(images) if source.forward else outputs
    return float(np.abs(outputs - published).max() / np.abs(published).max())


def _float32_logits(model: keras.Model, spec: NetSpec, images: Array) -> Array:
    """Return the logits of `spec` with the weights of `model`, in float32 and for the input shape of the images."""
    fits = tuple(model.input_shape[1:]) == spec.input_shape
    if not fits or any(layer.compute_dtype != "float32" for layer in model.layers):
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy("float32")
        try:
            copy = build(spec)
        finally:
            keras.config.set_dtype_policy(policy)
        copy.set_weights(model.get_weights())
        model = copy
    return np.asarray(model(images, training=False))


@checked
def from_hub(repository: str, file: str = "model.safetensors") -> Path:
    """Download a file of weights from the Hugging Face hub, for example from `timm/resnet50.a1_in1k`; return its path.

    Raises:
        UserError: `huggingface_hub` is not installed, the file does not exist, or the hub cannot be reached.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(
            "the hub needs the package huggingface_hub, but it is not there; install the extra 'hub'"
        ) from None
    with suppress(Exception):  # it names the network for `load_weights`, as does the name of the repository
        hf_hub_download(repository, "config.json")
    try:
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # the hub's errors have no common base
        reason = str(error).splitlines()[0]
        raise UserError(
            f"'{file}' of '{repository}' must be on the hub, and the hub reachable, but it is not: {reason}"
        ) from None


def _numbers(tensor: Any, name: str) -> Array:
    """Return a tensor as an array.

    Raises:
        UserError: A value of the tensor is not a finite real number.
    """
    try:
        value = np.asarray(tensor, "float32")
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"weights must be real numbers, but '{name}' is not: {one_line(error)}") from None
    if not np.isfinite(value).all():
        raise UserError(f"weights must be finite, but '{name}' has {np.sum(~np.isfinite(value)):,} that are not")
    return value


def _with_keras_axes(value: Array, variable: keras.Variable) -> Array:
    """Return a tensor with Keras' axes: a kernel (out, in, rows, columns) becomes (rows, columns, in, out)."""
    if value.ndim == 4 and len(variable.shape) == 2:
        value = value[:, :, 0, 0]  # a classifier that is a 1x1 convolution
    axes = {4: (2, 3, 1, 0), 3: (2, 1, 0), 2: (1, 0)}.get(value.ndim)
    return value.transpose(axes) if axes else value
