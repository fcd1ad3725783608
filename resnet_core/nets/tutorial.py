"""The functions of a widely copied TensorFlow tutorial on residual networks, built from the blocks of this project.

The tutorial's own functions cannot be built: they add maps of different sizes, and 64 channels to 64 times the
cardinality. Here a block projects its input if the shape changes, and the cardinality is the number of groups of a
convolution, as in ResNeXt (Xie et al. 2017, section 3).
"""

from typing import Any

import keras

from resnet_core.errors import UserError
from resnet_core.nets.keras_net import build
from resnet_core.nets.spec import NetSpec

TUTORIAL_WIDTH = 64


def conv_block(inputs: Any, filters: int, kernel_size: int = 3, strides: int = 1, padding: str = "same") -> Any:
    """Return relu BN conv of `inputs`, (batch, height, width, channels)."""
    x = _conv(inputs, filters, kernel_size, strides, padding)
    return keras.layers.ReLU()(keras.layers.BatchNormalization()(x))


def res_block(inputs: Any, filters: int, kernel_size: int = 3, is_first: bool = False, cardinality: int = 1) -> Any:
    """Return relu(S(x) + F(x)), F two convolutions of `filters` channels; the first block of a stage halves.

    Args:
        inputs: x, (batch, height, width, channels).
        filters: Channels of the output.
        kernel_size: Kernel size of both convolutions.
        is_first: Whether height and width are halved.
        cardinality: Groups of the second convolution; it must divide `filters`.

    Raises:
        UserError: `cardinality` does not divide `filters`.
    """
    if filters % cardinality:
        raise UserError(f"`cardinality` must divide `filters`, but got {cardinality} and {filters}")
    strides = 2 if is_first else 1
    x = conv_block(inputs, filters, kernel_size, strides)
    x = keras.layers.Conv2D(filters, kernel_size, padding="same", groups=cardinality, use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    shortcut = inputs
    if is_first or inputs.shape[-1] != filters:
        shortcut = _conv(inputs, filters, 1, strides)
        shortcut = keras.layers.BatchNormalization()(shortcut)
    return keras.layers.ReLU()(keras.layers.Add()([shortcut, x]))


def _conv(x: Any, filters: int, kernel_size: int, strides: int, padding: str = "valid") -> Any:
    if kernel_size == 1 and strides > 1:  # see `Interpreter.at_stride_one`
        x, strides = keras.layers.AveragePooling2D(1, strides)(x), 1
    return keras.layers.Conv2D(filters, kernel_size, strides, padding, use_bias=False)(x)


def resnet(
    input_shape: tuple[int, int, int], num_classes: int, depth: int = 2, cardinality: int = 1, strides: int = 1
) -> keras.Model:
    """Return a network of `depth` residual blocks in one stage, from images to logits.

    Args:
        input_shape: Height, width and channels.
        num_classes: Number of classes.
        depth: Number of blocks, from 1 on.
        cardinality: Groups of each bottleneck's 3x3 convolution, from 1 on; each has 64 / cardinality
            channels or, past 64, one, so that the cost stays near that of one group.
        strides: 1, or 2 to halve the images in the stem.

    Raises:
        UserError: An argument is out of range.
    """
    if strides not in (1, 2):
        raise UserError(f"`strides` must be 1 or 2, but got {strides}")
    if depth < 1 or cardinality < 1:
        raise UserError(f"`depth` and `cardinality` must be 1 or more, but got {depth} and {cardinality}")
    return build(
        NetSpec(
            input_shape=input_shape, classes=num_classes, depths=(depth,), widths=(TUTORIAL_WIDTH,),
            stem="cifar" if strides == 1 else "imagenet", skip="B", block="bottleneck",
            cardinality=cardinality, group_width=max(1, TUTORIAL_WIDTH // cardinality),
        )
    )  # fmt: skip
