"""`NetworkTarget`: a published network, or a Keras model in a file, with the user's images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_core.errors import UserError
from resnet_core.nets.zoo import network
from resnet_core.probes.requests import TRAINING_TIMES, Item, ProbeRequest, Sample, Size
from resnet_core.sealed import sha256_of_file
from resnet_core.spec_model import digest

if TYPE_CHECKING:
    import keras

    from resnet_core.nets.spec import NetSpec
    from resnet_core.probes.registry import Sized
    from resnet_core.runs.data.arrays import Images
    from resnet_core.runs.execution.measuring import Given

PREPROCESSING = ("none", "unit", "torch", "caffe", "tf", "channel")
FILES = (".keras", ".h5")


@dataclass(frozen=True)
class NetworkTarget:
    """One network, with the user's images.

    Attributes:
        root: Folder of the measurements.
        name: Name of a published network, or the file of a Keras model.
        data: Name of a data set, an `.npz` file or a folder of images.
        threads: Number of TensorFlow's threads.
        weights: File with the weights of a published network. Without it, initial weights are drawn.
        image_size: Height and width to which images are resized. `None` means the input size of the network.
        preprocessing: One of `PREPROCESSING`. Empty means that of the published network, or `none` for a file.
        initial, other: Files of Keras models: the network at its initial weights, and a second network.
    """

    root: Path
    name: str
    data: str
    threads: int
    weights: Path | None = None
    image_size: int | None = None
    preprocessing: str = ""
    initial: Path | None = None
    other: Path | None = None

    @property
    def is_file(self) -> bool:
        """Whether the network is the file of a Keras model."""
        return self.name.endswith(FILES)

    @property
    def given(self) -> tuple[str, ...]:
        """See `Target`."""
        initial = ("initial",) if self.initial or not self.is_file else ()
        other = ("other",) if self.other else ()
        return ("images", "labels", *initial, *other, "train_images", "train_labels")

    def items(self, asked: Sequence[ProbeRequest], sample: Sample) -> list[Item]:
        """See `Target`."""
        files = [path for path in (Path(self.name) if self.is_file else None, self.weights, self.initial) if path]
        identity = [self.name, *map(_content, files), _images(self).sha256(), str(self.image_size), self._preprocessing]
        other = _content(self.other)[:16] if self.other else ""
        return [Item(digest("network/1", *identity), probe, sample, other if "other" in probe.probe.needs else "")
                for probe in asked]  # fmt: skip

    def label(self, network_id: str) -> str:
        """See `Target`."""
        return self.name

    @property
    def spec(self) -> "NetSpec":
        """The spec of a published network, for images of the requested size."""
        spec, size = network(self.name), self.image_size
        return spec if size is None else spec.replace(input_shape=(size, size, spec.input_shape[-1]))

    def size(self, network_id: str) -> "Sized":
        """See `Target`."""
        if not self.is_file:
            return Size.from_net(self.spec)
        from resnet_core.probes.subject import subject_of

        return subject_of(_model(self))

    @property
    def _preprocessing(self) -> str:
        if self.preprocessing or self.is_file:
            return self.preprocessing or "none"
        if self.name.startswith("keras-"):
            return "tf" if "v2" in self.name else "caffe"
        return "torch"

    def network(self, item: Item) -> "Given":
        """See `Target`.

        Raises:
            UserError: The data have no images of the part, or more classes than the network has outputs.
        """
        from resnet_core.probes.subject import Subject
        from resnet_core.runs.execution.measuring import Given, drawn

        images, part = _images(self), item.sample.part
        part = part if part != "auto" else "test" if len(images.y_test) else "train"
        if part == "val" or not len(getattr(images, f"y_{part}")):
            raise UserError(f"--part must be a part that the data have, but {self.data} has no images of '{part}'")
        net = Subject(_model(self))
        outputs, classes = net.model.outputs[0].shape[-1], len(images.class_names)
        if classes > outputs:
            raise UserError(
                f"the network must have an output for each class, but it has {outputs}, and {self.data} {classes}"
            )
        x, y = drawn(getattr(images, f"x_{part}"), getattr(images, f"y_{part}"), item.sample.images, part)
        x_train, y_train = drawn(images.x_train, images.y_train, TRAINING_TIMES * item.sample.images, "train")
        needs: dict[str, Any] = {
            "images": lambda: self._prepared(x), "labels": lambda: y,
            "train_images": lambda: self._prepared(x_train), "train_labels": lambda: y_train,
            "initial": self._initial, "other": lambda: _loaded(self.other),
        }  # fmt: skip
        return Given(net, {name: needs[name] for name in self.given}, part, len(y))

    def _prepared(self, images: Any) -> Any:
        import numpy as np

        x = images.astype(np.float32)
        match self._preprocessing:
            case "none":
                return x
            case "unit":
                return x / 255.0
            case "channel":
                known = _images(self).x_train[np.arange(min(len(_images(self).y_train), 2048))]
                read = known if isinstance(known, np.ndarray) else known.read()
                return (x - read.mean(axis=(0, 1, 2))) / np.maximum(read.std(axis=(0, 1, 2)), 1e-6)
            case mode:
                from keras.applications.imagenet_utils import preprocess_input

                return preprocess_input(x, data_format="channels_last", mode=mode)

    def _initial(self) -> Any:
        if self.initial:
            return _loaded(self.initial)
        from resnet_core.nets.keras_net import build

        return build(self.spec, seed=0).get_weights()


def _content(path: Path | None) -> str:
    """Return the hash of a file, or an empty text without one."""
    assert path
    try:
        return sha256_of_file(path)
    except OSError as error:
        raise UserError(f"a file must exist and be readable, but {path}: {error.strerror or error}") from None


def _loaded(path: Path | None) -> "keras.Model":
    import keras

    from resnet_core.nets.keras_net import load

    assert path
    if path.suffix == ".keras":
        return load(path)
    try:
        return keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras' errors for other files have no common base
        raise UserError(f"a Keras model must be in a .keras or .h5 file, but {path}: {error}") from None


@lru_cache(maxsize=1)
def _model(target: NetworkTarget) -> "keras.Model":
    from resnet_core.runs.runtime import configure

    configure(target.threads)
    if target.is_file:
        return _loaded(Path(target.name))
    from resnet_core.nets.keras_net import build
    from resnet_core.nets.weights import load_weights

    spec = target.spec
    model = build(spec)
    if target.weights:
        load_weights(model, spec, target.weights)
    return model


@lru_cache(maxsize=1)
def _images(target: NetworkTarget) -> "Images":
    from resnet_core.runs.data import open_source
    from resnet_core.runs.execution.job import resident

    size = target.image_size
    if size is None:
        shape = _model(target).inputs[0].shape[1:3]
        size = shape[0] if shape[0] == shape[1] else None
    return open_source(target.data, size, resident("auto")).images
