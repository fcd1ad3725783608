"""Data sets of Hugging Face and of TensorFlow Datasets, written once as a folder of pictures in the cache folder.

`hf:NAME` is loaded by `datasets.load_dataset`, `tfds:NAME` by `tensorflow_datasets.builder`. The encoded pictures are
written as they are, `train/<class>/*` and `test/<class>/*`, and read like any other folder. So sizes, transparency,
damaged pictures, streaming and the hash of the content are those of folders.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from resnet_core.errors import UserError, nearest
from resnet_core.runs.data.picture_folder import Pictures, Row, write_folder
from resnet_core.runs.runtime import without_notices
from resnet_core.spec_model import digest

OPTIONS = ("config", "revision", "image", "label", "train", "test")
TEST_SPLITS = ("test", "validation", "valid", "val")


@dataclass(frozen=True)
class HubName:
    """A data set of a hub, `HUB:NAME,OPTION=VALUE,…`.

    Attributes:
        hub: `hf` or `tfds`.
        name: Name on the hub, or the path of a folder that `load_dataset` reads.
        options: `config` and `revision` of a Hugging Face data set; the columns of the `image` and of the `label`;
            which split is `train`, and which is `test`.
    """

    hub: str
    name: str
    options: Mapping[str, str]

    @classmethod
    def parse(cls, data: str) -> "HubName | None":
        """Return the name of a data set of a hub, or `None` if `data` does not begin with that of a hub.

        Raises:
            UserError: The name is empty, or an option is unknown, or has no value.
        """
        hub, colon, rest = data.partition(":")
        if not colon or hub not in HUBS:
            return None
        name, *words = rest.split(",")
        options = {}
        for word in words:
            option, equals, value = word.partition("=")
            if option not in OPTIONS or not (equals and value):
                raise UserError(
                    f"a data set of a hub is {hub}:NAME,OPTION=VALUE,… with the options {', '.join(OPTIONS)}, but got "
                    f"'{word[:60]}'{nearest(option, OPTIONS) if option not in OPTIONS else ''}"
                )
            options[option] = value
        if not name:
            raise UserError(f"a data set of a hub must have a name, as {hub}:NAME, but got '{data[:60]}'")
        return cls(hub, name, options)

    def __str__(self) -> str:
        return f"{self.hub}:{self.name}"


def folder_of(wanted: HubName) -> Path:
    """Return the folder with the pictures of a data set. It is written at the first call.

    Raises:
        UserError: The package of the hub is missing, there is no such data set, or it has no pictures with classes.
    """
    folder = _place(f"{wanted} {sorted(wanted.options.items())} {_state_of(Path(wanted.name))}")
    if not folder.is_dir():
        package, pictures_of = HUBS[wanted.hub]
        if find_spec(package.replace("-", "_")) is None:
            raise UserError(
                f"--data {wanted.hub}: needs the package {package}, but it is not installed; "
                f"pip install 'resnet-ablation[{wanted.hub}]'"
            )
        with without_notices():
            pictures = pictures_of(wanted)
        write_folder(folder, str(wanted), pictures)
    return folder


def folder_of_object(data: Any) -> Path:
    """Return the folder with the pictures of a `datasets.Dataset` or `DatasetDict`; see `folder_of`."""
    splits = dict(data) if isinstance(data, Mapping) else {"train": data}
    state = [(name, split._fingerprint) for name, split in sorted(splits.items())]
    folder = _place(f"object {state}")
    if not folder.is_dir():
        write_folder(folder, "the data set that was given", _of_splits(HubName("hf", "the data set", {}), splits))
    return folder


def is_of_hugging_face(data: Any) -> bool:
    """Return whether an object is a `datasets.Dataset` or `DatasetDict`, without loading that package."""
    kinds = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in type(data).__mro__}
    return bool(kinds & {"datasets.Dataset", "datasets.DatasetDict"})


def _place(state: str) -> Path:
    return user_cache_path("resnet-ablation") / "hubs" / digest("hubs/1", state)


def _state_of(path: Path) -> list[tuple[str, int, int]]:
    """Return names, sizes and times of the files below a path, so that a changed folder is another data set."""
    if not path.is_dir():
        return []
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]


def _hugging_face(wanted: HubName) -> Pictures:
    import datasets

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(
            wanted.name, wanted.options.get("config"), revision=wanted.options.get("revision")
        )
    except Exception as error:  # its errors have no common base
        raise _unreachable(wanted, error) from None
    return _of_splits(wanted, dict(loaded))


def _of_splits(wanted: HubName, splits: Mapping[str, Any]) -> Pictures:
    """Return the pictures of splits of `datasets`."""
    import datasets

    features = next(iter(splits.values())).features
    image = _column(wanted, "image", [name for name, kind in features.items() if isinstance(kind, datasets.Image)])
    labels = [name for name, kind in features.items() if isinstance(kind, datasets.ClassLabel)]
    label = _column(wanted, "label", labels, {*features} - {image})
    names = getattr(features[label], "names", None)
    if names is None:  # plain integers or texts
        values = sorted({value for split in splits.values() for value in split.unique(label)}, key=_in_order)
        places = {value: i for i, value in enumerate(values)}
        names, number = list(map(str, values)), places.__getitem__
    else:
        number = int

    def rows(split: Any) -> Iterator[Row]:
        for row in split.select_columns([image, label]).cast_column(image, datasets.Image(decode=False)):
            encoded, file = row[image]["bytes"], row[image]["path"]
            yield number(row[label]), Path(file).read_bytes() if encoded is None else encoded

    return Pictures(names, {name: partial(rows, splits[name]) for name in _chosen(wanted, list(splits))})


def _tensorflow_datasets(wanted: HubName) -> Pictures:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    try:
        config = {"config": wanted.options["config"]} if "config" in wanted.options else {}
        builder = tfds.builder(wanted.name, **config)
        builder.download_and_prepare()
    except Exception as error:  # its errors have no common base
        raise _unreachable(wanted, error) from None
    features = builder.info.features
    image = _column(wanted, "image", [name for name, kind in features.items() if isinstance(kind, tfds.features.Image)])
    labels = [name for name, kind in features.items() if isinstance(kind, tfds.features.ClassLabel)]
    label = _column(wanted, "label", labels)

    def rows(split: str) -> Iterator[Row]:
        encoded = builder.as_dataset(split=split, decoders={image: tfds.decode.SkipDecoding()}, shuffle_files=False)
        for row in tfds.as_numpy(encoded):
            yield int(row[label]), row[image]

    splits = _chosen(wanted, list(builder.info.splits))
    return Pictures(features[label].names, {split: partial(rows, split) for split in splits})


HUBS: Mapping[str, tuple[str, Callable[[HubName], Pictures]]] = {
    "hf": ("datasets", _hugging_face),
    "tfds": ("tensorflow-datasets", _tensorflow_datasets),
}
"""The package of each hub, and what reads a data set of it."""


def _column(wanted: HubName, kind: str, fitting: Sequence[str], others: Iterable[str] = ()) -> str:
    """Return the column of the images, or of the classes: the one that is named, or the only one that fits.

    Raises:
        UserError: There is none, or several.
    """
    name = wanted.options.get(kind)
    known = [*fitting, *sorted({*others} - {*fitting})]
    if name is not None:
        if name not in known:
            raise UserError(f"{wanted} has no column '{name}' for the {kind}{nearest(name, known)}")
        return name
    if len(fitting) != 1:
        found_columns = f"the columns {', '.join(fitting)} are" if fitting else "none is"
        raise UserError(
            f"a data set must have one column with the {kind} of each picture, but in {wanted} {found_columns}; "
            f"{wanted},{kind}=COLUMN names it"
        )
    return fitting[0]


def _chosen(wanted: HubName, splits: Sequence[str]) -> list[str]:
    """Return the name of the split to train on and, if there is one, of that to test on.

    Raises:
        UserError: A split that is named is not there.
    """
    for option in ("train", "test"):
        name = wanted.options.get(option)
        if name is not None and name not in splits:
            raise UserError(f"{wanted} has no split '{name}'{nearest(name, splits)}")
    train = wanted.options.get("train", "train" if "train" in splits else splits[0])
    test = wanted.options.get("test", next((name for name in TEST_SPLITS if name in splits), None))
    return [train] if test in (None, train) else [train, str(test)]


def _in_order(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value


def _unreachable(wanted: HubName, error: Exception) -> UserError:
    reason = next(iter(str(error).strip().splitlines()), "")[:300] or type(error).__name__
    return UserError(f"'{wanted}' must be a data set of the hub, or of its cache, but it cannot be loaded: {reason}")
