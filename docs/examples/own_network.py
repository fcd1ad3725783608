from functools import partial
from typing import Literal

import keras
from keras import layers

from ablations import Scale, Study, grid, mean
from resnet_core import TrainSpec


def three_joins(input_shape, classes, without):
    """Three blocks of two convolutions each; one of them may have no skip."""
    images = keras.Input(input_shape)
    x = layers.Conv2D(4, 3, padding="same", name="entry")(images)
    for name in ("red", "green", "blue"):
        y = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"{name}_first")(x)
        y = layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_norm")(y))
        y = layers.Conv2D(4, 3, padding="same", name=f"{name}_second")(y)
        x = y if name == without else layers.Add(name=f"{name}_join")([x, y])
        x = layers.ReLU(name=f"{name}_end")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, layers.Dense(classes, name="exit")(x))


def net(without: Literal["nothing", "red", "green", "blue"]):
    return partial(three_joins, without=without)


def error(without):
    return mean("test_error", without=without)


claims = {f"Without the skip of {name} the error rises.": error(name) > error("nothing") for name in ("red", "blue")}
design = grid(without=["nothing", "red", "green", "blue"])
train = TrainSpec(epochs=1, batch_size=32, learning_rate=0.05)
study = Study("skips", "Which of three skips matters?", net, {"smoke": Scale(design, train, 2, claims=claims)})
