"""Make `logits.npz`: the logits of timm's and Keras' networks on weights that are drawn by name.

In an environment of its own (torch 2.13, timm 1.0.31, torchvision 0.29.1, keras 3.15 with tensorflow for
the last): `python make_logits.py timm`, then `python make_logits.py keras`. The tests need neither torch
nor timm. With a torch for CPUs, torchvision's missing operators are declared first.
"""

import sys
from pathlib import Path

import numpy as np
from drawn import drawn, images

FILE = Path(__file__).with_name("logits.npz")
TIMM = (
    "resnet18", "resnet34", "resnet50", "resnet101", "resnetv2_50", "resnext50_32x4d", "wide_resnet50_2",
    "seresnet50", "resnet50d", "seresnet18", "seresnext26d_32x4d", "resnetv2_18", "resnetv2_50d",
)  # fmt: skip


def of_timm():
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    for name in TIMM:
        model = timm.create_model(name).eval()
        state = {
            key: torch.from_numpy(drawn(key, tuple(value.shape)))
            for key, value in model.state_dict().items()
            if value.ndim
        }
        model.load_state_dict(state, strict=False)
        with torch.no_grad():
            yield name, model(torch.from_numpy(images())).numpy()


def of_keras():
    import keras

    model = keras.applications.ResNet50(weights=None, classifier_activation=None)
    set_drawn(model)
    yield "keras_resnet50", model.predict(images_224(), verbose=0)


def set_drawn(model):
    """Give a Keras model weights that are drawn by the names of its variables."""
    words = {"kernel": "weight", "gamma": "weight", "moving_variance": "running_var"}
    for layer in model.layers:
        for variable in layer.weights:
            shape = tuple(variable.shape)[::-1]  # fan in is the product of all but the first
            value = drawn(f"{layer.name}.{words.get(variable.name, variable.name)}", shape)
            variable.assign(value.transpose(range(value.ndim)[::-1]))


def images_224():
    return np.random.default_rng(1).normal(size=(1, 224, 224, 3)).astype("float32")


if __name__ == "__main__":
    known = dict(np.load(FILE)) if FILE.exists() else {}
    known |= dict({"timm": of_timm, "keras": of_keras}[sys.argv[1]]())
    np.savez_compressed(FILE, **known)
    for name, logits in known.items():
        print(name, logits.shape, float(np.abs(logits).mean()))
