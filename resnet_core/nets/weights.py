"""Weights from elsewhere: state dicts of timm or torchvision, and models of `keras.applications`.

A source is a mapping from the names that its authors gave to arrays; `SOURCES` says, for each of our
layers, what it is called there. What is missing, extra or misshapen is named.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec

Array = npt.NDArray[Any]
Tensors = Mapping[str, Array]
Names = Callable[[str, NetSpec], str | None]

TORCH_VARIABLES = {
    "kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias",
    "moving_mean": "running_mean", "moving_variance": "running_var",
}  # fmt: skip


def torch_resnet(layer: str, spec: NetSpec) -> str | None:
    """Return what timm's `resnet.py` and torchvision call a layer of ours, or none if they have no such layer."""
    deep = {"conv1": "conv1.0", "bn1": "conv1.1", "conv2": "conv1.3", "bn2": "conv1.4", "conv": "conv1.6", "bn": "bn1"}
    stem = deep if spec.stem == "deep" else {"conv": "conv1", "bn": "bn1"}
    first = 1 if spec.skip == "D" else 0  # the pooling is the first of the downsampling layers
    inside = {
        "se_conv1": "se.fc1", "se_conv2": "se.fc2",
        "skip_conv": f"downsample.{first}", "skip_bn": f"downsample.{first + 1}",
    }  # fmt: skip
    match re.fullmatch(r"(?:stage(\d+)_block(\d+)|stem|head)_(.*)", layer):
        case None:
            return None
        case found if found[1]:
            word = inside.get(found[3]) or (found[3] if re.fullmatch(r"(conv|bn)\d+", found[3]) else None)
            return word and f"layer{found[1]}.{int(found[2]) - 1}.{word}"
        case found if layer == "head_logits":
            return "fc"
        case found:
            return stem.get(found[3])


def torch_resnetv2(layer: str, spec: NetSpec) -> str | None:
    """Return what timm's `resnetv2.py` calls a layer of ours, or none if it has no such layer."""
    deep = {"stem_conv1": "stem.conv1", "stem_bn1": "stem.norm1", "stem_conv2": "stem.conv2", "stem_bn2": "stem.norm2"}
    ends = {"head_bn": "norm", "head_logits": "head.fc"}
    ends |= {**deep, "stem_conv": "stem.conv3"} if spec.stem == "deep" else {"stem_conv": "stem.conv"}
    if layer in ends:
        return ends[layer]
    found = re.fullmatch(r"stage(\d+)_block(\d+)_(pre_bn|skip_conv|conv\d|bn\d)", layer)
    if not found:
        return None
    word = {"pre_bn": "norm1", "skip_conv": "downsample.conv"}.get(found[3], found[3])
    word = re.sub(r"bn(\d)", lambda number: f"norm{int(number[1]) + 1}", word)
    return f"stages.{int(found[1]) - 1}.blocks.{int(found[2]) - 1}.{word}"


def load_weights(model: keras.Model, spec: NetSpec, source: Tensors | keras.Model | str | Path) -> None:
    """Set all weights and statistics of `model`, which is `build(spec)`, to those of `source`.

    Args:
        model: What `build` returned.
        spec: What it was built from.
        source: A state dict of timm or torchvision, as a mapping or as a `.safetensors` or `.npz` file, or
            a `keras.applications` ResNet50, 101 or 152. Keras' convolutions have biases before their
            normalisation; they go into its moving means. Its ε is 1.001e-5: set `norm_epsilon` to it.

    Raises:
        UserError: A tensor is missing, is one too many, or has another shape; or the file cannot be read.
    """
    if isinstance(source, keras.Model):
        tensors = dict(_keras_tensors(source))
    else:
        tensors = dict(_read(Path(source)) if isinstance(source, str | Path) else source)
    names = torch_resnetv2 if any(name.startswith("stages.") for name in tensors) else torch_resnet
    tensors = {name: array for name, array in tensors.items() if not name.endswith("num_batches_tracked")}
    values = []
    for owner, variable in [(layer.name, variable) for layer in model.layers for variable in layer.weights]:
        there = names(owner, spec)
        name = f"{there}.{TORCH_VARIABLES[variable.name]}"
        if there is None or name not in tensors:
            raise UserError(f"the weights must have a tensor for {owner}/{variable.name}, but there is no '{name}'")
        value = _ours(np.asarray(tensors.pop(name)), variable)
        if value.shape != tuple(variable.shape):
            raise UserError(
                f"'{name}' must have the shape of {owner}/{variable.name}, {tuple(variable.shape)} "
                f"in Keras' order, but has {value.shape}"
            )
        values.append((variable, value))
    if tensors:
        raise UserError(f"every tensor must have a place in the network, but '{min(tensors)}' has none")
    for variable, value in values:
        variable.assign(value)


def from_hub(repository: str, file: str = "model.safetensors") -> Path:
    """Download a file of weights, such as those of `timm/resnet50.a1_in1k`, from the Hugging Face hub; return its path.

    Raises:
        UserError: `huggingface_hub` is not installed, or there is no such file, or no way to it.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise UserError(
            "the hub needs the package huggingface_hub, but it is not there; install the extra 'hub'"
        ) from None
    try:
        return Path(hf_hub_download(repository, file))
    except Exception as error:  # the hub's errors have no common base
        reason = str(error).splitlines()[0]
        raise UserError(
            f"'{file}' of '{repository}' must be on the hub and within reach, but it is not: {reason}"
        ) from None


def _ours(value: Array, variable: keras.Variable) -> Array:
    """Return a tensor in Keras' order of axes: a kernel (out, in, rows, columns) as (rows, columns, in, out)."""
    if value.ndim == 4 and len(variable.shape) == 2:
        value = value[:, :, 0, 0]  # a classifier that is a 1x1 convolution
    return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T if value.ndim == 2 else value


def _read(path: Path) -> Tensors:
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        from safetensors.numpy import load_file

        return load_file(path)
    except Exception as error:  # safetensors' errors have no common base
        raise UserError(f"weights must be a .safetensors or .npz file, but {path} cannot be read: {error}") from None


def _keras_tensors(model: keras.Model) -> Iterator[tuple[str, Array]]:
    """Yield the tensors of a `keras.applications` ResNet under torchvision's names and axes."""
    weights = {layer.name: {w.name: w.numpy() for w in layer.weights} for layer in model.layers if layer.weights}
    for name, tensors in weights.items():
        found = re.fullmatch(r"conv(\d+)(?:_block(\d+)_(\d))?_(conv|bn)", name)
        if name == "predictions":
            there = "fc"
        elif found and found[2]:
            stage, block, index, kind = int(found[1]) - 1, int(found[2]) - 1, int(found[3]), found[4]
            word = f"{kind}{index}" if index else f"downsample.{int(kind == 'bn')}"
            there = f"layer{stage}.{block}.{word}"
        elif found:
            there = f"{found[4]}1"
        else:
            raise UserError(
                f"a Keras model must be a ResNet50, 101 or 152 with its classifier, but it has a layer '{name}'"
            )
        for variable, value in tensors.items():
            if variable == "bias" and name.endswith("_conv"):
                continue
            if variable == "moving_mean":
                value = value - weights[name.removesuffix("_bn") + "_conv"]["bias"]
            if variable == "kernel":
                value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
            yield f"{there}.{TORCH_VARIABLES[variable]}", value
