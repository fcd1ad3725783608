"""What an `.npz` file may hold: each is read rightly, or refused by its headers with the rule."""

import tracemalloc
import zipfile

import numpy as np
import pytest

from resnet_core.errors import UserError
from resnet_core.runs.data import Reading, open_source
from tests.resnet_core.runs.data.test_data import arrays


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def read(tmp_path):
    def images(data, resident=float("inf"), **reading):
        np.savez_compressed(tmp_path / "data.npz", **data)
        source = open_source(str(tmp_path / "data.npz"), None, resident, Reading(**reading))
        before = source.info  # without decoding
        assert source.images.info == before
        return source.images

    return images


@pytest.mark.parametrize("resident", [float("inf"), 0])
@pytest.mark.parametrize(
    ("shape", "looks"),
    [
        ((3, 8, 8), "looks like channels first"), ((1, 28, 28), "looks like"), ((3, 32, 40), "looks like"),
        ((12, 9, 9), "looks like"), ((3, 3, 3), "may have its channels first or last"), ((3, 8, 3), "may have"),
        ((3, 8, 4), "may have"), ((16, 16, 16), "may have"),
    ],
)  # fmt: skip
def test_channels_that_are_not_plainly_last_are_refused_or_as_told(shape, looks, resident, read):
    data = arrays(shape=shape)
    with pytest.raises(UserError, match=rf"channels last, but .*\(30, .*{looks}.*--data-format channels_first"):
        read(data, resident)
    for data_format, axes in (("channels_first", (0, 2, 3, 1)), ("channels_last", (0, 1, 2, 3))):
        images = read(data, resident, data_format=data_format)
        x = images.x_train if isinstance(images.x_train, np.ndarray) else images.x_train.read()
        np.testing.assert_array_equal(x, data["x_train"].transpose(axes))
        first = data_format == "channels_first"
        assert images.notes == ((f"images transposed from channels first, {shape}",) if first else ())


@pytest.mark.parametrize("shape", [(8, 8, 1), (8, 9, 3), (4, 4, 3), (1, 1, 3), (8, 8, 12), (5, 7, 2), (28, 28)])
def test_channels_that_are_plainly_last_are_taken(shape, read):
    assert read(arrays(shape=shape)).x_train.shape[1:] == (*shape, 1)[:3]


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [("float32", 1 / 255), ("float32", -1), ("float64", 1 / 255), ("float64", -1), ("float16", 1 / 255), ("bool", 1),
     ("int64", -1), ("uint16", 16), ("int8", -1 / 4)],
)  # fmt: skip
def test_values_of_any_type_are_kept(dtype, scale, read):
    data = {name: (a * float(scale)).astype(dtype) if name[0] == "x" else a for name, a in arrays().items()}
    images = read(data)
    np.testing.assert_array_equal(images.x_train, data["x_train"].astype("float32"))
    assert images.values == dtype
    assert images.notes == (() if dtype == "float32" else (f"{dtype} values kept, as float32",))


def test_classes_may_be_names(read):
    data = arrays()
    for part in ("y_train", "y_test"):
        data[part] = np.array(["bee", "ant", "cat"])[data[part]]
    images = read(data)
    assert images.class_names == ("ant", "bee", "cat")
    assert [images.class_names[y] for y in images.y_train] == data["y_train"].tolist()


def test_classes_may_be_named_beside_them(read):
    names = np.array(["ant", "bee", "cat"])
    images = read({**arrays(), "class_names": names, "x_val": np.zeros(3), "weights": np.ones(1)})
    assert images.class_names == ("ant", "bee", "cat")
    assert [(skip.reason, skip.files) for skip in images.skipped] == [
        ("members that are not read", ("x_val", "weights"))
    ]
    for wrong, message in ((names[:2], "3 classes and 2 names"), (names[[0, 0, 1]], "must differ"), (1.0, "a text")):
        with pytest.raises(UserError, match=message):
            read({**arrays(), "class_names": wrong})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (lambda y: np.eye(3)[y], r"shape \(.*, 3\) and holds float64; of one-hot classes take their argmax"),
        (lambda y: y.astype(float), "one integer class an image, or the name of one, .*float64"),
        (lambda y: y == 1, "holds bool"),
        (lambda y: y.astype("S1"), r"holds \|S1"),
        (lambda y: y.astype("U300"), "holds <U300"),
    ],
)
def test_what_are_no_classes_is_refused(labels, message, read):
    data = arrays()
    with pytest.raises(UserError, match=message):
        read({**data, "y_train": labels(data["y_train"]), "y_test": labels(data["y_test"])})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": np.arange(999) % 3}, "of one length, but .* has 1000 images and 999 classes"),
        ({"y_train": np.zeros(1000, int)}, "two classes or more"),
        ({"y_test": np.full(500, 7)}, "has 7 in the test alone"),
        ({"x_test": np.zeros((500, 9, 9, 3), np.uint8)}, "of one shape"),
    ],
)
@pytest.mark.parametrize("resident", [float("inf"), 0])
def test_what_does_not_fit_is_refused_before_an_image_is_decoded(change, message, resident, tmp_path):
    data = {**arrays(1000, shape=(1, 1, 3)), "x_train": np.zeros((1000, 96, 96, 3), np.uint8)}  # 28 MB
    data["x_test"] = np.zeros((500, 96, 96, 3), np.uint8)
    np.savez_compressed(tmp_path / "data.npz", **{**data, **change})
    tracemalloc.start()
    with pytest.raises(UserError, match=message):
        open_source(str(tmp_path / "data.npz"), None, resident).images  # noqa: B018
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def test_a_length_that_a_header_invents_is_no_allocation(tmp_path):
    np.savez(tmp_path / "data.npz", **arrays())
    with zipfile.ZipFile(tmp_path / "data.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in ("x_train.npy", "y_train.npy"):
        members[name] = members[name].replace(b"(30,", b"(3000000000,", 1).replace(b"         \n", b" \n", 1)
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(UserError, match=r"data\.npz is not: `x_train` is not of the length that its header says"):
        open_source(str(tmp_path / "data.npz")).info  # noqa: B018


def test_images_that_are_too_large_are_refused_unless_they_are_resized(tmp_path):
    np.savez_compressed(tmp_path / "data.npz", **arrays(shape=(1, 2049, 3)))
    with pytest.raises(UserError, match="at most 2048 rows and columns, but those of .* have 1x2049"):
        open_source(str(tmp_path / "data.npz"), reading=Reading(data_format="channels_last")).info  # noqa: B018
    reading = Reading(data_format="channels_last")
    assert open_source(str(tmp_path / "data.npz"), 4, reading=reading).images.x_train.shape == (30, 4, 4, 3)
