"""Sources of published weights: their tensors, the name of their network, and the model if it is given."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network, reason_against

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

TORCH_VARIABLES = {
    "kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
METADATA = ("architecture", "arch", "model_name")
"""Keys in the metadata of a file, or in a `config.json` beside it, that may name the network."""
UNSEEN = frozenset({"input_shape", "classes", "init", "bn_momentum", "dropout", "conv_bias"})
"""Fields that do not change the logits of given weights, or that follow from the tensors."""
KERAS_DEPTHS = {16: 50, 33: 101, 50: 152}  # by the number of blocks


@dataclass(frozen=True)
class WeightsSource:
    """Published weights.

    Attributes:
        tensors: Tensors by name. Names and axes are those of timm and torchvision.
        name: Name of the network, see `zoo.network`; `None` if unknown.
        origin: Where the name is from, in words.
        forward: The network as a function of images, (batch, height, width, channels), if the model is given.
        input_shape: Height, width and channels of the images; `None` for any.
        softmax: Whether `forward` returns probabilities, not logits.
    """

    tensors: Tensors
    name: str | None = None
    origin: str = ""
    forward: Callable[[Array], Array] | None = None
    input_shape: tuple[int | None, int | None, int] | None = None
    softmax: bool = False


def opened(source: Any, name: str | None, *, biases: bool) -> WeightsSource:
    """Return a source of weights.

    Args:
        source: A state dict, the path of one, a Keras model, or a Torch module.
        name: Name of the network given by the user.
        biases: Whether biases before a normalisation are kept. Otherwise they are subtracted from its moving mean.

    Raises:
        UserError: The source cannot be read, or `name` contradicts it.
    """
    if isinstance(source, keras.Model):
        known = _of_keras(source, biases=biases)
    elif isinstance(source, str | Path):
        known = _of_file(Path(source), asked=name)
    elif isinstance(source, Mapping):
        known = WeightsSource(source)
    elif callable(getattr(source, "state_dict", None)):
        known = _of_torch(source)
    else:
        raise UserError(
            "weights must be a state dict, a .safetensors or .npz file, a Keras model or a Torch module, "
            f"but got {type(source).__name__}"
        )
    if name is None or name == known.name:
        return known
    if known.name is not None and network(name) != network(known.name):
        raise UserError(f"`name` must be that of the weights, but got '{name}', and {known.origin} is '{known.name}'")
    return WeightsSource(known.tensors, name, "`name`", known.forward, known.input_shape, known.softmax)


def differences(spec: NetSpec, name: str, origin: str) -> list[str]:
    """Return the fields by which `spec` computes something else than the network `name`, with that network's values.

    Raises:
        UserError: There is no such network, or no spec describes it; the message has `origin`.
    """
    try:
        published = network(name)
    except UserError as error:
        raise UserError(f"weights must be of a network that can be built, but {origin} is '{name}': {error}") from None
    if spec.branch_scale == "zero_gamma":  # concerns the initial weights only
        spec = spec.replace(branch_scale="one")
    if spec.survival < 1 and spec.drop_unit == "sample":  # no effect in inference
        spec = spec.replace(survival=1.0)
    fields = (field for field in NetSpec.model_fields if field not in UNSEEN)
    return [
        f"{field}={getattr(published, field)!r}"
        for field in fields
        if getattr(spec, field) != getattr(published, field)
    ]


def _of_file(path: Path, asked: str | None) -> WeightsSource:
    metadata: Mapping[str, Any] = {}
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                tensors = {name: file[name] for name in file.files}
        else:
            from safetensors import safe_open
            from safetensors.numpy import load_file

            tensors = load_file(path)
            with safe_open(path, "numpy") as opened_file:
                metadata = opened_file.metadata() or {}
    except Exception as error:  # safetensors' errors have no common base
        raise UserError(f"weights must be a .safetensors or .npz file, but {path} cannot be read: {error}") from None
    hub = re.search(r"models--[^/\\]+?--([^/\\]+)", str(path))
    for origin, name in (
        (f"the metadata of {path}", _named_in(metadata)),
        (f"{path.parent / 'config.json'}", _named_in(_config_beside(path))),
        (f"the repository of {path}", hub[1] if hub and _is_published(hub[1]) else None),
    ):
        if name:
            return WeightsSource(tensors, name, origin)
    name = None if asked else _name_of_file(path)
    return WeightsSource(tensors, name, f"the file name of {path}" if name else "")


def _named_in(about: Mapping[str, Any]) -> str | None:
    names = (about.get(key) for key in METADATA)
    return next((name for name in names if isinstance(name, str) and name), None)


def _config_beside(path: Path) -> Mapping[str, Any]:
    try:
        about = json.loads((path.parent / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def _name_of_file(path: Path) -> str | None:
    """Return the name of a file, without a hash at its end, if a network has this name."""
    stem = re.sub(r"-[0-9a-f]{8,}$", "", path.stem)
    return next((name for name in (stem, stem.partition(".")[0]) if _is_published(name)), None)


def _is_published(name: str) -> bool:
    """Return whether a published network has this name, whether a spec describes it or not."""
    if reason_against(name):
        return True
    try:
        network(name)
    except UserError:
        return False
    return True


def _of_torch(module: Any) -> WeightsSource:
    """Return a Torch module as a source. A module of timm has the name of its network."""
    torch = sys.modules["torch"]
    tensors = {name: tensor.detach().cpu().numpy() for name, tensor in module.state_dict().items()}
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None) or {}
    name = config.get("architecture") if isinstance(config, Mapping) else None

    def forward(images: Array) -> Array:
        training, device = module.training, next(module.parameters()).device
        module.eval()
        try:
            with torch.no_grad():
                logits = module(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()).to(device))
        finally:
            module.train(training)
        return np.asarray(logits.cpu().numpy())

    return WeightsSource(tensors, name, "the module", forward)


def _of_keras(model: keras.Model, *, biases: bool) -> WeightsSource:
    names = {layer.name for layer in model.layers}
    second = "post_bn" in names
    blocks = sum(bool(re.fullmatch(r"conv\d_block\d+_out", name)) for name in names)
    if blocks not in KERAS_DEPTHS or not names >= {"conv1_conv", "predictions"}:
        raise UserError(
            "a Keras model must be a ResNet50, 101 or 152, or a ResNet50V2, 101V2 or 152V2, with its classifier, "
            f"but got '{model.name}'"
        )
    activation = model.get_layer("predictions").activation
    return WeightsSource(
        dict(_keras_tensors(model, second=second, biases=biases)),
        f"keras-resnet{KERAS_DEPTHS[blocks]}{'v2' if second else ''}",
        "the Keras model",
        lambda images: np.asarray(model(images, training=False)), tuple(model.input_shape[1:]),
        softmax=activation is keras.activations.softmax,
    )  # fmt: skip


def _keras_tensors(model: keras.Model, *, second: bool, biases: bool) -> Iterator[tuple[str, Array]]:
    """Yield the tensors of a `keras.applications` ResNet with timm's names and axes."""
    weights = {layer.name: {w.name: w.numpy() for w in layer.weights} for layer in model.layers if layer.weights}
    place = _place_in_v2 if second else _place_in_v1
    for name, tensors in weights.items():
        there = place(name)
        if there is None:
            raise UserError(
                "a Keras model must be a ResNet50, 101 or 152, or a ResNet50V2, 101V2 or 152V2, with its classifier, "
                f"but it has a layer '{name}'"
            )
        folded = not second and not biases
        for variable, value in tensors.items():
            if folded and variable == "bias" and name.endswith("_conv"):
                continue
            if folded and variable == "moving_mean":
                value = value - weights[name.removesuffix("_bn") + "_conv"]["bias"]
            if variable == "kernel":
                value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            yield f"{there}.{TORCH_VARIABLES[variable]}", value


def _place_in_v1(layer: str) -> str | None:
    if layer == "predictions":
        return "fc"
    match = re.fullmatch(r"conv(\d+)(?:_block(\d+)_(\d))?_(conv|bn)", layer)
    if not match:
        return None
    if not match[2]:
        return f"{match[4]}1"
    stage, block, index, kind = int(match[1]) - 1, int(match[2]) - 1, int(match[3]), match[4]
    return f"layer{stage}.{block}." + (f"{kind}{index}" if index else f"downsample.{int(kind == 'bn')}")


def _place_in_v2(layer: str) -> str | None:
    ends = {"predictions": "head.fc", "post_bn": "norm", "conv1_conv": "stem.conv"}
    if layer in ends:
        return ends[layer]
    match = re.fullmatch(r"conv(\d+)_block(\d+)_(preact_bn|0_conv|[123]_conv|[12]_bn)", layer)
    if not match:
        return None
    words = {"preact_bn": "norm1", "0_conv": "downsample.conv", "1_bn": "norm2", "2_bn": "norm3"}
    return f"stages.{int(match[1]) - 2}.blocks.{int(match[2]) - 1}.{words.get(match[3]) or 'conv' + match[3][0]}"
