"""Make `logits.npz`: the logits of timm's networks on weights that are drawn by name; and `timm.json`.

`timm.json` has the parameters and the multiply-accumulates of convolutions and dense layers, of an image of
224x224, of every network of timm's `resnet.py` and `resnetv2.py`.

In an environment of its own (torch 2.13, timm 1.0.31, torchvision 0.29.1): `python make_logits.py logits [NAME…]`,
then `counts`. The tests need neither torch nor timm. With a torch for CPUs, torchvision's missing operators are
declared first.
"""

import json
import sys
from pathlib import Path

import numpy as np
from drawn import drawn, images

FILE = Path(__file__).with_name("logits.npz")
TIMM = ("resnet18", "resnet50", "resnetv2_50")

SHORT = (1, 2, 1, 1)  # blocks a stage, of variants that need no more
SHORT_SIZE = 128  # halves without a rest as often as they halve
TIMM_SHORT = (
    "resnext50_32x4d", "wide_resnet50_2", "seresnet50", "resnet50d", "seresnet18", "seresnext26d_32x4d",
    "resnetv2_18", "resnetv2_50d", "resnet50_gn", "resnet50t", "resnet50s", "resnetblur18", "resnetblur50d",
    "resnetaa50", "ecaresnet50d", "resnetrs50", "resnetv2_50x1_bit", "resnetv2_50d_gn", "resnetv2_50t",
)  # fmt: skip


def timm_module():
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import timm

    return timm, library  # which is there as long as it is referred to


def of_timm():
    import torch

    timm, _library = timm_module()
    for name in sys.argv[2:] or (*TIMM, *TIMM_SHORT):
        short = name in TIMM_SHORT
        depth = {"layers": SHORT} if short and not name.endswith("bit") else {}
        model = timm.create_model(name, **depth, **({"num_classes": 10} if short else {})).eval()
        state = {
            key: torch.from_numpy(drawn(key, tuple(value.shape)))
            for key, value in model.state_dict().items()
            if value.ndim
        }
        model.load_state_dict(state, strict=False)
        with torch.no_grad():
            yield name, model(torch.from_numpy(images(SHORT_SIZE) if short else images())).numpy()


def counts():
    """Return, by name, parameters and multiply-accumulates of an image of 224x224; no weight is drawn."""
    import torch

    timm, _library = timm_module()
    counted = {}
    for name in [*timm.list_models(module="resnet"), *timm.list_models(module="resnetv2")]:
        macs = []

        def count(layer, inputs, output):
            inner = layer.weight[0].numel()
            macs.append(output[0].numel() * inner)  # noqa: B023

        with torch.device("meta"):
            model = timm.create_model(name).eval()
            for layer in model.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Conv1d | torch.nn.Linear):
                    layer.register_forward_hook(count)
            model(torch.zeros(1, 3, 224, 224))
        counted[name] = [sum(weight.numel() for weight in model.parameters()), sum(macs)]
    return counted


if __name__ == "__main__":
    if sys.argv[1] == "counts":
        lines = (f'"{name}": {json.dumps(pair)}' for name, pair in sorted(counts().items()))
        FILE.with_name("timm.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        sys.exit()
    known = dict(np.load(FILE)) if FILE.exists() else {}
    known |= dict(of_timm())
    np.savez_compressed(FILE, **known)
    for name, logits in known.items():
        print(name, logits.shape, float(np.abs(logits).mean()))
