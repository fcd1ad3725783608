"""Sources of published weights: their tensors, the name of their network, and the model if it is given."""

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError, one_line
from resnet_core.nets.of_keras import KERAS_FILES, keras_model, keras_tensors
from resnet_core.nets.spec import NetSpec
from resnet_core.nets.zoo import network, reason_against

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]

METADATA = ("architecture", "arch", "model_name")
"""Keys in the metadata of a file, or in a `config.json` beside it, that may name the network."""
UNSEEN = frozenset({"input_shape", "classes", "init", "bn_momentum", "dropout", "conv_bias"})
"""Fields that do not change the logits of given weights, or that follow from the tensors."""
TORCH_FILES = (".pth", ".pt", ".bin")
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
    elif isinstance(source, str | Path) and Path(source).suffix in KERAS_FILES:
        known = _of_keras(keras_model(Path(source), name), biases=biases)
    elif isinstance(source, str | Path):
        known = _of_file(Path(source), asked=name)
    elif isinstance(source, Mapping):
        known = WeightsSource(source)
    elif callable(getattr(source, "state_dict", None)):
        known = _of_torch(source)
    else:
        raise UserError(
            "weights must be a state dict, a file of one, a Keras model or its file, or a Torch module, "
            f"but got {type(source).__name__}"
        )
    if name is None or name == known.name:
        return known
    if known.name is None:
        return WeightsSource(known.tensors, name, "`name`", known.forward, known.input_shape, known.softmax)
    if network(name).replace(classes=1000) != network(known.name).replace(classes=1000):
        raise UserError(f"`name` must be that of the weights, but got '{name}', and {known.origin} is '{known.name}'")
    return known


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
        elif path.suffix in TORCH_FILES:
            tensors = _torch_tensors(path)
        else:
            from safetensors import safe_open
            from safetensors.numpy import load_file

            tensors = load_file(path)
            with safe_open(path, "numpy") as opened_file:
                metadata = opened_file.metadata() or {}
    except UserError:
        raise
    except Exception as error:  # safetensors' errors have no common base
        raise UserError(
            f"weights must be a .safetensors, .npz, .pth, .keras or .h5 file, but {path} cannot be read: "
            f"{one_line(error)}"
        ) from None
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


def _torch_tensors(path: Path) -> dict[str, Array]:
    """Return the state dict in a file that Torch has written.

    Raises:
        UserError: Torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise UserError(
            f"{path} is read by the package torch, but it is not there; install torch, or write the state dict as a "
            ".safetensors file"
        ) from None
    read = torch.load(path, map_location="cpu", weights_only=True)
    read = next((read[name] for name in ("state_dict", "model") if isinstance(read.get(name), Mapping)), read)
    return {name: tensor.numpy() for name, tensor in read.items()}


def _of_keras(model: keras.Model, *, biases: bool) -> WeightsSource:
    names = {layer.name for layer in model.layers}
    second = "post_bn" in names
    blocks = sum(bool(re.fullmatch(r"conv\d_block\d+_out", name)) for name in names)
    if blocks not in KERAS_DEPTHS or "conv1_conv" not in names:
        raise UserError(
            f"a Keras model must be a ResNet50, 101 or 152, or a ResNet50V2, 101V2 or 152V2, but got '{model.name}'"
        )
    classifies = "predictions" in names
    activation = model.get_layer("predictions").activation if classifies else None
    return WeightsSource(
        dict(keras_tensors(model, second=second, biases=biases)),
        f"keras-resnet{KERAS_DEPTHS[blocks]}{'v2' if second else ''}",
        "the Keras model",
        (lambda images: np.asarray(model(images, training=False))) if classifies else None,
        tuple(model.input_shape[1:]),
        softmax=activation is keras.activations.softmax,
    )  # fmt: skip
