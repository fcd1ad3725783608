"""Data sets of hubs, in the files that the hubs' own libraries write and read; nothing is downloaded."""

import re
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from resnet_core.errors import UserError
from resnet_core.runs.data import open_source
from resnet_core.runs.data.given import path_of
from resnet_core.runs.data.hubs import HubName

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(30) % 3
NAMES = ("wolf", "ant/bee", "cow")
SORTED = ("ant_bee", "cow", "wolf")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The folder of TensorFlow Datasets, which reads its name once, when it is imported."""
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture(autouse=True)
def caches(tmp_path, prepared, monkeypatch):
    """Cache folders of these tests' own, and no network."""
    monkeypatch.setenv("TFDS_DATA_DIR", str(prepared))
    for name in ("XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)


def png(pixels):
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def hugging_face(images, labels, names=NAMES, column="label", **more):
    datasets = pytest.importorskip("datasets")
    label = datasets.ClassLabel(names=list(names)) if names else datasets.Value("int64")
    features = datasets.Features({"picture": datasets.Image(), column: label, **dict.fromkeys(more, label)})
    rows = {"picture": [{"bytes": png(image), "path": None} for image in images], column: list(labels), **more}
    return datasets.Dataset.from_dict(rows, features=features)


def files_of(folder, **splits):
    """Write splits as a repository of data sets has them."""
    (folder / "data").mkdir(parents=True)
    for name, split in splits.items():
        split.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    return f"hf:{folder}"


def pairs(x, y, names):
    """Return the images with the name of their class, in no order."""
    return sorted((names[label], image.tobytes()) for image, label in zip(x, y, strict=True))


EVERY = pairs(PIXELS[:20], LABELS[:20], ("wolf", "ant_bee", "cow"))


def test_a_data_set_of_hugging_face_is_read_like_a_folder_of_its_pictures(tmp_path):
    data = files_of(
        tmp_path / "mine", train=hugging_face(PIXELS[:20], LABELS[:20]), test=hugging_face(PIXELS[20:], LABELS[20:])
    )
    source = open_source(data)
    info = source.info
    assert (info.train_images, info.test_images, info.class_names, info.input_shape) == (20, 10, SORTED, (8, 8, 3))
    images = source.images
    assert pairs(images.x_train[:], images.y_train, SORTED) == EVERY
    assert open_source(data).images.sha256() == images.sha256()
    assert open_source(data, image_size=4).images.x_train.shape == (20, 4, 4, 3)


def test_a_data_set_that_python_holds_is_the_same(tmp_path):
    datasets = pytest.importorskip("datasets")
    splits = {"train": hugging_face(PIXELS[:20], LABELS[:20]), "test": hugging_face(PIXELS[20:], LABELS[20:])}
    data = files_of(tmp_path / "mine", **splits)
    held = path_of(datasets.DatasetDict(splits))
    assert open_source(held).images.sha256() == open_source(data).images.sha256()
    alone = open_source(path_of(splits["train"])).images
    assert (len(alone.x_train), len(alone.x_test)) == (16, 4)


def test_a_changed_folder_is_another_data_set(tmp_path):
    data = files_of(tmp_path / "mine", train=hugging_face(PIXELS[:20], LABELS[:20]))
    first = open_source(data).images
    hugging_face(PIXELS, LABELS).to_parquet(tmp_path / "mine" / "data" / "train-00000-of-00001.parquet")
    assert len(open_source(data).images.x_train) + len(open_source(data).images.x_test) == 30
    assert open_source(data).images.sha256() != first.sha256()


def test_classes_that_are_numbers_stay_in_order(tmp_path):
    numbers = np.arange(22) % 11
    data = files_of(tmp_path / "mine", train=hugging_face(PIXELS[:22], numbers, names=()))
    assert open_source(f"{data},label=label").info.class_names == tuple(f"{i:02}" for i in range(11))


def test_columns_and_splits_can_be_named(tmp_path):
    both = hugging_face(PIXELS[:20], LABELS[:20], column="fine", coarse=[int(label > 0) for label in LABELS[:20]])
    data = files_of(tmp_path / "mine", train=both, extra=both)
    with pytest.raises(UserError, match=r"the columns fine, coarse are; hf:.*,label=COLUMN names it"):
        open_source(data)
    info = open_source(f"{data},label=coarse,test=extra").info
    assert (info.train_images, info.test_images, info.classes) == (20, 20, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (",label=lable", "no column 'lable' for the label; did you mean 'label'"),
        (",test=tests", "no split 'tests'"),
        (",tset=test", r"with the options config, revision, image, label, train, test, but got 'tset=test'.*test"),
        (",test", "but got 'test'"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, options, message):
    data = files_of(tmp_path / "mine", train=hugging_face(PIXELS, LABELS), test=hugging_face(PIXELS, LABELS))
    with pytest.raises(UserError, match=message):
        open_source(data + options)


def test_pictures_without_a_class_are_refused_and_nothing_is_left(tmp_path):
    data = files_of(tmp_path / "mine", train=hugging_face(PIXELS, LABELS), test=hugging_face(PIXELS[:2], [-1, -1]))
    with pytest.raises(UserError, match=r"number 0 of the split 'test' of hf:.* has -1; test=SPLIT"):
        open_source(data)
    assert list((tmp_path / "XDG_CACHE_HOME" / "resnet-ablation" / "hubs").iterdir()) == []


def test_a_data_set_out_of_reach_is_one_line(tmp_path):
    pytest.importorskip("datasets")
    with pytest.raises(UserError, match="'hf:nobody/nothing' must be a data set of the hub, or of its cache") as error:
        open_source("hf:nobody/nothing")
    assert len(str(error.value).splitlines()) == 1
    pytest.importorskip("tensorflow_datasets")
    with pytest.raises(UserError, match="'tfds:no_such_thing' must be a data set of the hub, or of its cache"):
        open_source("tfds:no_such_thing")


def test_a_data_set_of_tensorflow_datasets(prepared):
    tfds = pytest.importorskip("tensorflow_datasets")
    import tensorflow as tf

    def split(chosen):
        return tf.data.Dataset.from_tensor_slices({"image": PIXELS[chosen], "label": LABELS[chosen]})

    tfds.dataset_builders.store_as_tfds_dataset(
        name="mine", version="1.0.0", data_dir=str(prepared), disable_shuffling=True,
        features=tfds.features.FeaturesDict({
            "image": tfds.features.Image(shape=(8, 8, 3)), "label": tfds.features.ClassLabel(names=NAMES),
        }),
        split_datasets={"train": split(slice(20)), "test": split(slice(20, None))},
    )  # fmt: skip
    images = open_source("tfds:mine").images
    assert images.class_names == SORTED
    assert pairs(images.x_train[:], images.y_train, SORTED) == EVERY
    assert len(images.x_test) == 10


@pytest.mark.parametrize("data", ["digits", "mine.npz", "C:/images", "folder:1"])
def test_what_is_of_no_hub(data):
    assert HubName.parse(data) is None


def test_a_name_is_needed():
    with pytest.raises(UserError, match=re.escape("as hf:NAME, but got 'hf:'")):
        open_source("hf:")
