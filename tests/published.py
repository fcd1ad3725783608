"""Files of weights in the formats of their sources, and small images for them."""

import numpy as np
from safetensors.numpy import save_file

from resnet_core.nets.keras_net import build
from resnet_core.nets.of_keras import TORCH_VARIABLES
from resnet_core.nets.weights import torch_resnet, torch_resnetv2

CLASSES = 7
"""Classes of the published networks, which are not those of the images."""
SIDE = 8


def state_dict(spec, seed=7):
    """Return the weights of `build(spec, seed)` under the names and axes of timm and torchvision."""
    names = torch_resnetv2 if spec.order == "full_preactivation" else torch_resnet
    rng = np.random.default_rng(seed)
    tensors = {}
    for layer in build(spec, seed).layers:
        for variable in layer.weights:
            value = variable.numpy()
            if variable.name.startswith("moving_"):
                value = value + rng.uniform(-0.1, 0.1, value.shape).astype("float32")
            axes = {4: (3, 2, 0, 1), 2: (1, 0)}.get(value.ndim, (0,))
            name = f"{names(layer.name, spec)}.{TORCH_VARIABLES[variable.name]}"
            tensors[name] = np.ascontiguousarray(value.transpose(axes))
    return tensors


def write_weights(path, spec, name=None, seed=7):
    """Write the weights of a network with `CLASSES` classes as a file of timm, and return its path."""
    tensors = state_dict(spec.replace(classes=CLASSES), seed)
    save_file(tensors, path, None if name is None else {"architecture": name})
    return path


def write_images(path, channels=3, count=240):
    """Write images of three classes that differ in brightness, and return the path."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 3
    images = rng.integers(0, 60, (count, SIDE, SIDE, channels)) + 60 * labels[:, None, None, None]
    half = count // 4
    images = images.astype("uint8")
    np.savez(path, x_train=images[half:], y_train=labels[half:], x_test=images[:half], y_test=labels[:half])
    return path
