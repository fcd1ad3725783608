"""The ResNets of `keras.applications`: their files, and their tensors under the names of timm and torchvision."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy.typing as npt

from resnet_core.errors import UserError, one_line

Array = npt.NDArray[Any]

TORCH_VARIABLES = {
    "kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip
KERAS_FILES = (".keras", ".h5")


def keras_model(path: Path, name: str | None) -> keras.Model:
    """Return the model in a Keras file. If the file has weights alone, they are those of the network `name`.

    Raises:
        UserError: The file cannot be read, or `name` is not that of a network of `keras.applications`.
    """
    try:
        if path.suffix == ".keras":
            return keras.saving.load_model(path, compile=False)
        import h5py

        with h5py.File(path) as file:
            whole, classes = "model_config" in file.attrs, _classes_in(file)
        if whole:
            return keras.saving.load_model(path, compile=False)
        match = re.fullmatch(r"keras-resnet(50|101|152)(v2)?", name or "")
        if not match:
            raise UserError(
                "a .h5 file of weights alone needs the name of their network, such as keras-resnet50, but got "
                f"{name!r} with {path}"
            )
        make = getattr(keras.applications, f"ResNet{match[1]}{(match[2] or '').upper()}")
        model = make(weights=None, include_top=classes is not None, classes=classes or 1000)
        model.load_weights(path)
    except UserError:
        raise
    except Exception as error:  # Keras' errors have no common base
        raise UserError(f"weights must be a file that Keras reads, but {path} is not: {one_line(error)}") from None
    return model


def _classes_in(file: Any) -> int | None:
    """Return the number of outputs of the classifier in an open `.h5` file; `None` if it has no classifier."""
    if "layers" in file:  # the format of Keras 3
        bias = file.get("layers/dense/vars/1")
        return None if bias is None else int(bias.shape[0])
    group = file.get("model_weights", file)
    for name in reversed(group.attrs.get("layer_names", ())):
        weights = [group[name][weight].shape for weight in group[name].attrs["weight_names"]]
        if weights:
            return int(weights[0][1]) if len(weights[0]) == 2 else None
    return None


def keras_tensors(model: keras.Model, *, second: bool, biases: bool) -> Iterator[tuple[str, Array]]:
    """Yield the tensors of a `keras.applications` ResNet with timm's names and axes."""
    weights = {layer.name: {w.name: w.numpy() for w in layer.weights} for layer in model.layers if layer.weights}
    place = _place_in_v2 if second else _place_in_v1
    for name, tensors in weights.items():
        there = place(name)
        if there is None:
            raise UserError(
                "a Keras model must be a ResNet50, 101 or 152, or a ResNet50V2, 101V2 or 152V2, "
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
