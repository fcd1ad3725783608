"""Data sets with a name: their loaders, and their descriptions, which are known before the images are read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from resnet_core.arguments import checked
from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import Images
from resnet_core.runs.data.checks import check_images
from resnet_core.runs.description import DataInfo
from resnet_core.runs.runtime import without_notices

Loader = Callable[[], Images]
NAMED: dict[str, tuple[Loader, DataInfo]] = {}

NUMERALS = tuple("0123456789")
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
CIFAR100 = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
DIGITS_COUNTS = (
    (142, 36), (146, 36), (142, 35), (146, 37), (145, 36), (145, 37), (145, 36), (143, 36), (139, 35), (144, 36),
)  # fmt: skip
MNIST_COUNTS = (
    (5923, 980), (6742, 1135), (5958, 1032), (6131, 1010), (5842, 982),
    (5421, 892), (5918, 958), (6265, 1028), (5851, 974), (5949, 1009),
)  # fmt: skip


@checked
def register_source(name: str, info: DataInfo) -> Callable[[Loader], Loader]:
    """Register the decorated function, which takes no arguments and returns `Images`, as the data set `name`.

    Args:
        name: The name. A data set of this name is replaced.
        info: Description of the data set, see `described`.
    """

    def register(load: Loader) -> Loader:
        NAMED[name] = (load, info)
        return load

    return register


def registered_sources() -> dict[str, Any]:
    """Return the registered data sets by name: loader and description."""
    return {**NAMED}


def described(
    shape: tuple[int, int, int], names: Sequence[str], counts: Sequence[tuple[int, int]], values: str = "uint8"
) -> DataInfo:
    """Return the description of a data set.

    Args:
        shape: Height, width and channels of an image.
        names: Names of the classes.
        counts: Numbers of training images and of test images of each class.
        values: Type of the values of the images.
    """
    train, test = (sum(column) for column in zip(*counts, strict=True))
    return DataInfo(shape, len(names), train, 0, test, values, tuple(names), tuple(counts))


DIGITS = described((8, 8, 1), NUMERALS, DIGITS_COUNTS, "uint8 from 0 to 16")


@register_source("digits", DIGITS)
def digits() -> Images:
    """The 1,797 scanned 8x8 digits that scikit-learn ships; a stratified fifth is the test set."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    x = x.reshape(-1, 8, 8).astype(np.uint8)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    images = check_images("digits", {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test})
    return replace(images, values=DIGITS.values)


def _register_keras(name: str, info: DataInfo) -> None:
    @register_source(name, info)
    def load() -> Images:
        with without_notices():
            import keras

        try:
            (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, name).load_data()
        except Exception as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"'{name}' must be in Keras' folder of data sets, or be downloaded, but it cannot be: {reason}"
            ) from None
        arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
        return check_images(name, arrays, info.class_names)


_register_keras("cifar10", described((32, 32, 3), CIFAR10, [(5000, 1000)] * 10))
_register_keras("cifar100", described((32, 32, 3), CIFAR100, [(500, 100)] * 100))
_register_keras("mnist", described((28, 28, 1), NUMERALS, MNIST_COUNTS))
_register_keras("fashion_mnist", described((28, 28, 1), FASHION, [(6000, 1000)] * 10))
