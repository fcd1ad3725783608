"""Training recipes of the papers by name."""

from collections.abc import Mapping
from typing import Any

from resnet_core.arguments import checked
from resnet_core.errors import UserError, nearest
from resnet_core.runs.reading import FIELDS as READING
from resnet_core.runs.spec import TrainSpec

DATA = ("data", "data_sha256", "image_size", *READING, "train_size", "validation_fraction", "split_seed")
"""The fields of the data set, which no recipe sets."""

RECIPES: dict[str, dict[str, Any]] = {
    "he2015": {
        "steps": 64_000, "batch_size": 128, "learning_rate": 0.1, "learning_rate_drops": (0.5, 0.75),
        "warmup_steps": 400, "momentum": 0.9, "weight_decay": 1e-4,
        "preprocessing": "pixel_mean", "augmentation": "crop_flip",
    },
    "wrn": {
        "epochs": 200, "batch_size": 128, "learning_rate": 0.1, "learning_rate_drops": (0.3, 0.6, 0.8),
        "drop_factor": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "weight_decay_of": "all",
        "augmentation": "crop_flip",
    },
    "one_cycle": {
        "epochs": 24, "batch_size": 512, "learning_rate": 0.4, "schedule": "one_cycle", "peak": 5 / 24,
        "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "weight_decay_of": "all",
        "augmentation": "crop_flip", "cutout": 8,
    },
}  # fmt: skip


@checked
def recipe(name: str, **changes: Any) -> TrainSpec:
    """Return a published training recipe with `changes`.

    `he2015`: He et al. 2015, section 4.2. 64,000 updates of 128 images, learning rate 0.1, divided by 10 after
        32,000 and 48,000; 400 updates at 0.01 first, which the paper needs for 110 layers (`warmup_steps=0`
        for fewer).
    `wrn`: Zagoruyko and Komodakis 2016, section 3 and released code. 200 epochs, Nesterov's momentum, learning
        rate 0.1, times 0.2 after 60, 120 and 160. They pad by reflection; `crop_flip` pads by zeros.
    `one_cycle`: Page 2018, How to Train Your ResNet. 24 epochs of batches of 512, learning rate from 0 to 0.4 at
        epoch 5 and to 0 again; cutout of 8 pixels.

    Args:
        name: Name of the recipe.
        changes: Fields of `TrainSpec`. Drops and peak are fractions of the budget. If the budget is changed, the
            warm-up remains the same fraction of it. So a recipe scales with its budget: `recipe("wrn", epochs=20)`,
            `recipe("he2015", steps=3000)`.

    Raises:
        UserError: There is no such recipe, or a field is illegal.
    """
    if name not in RECIPES:
        raise UserError(f"a recipe must be known, but got '{name}'{nearest(name, RECIPES)}")
    return rebudgeted(TrainSpec(**RECIPES[name]), changes)


def shortened(train: TrainSpec, share: float) -> TrainSpec:
    """Return a training of a share of the length, with its whole schedule: at least one step or epoch."""
    budget = "steps" if train.steps is not None else "epochs"
    whole = getattr(train, budget)
    return rebudgeted(train, {budget: max(1, round(share * whole))}) if share < 1 else train


def rebudgeted(train: TrainSpec, changes: Mapping[str, Any]) -> TrainSpec:
    """Return a training with `changes`. If they change the budget, the warm-up remains the same fraction of it.

    A warm-up that `changes` sets is not adapted. A warm-up in steps of a budget in epochs is scaled with the number of
    epochs; if the new budget is in steps, the warm-up does not change.

    Raises:
        UserError: A field is illegal.
    """
    given = changes.keys() & {"warmup_steps", "warmup_share"}
    warmup: dict[str, Any] = {}
    if train.warmup_steps and not given and changes.get("schedule") != "one_cycle":
        if train.steps and changes.keys() & {"steps", "epochs"} and changes.get("steps") != train.steps:
            warmup = {"warmup_steps": 0, "warmup_share": train.warmup_steps / train.steps}
        elif train.epochs and changes.get("epochs"):
            warmup = {"warmup_steps": round(train.warmup_steps * changes["epochs"] / train.epochs)}
    if given == {"warmup_steps"} and train.warmup_share:
        warmup = {"warmup_share": 0.0}
    elif given == {"warmup_share"} and train.warmup_steps:
        warmup = {"warmup_steps": 0}
    return train.replace(**warmup, **changes)
