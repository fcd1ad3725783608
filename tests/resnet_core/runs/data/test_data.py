import os
import zipfile

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from resnet_core.errors import UserError
from resnet_core.nets.spec import NetSpec
from resnet_core.probes.spec import ProbeSpec
from resnet_core.runs.data import Images, check_sizes, open_source, prepare
from resnet_core.runs.data.arrays import split_stratified
from resnet_core.runs.data.checks import check_images
from resnet_core.runs.spec import Run, TrainSpec


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def arrays(n=30, classes=3, shape=(6, 5, 3), seed=0):
    rng = np.random.default_rng(seed)
    part = {}
    for name, size in (("train", n), ("test", n // 2)):
        part[f"x_{name}"] = rng.integers(0, 256, (size, *shape), dtype=np.uint8)
        part[f"y_{name}"] = np.arange(size) % classes
    return part


def write_folder(root, data, names=("ant", "bee", "cat"), suffix="png"):
    for part in ("train", "test"):
        for i, (image, label) in enumerate(zip(data[f"x_{part}"], data[f"y_{part}"], strict=True)):
            folder = root / part / names[label]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.squeeze()).save(folder / f"{i:04}.{suffix}")
    return root


class TestNamed:
    def test_digits(self, digits):
        assert (digits.x_train.shape, digits.x_test.shape) == ((1437, 8, 8, 1), (360, 8, 8, 1))
        assert np.bincount(digits.y_test).tolist() == [36, 36, 35, 37, 36, 37, 36, 36, 35, 36]
        assert digits.x_train.max() == 16
        assert open_source("digits").info == digits.info

    @pytest.mark.parametrize("name", ["cifar10", "cifar100", "mnist", "fashion_mnist"])
    def test_shapes_are_known_before_anything_is_downloaded(self, name):
        info = open_source(name).info
        assert info.input_shape == ((32, 32, 3) if name.startswith("cifar") else (28, 28, 1))
        assert open_source(name, 16).info.input_shape[:2] == (16, 16)

    def test_keras_data_sets_are_read_by_keras(self, tmp_path, monkeypatch):
        """On a file in Keras' format, in Keras' folder of data sets."""
        rng = np.random.default_rng(0)
        mnist = {
            "x_train": rng.integers(0, 256, (40, 28, 28), dtype=np.uint8), "y_train": np.arange(40) % 10,
            "x_test": rng.integers(0, 256, (20, 28, 28), dtype=np.uint8), "y_test": np.arange(20) % 10,
        }  # fmt: skip
        np.savez(tmp_path / "mnist.npz", **mnist)
        monkeypatch.setattr(
            "keras.src.datasets.mnist.get_file", lambda *args, **kwargs: str(tmp_path / "mnist.npz")
        )  # its own checks a hash that no other file has
        images = open_source("mnist").images
        np.testing.assert_array_equal(images.x_train[..., 0], mnist["x_train"])
        assert len(images.class_names) == 10

    def test_a_data_set_that_cannot_be_had_is_a_users_error(self, tmp_path, monkeypatch):
        def unreachable(*args, **kwargs):
            raise Exception("URL fetch failure on https://example.org: no route")

        monkeypatch.setattr("keras.src.datasets.mnist.get_file", unreachable)
        with pytest.raises(
            UserError, match="'mnist' must be in Keras' folder of data sets, or be downloaded.*no route"
        ):
            _ = open_source("mnist").images

    def test_unknown_names_the_nearest(self):
        with pytest.raises(UserError, match="'cifar-10' does not exist; did you mean 'cifar10'"):
            open_source("cifar-10")

    def test_keras_has_them_all(self):
        assert all(hasattr(keras.datasets, name) for name in ("cifar10", "cifar100", "mnist", "fashion_mnist"))


class TestNpz:
    def test_round_trip(self, tmp_path):
        data = arrays()
        np.savez(tmp_path / "data.npz", **data)
        images = open_source(str(tmp_path / "data.npz")).images
        for name, array in data.items():
            np.testing.assert_array_equal(getattr(images, name), array)

    def test_classes_may_be_any_integers_and_images_grey(self, tmp_path):
        data = arrays(shape=(4, 4))
        data["y_train"], data["y_test"] = data["y_train"][:, None] * 5 + 7, data["y_test"][:, None] * 5 + 7
        np.savez(tmp_path / "data.npz", **data)
        images = open_source(str(tmp_path / "data.npz")).images
        assert images.class_names == ("7", "12", "17")
        assert images.x_train.shape == (30, 4, 4, 1)
        assert set(images.y_test) == {0, 1, 2}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"y_test": None}, "has no `y_test` \\(it has x_test, x_train, y_train\\)"),
            ({"x_test": np.zeros((15, 6, 5, 3), np.float32)}, "of one type, but .* has uint8 and float32"),
            ({"y_train": np.arange(29) % 3}, "of one length, but .* has 30 images and 29 classes"),
            ({"x_train": np.zeros((30, 4), np.uint8)}, "`x_train` must have the shape"),
            ({"x_test": np.zeros((15, 9, 9, 3), np.uint8)}, "of one shape, but .*\\(6, 5, 3\\) and \\(9, 9, 3\\)"),
            ({"y_train": np.zeros(30)}, "`y_train` must hold one integer class an image.*float64"),
            ({"y_train": np.zeros(30, int)}, "two classes or more, but .* has those of 1"),
            ({"y_test": np.full(15, 9)}, "has 9 in the test alone"),
            (
                {"x_train": np.full((30, 6, 5, 3), np.nan), "x_test": np.zeros((15, 6, 5, 3))},
                "`x_train` must be finite",
            ),
            ({"x_train": np.array([None] * 30)}, "without pickle"),
        ],
    )
    def test_a_mistake_is_named(self, change, message, tmp_path):
        data = {name: array for name, array in {**arrays(), **change}.items() if array is not None}
        np.savez(tmp_path / "data.npz", **data)
        with pytest.raises(UserError, match=message):
            _ = open_source(str(tmp_path / "data.npz")).images

    @pytest.mark.parametrize("kind", ["empty", "cut", "npy", "members", "corrupt"])
    def test_a_file_that_is_no_npz_is_named(self, kind, tmp_path):
        path = tmp_path / "data.npz"
        if kind == "npy":
            with path.open("wb") as file:
                np.save(file, np.zeros(3))
        elif kind == "members":
            with zipfile.ZipFile(path, "w") as archive:
                for name in ("x_train", "y_train", "x_test", "y_test"):
                    archive.writestr(name, "hello")
        else:
            np.savez_compressed(path, **arrays())
            whole = path.read_bytes()
            middle = len(whole) // 2
            path.write_bytes(
                {"empty": b"", "cut": whole[:middle], "corrupt": whole[:200] + b"?" * 99 + whole[299:]}[kind]
            )
        with pytest.raises(UserError, match=r"data\.npz is not"):
            _ = open_source(str(tmp_path / "data.npz")).images

    def test_another_file_is_refused(self, tmp_path):
        (tmp_path / "data.csv").touch()
        with pytest.raises(UserError, match="a known name, an .npz file, a folder of images.*is neither"):
            open_source(str(tmp_path / "data.csv"))


class TestFolder:
    @pytest.mark.parametrize("shape", [(6, 5, 3), (6, 5)])
    def test_round_trip(self, shape, tmp_path):
        data = arrays(shape=shape)
        images = open_source(str(write_folder(tmp_path / "data", data))).images
        assert images.class_names == ("ant", "bee", "cat")
        assert images.x_train.shape == (30, 6, 5, 3 if len(shape) == 3 else 1)
        order = np.argsort(data["y_train"], kind="stable")  # a folder is in the order of its classes
        np.testing.assert_array_equal(images.y_train, data["y_train"][order])
        np.testing.assert_array_equal(images.x_train.squeeze(), data["x_train"][order])

    def test_one_colour_image_makes_all_of_them_colour(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays(shape=(6, 5)))
        Image.new("RGB", (5, 6), (255, 0, 0)).save(root / "train" / "ant" / "red.jpg")
        images = open_source(str(root)).images
        assert images.x_train.shape[3] == 3

    def test_sizes_that_differ_become_32_or_what_is_asked(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        Image.new("RGB", (40, 20)).save(root / "train" / "ant" / "large.PNG")
        assert open_source(str(root)).images.x_train.shape == (31, 32, 32, 3)
        assert open_source(str(root), 12).images.x_train.shape == (31, 12, 12, 3)

    def test_without_a_split_a_stratified_fifth_is_the_test(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays(60)) / "train"
        images = open_source(str(root)).images
        assert np.bincount(images.y_train).tolist() == [16, 16, 16]
        assert np.bincount(images.y_test).tolist() == [4, 4, 4]
        assert open_source(str(root)).images.sha256() == images.sha256()

    def test_decoding_is_cached_until_a_file_changes(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        first = open_source(str(root)).images
        (cached,) = (tmp_path / "cache" / "resnet-ablation").iterdir()
        written = cached.stat().st_mtime_ns
        assert open_source(str(root)).images.sha256() == first.sha256()
        assert cached.stat().st_mtime_ns == written
        file = root / "train" / "ant" / "0000.png"
        Image.new("RGB", (5, 6)).save(file)
        os.utime(file, ns=(1, 1))
        assert open_source(str(root)).images.sha256() != first.sha256()

    def test_a_damaged_cache_is_made_anew(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        first = open_source(str(root)).images
        (cached,) = (tmp_path / "cache" / "resnet-ablation").iterdir()
        cached.write_bytes(cached.read_bytes()[:100])
        assert open_source(str(root)).images.sha256() == first.sha256()

    def test_an_image_that_moves_to_another_class_changes_its_label(self, tmp_path):
        files, root = write_folder(tmp_path / "files", arrays(shape=(6, 5))), tmp_path / "links"
        for kind in ("ant", "bee"):
            (root / kind).mkdir(parents=True)
            for file in (files / "train" / kind).iterdir():
                (root / kind / file.name).symlink_to(file)
        open_source(str(root)).images  # noqa: B018 - fills the cache
        moved = sorted((root / "bee").iterdir())[0]
        moved.rename(root / "ant" / f"moved-{moved.name}")
        images = open_source(str(root)).images
        assert (np.bincount(images.y_train) + np.bincount(images.y_test)).tolist() == [11, 9]

    def test_a_turned_photograph_is_set_upright(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by a quarter
        Image.new("RGB", (6, 5)).save(root / "train" / "ant" / "0000.png", exif=exif)
        assert open_source(str(root)).images.x_train.shape == (30, 6, 5, 3)

    def test_names_need_not_be_ascii(self, tmp_path):
        root = write_folder(tmp_path / "data with space", arrays(), names=("âne", "b\udcff", "🐈"))
        assert len(open_source(str(root)).images.class_names) == 3

    def test_the_content_decides_the_hash(self, tmp_path):
        data = arrays()
        order = np.argsort(data["y_train"], kind="stable"), np.argsort(data["y_test"], kind="stable")
        in_order = {
            f"{a}_{part}": data[f"{a}_{part}"][i]
            for part, i in zip(("train", "test"), order, strict=True)
            for a in "xy"
        }
        np.savez(tmp_path / "data.npz", **in_order)
        from_file = open_source(str(tmp_path / "data.npz")).images
        assert open_source(str(write_folder(tmp_path / "data", data))).images.sha256() == from_file.sha256()

    def test_no_class_and_one_class_are_refused(self, tmp_path):
        with pytest.raises(UserError, match="two classes or more.* has none"):
            _ = open_source(str(tmp_path)).images
        write_folder(tmp_path / "data", arrays(classes=1))
        with pytest.raises(UserError, match="two classes or more.* has only 'ant'"):
            _ = open_source(str(tmp_path / "data")).images

    def test_a_class_that_one_part_lacks_is_named(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        for file in (root / "test" / "bee").iterdir():
            file.unlink()
        with pytest.raises(UserError, match="test/bee has none"):
            _ = open_source(str(root)).images

    def test_half_a_split_is_refused(self, tmp_path):
        root = write_folder(tmp_path / "data", arrays())
        (root / "test").rename(root / "tset")
        with pytest.raises(UserError, match="both train/ and test/ or neither.*train/ and no test/"):
            _ = open_source(str(root)).images

    @pytest.mark.parametrize("damage", ["empty", "text", "cut"])
    def test_a_damaged_image_is_named(self, damage, tmp_path):
        root = write_folder(tmp_path / "data", arrays(shape=(40, 40, 3)), suffix="jpg")
        bad = root / "train" / "bee" / "0001.jpg"
        whole = bad.read_bytes()
        bad.write_bytes({"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2]}[damage])
        with pytest.raises(UserError, match=r"bee/0001\.jpg cannot be"):
            _ = open_source(str(root)).images
        assert not (tmp_path / "cache").exists()


class TestPrepare:
    images = check_images("test", arrays(300, shape=(4, 4, 3)))

    def prepared(self, **fields):
        return prepare(self.images, TrainSpec(**{"steps": 1, "batch_size": 8, **fields}))

    def test_choices_are_stratified_seeded_and_apart(self):
        data = self.prepared(train_size=90, validation_fraction=0.2)
        assert np.bincount(data.y_train).tolist() == [24, 24, 24]
        assert np.bincount(data.y_val).tolist() == [6, 6, 6]
        seen = {image.tobytes() for image in data.x_train}
        assert not seen & {image.tobytes() for image in data.x_val}
        again = self.prepared(train_size=90, validation_fraction=0.2)
        np.testing.assert_array_equal(again.x_train, data.x_train)
        other = self.prepared(train_size=90, validation_fraction=0.2, split_seed=1)
        assert seen != {image.tobytes() for image in other.x_train}

    def test_the_test_set_stays_whole(self):
        np.testing.assert_array_equal(self.prepared(train_size=30).x_test, self.images.x_test)

    def test_no_validation(self):
        data = self.prepared(validation_fraction=0.0)
        assert (len(data.x_train), len(data.x_val)) == (300, 0)

    @pytest.mark.parametrize("axes", [("channel", (0, 1, 2)), ("pixel_mean", (0,))])
    def test_preprocessing_is_of_the_training_images(self, axes):
        kind, axis = axes
        data = self.prepared(preprocessing=kind)
        seen = (data.x_train - data.shift) * data.scale
        np.testing.assert_allclose(seen.mean(axis), 0, atol=1e-5)
        if kind == "channel":
            np.testing.assert_allclose(seen.std(axis), 1, atol=1e-5)
        else:
            np.testing.assert_allclose(seen, data.x_train / 255 - (data.x_train / 255).mean(0), atol=1e-5)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"train_size": 301}, "`train_size` must be at most the number of training images, 300, but got 301"),
            ({"train_size": 3, "validation_fraction": 0.5}, "every class must have a training image, but '.' is left"),
        ],
    )
    def test_too_few_images_are_named(self, fields, message):
        with pytest.raises(UserError, match=message):
            self.prepared(**fields)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"batch_size": 271}, "`batch_size` must be at most .* \\(270 after .*\\), but got 271"),
            ({"train_size": 301}, "`train_size` must be at most the number of training images, 300, but got 301"),
            ({"cutout": 32}, "`cutout` must be smaller than an image, which has 32x40 pixels, but got 32"),
            ({"train_size": 290}, "`probe.batch_size` must be at most .* but got 262"),
        ],
    )
    def test_sizes_are_checked_before_anything_is_read(self, fields, message):
        train = TrainSpec(**{"steps": 1, "batch_size": 8, **fields})
        with pytest.raises(UserError, match=message):
            check_sizes(Run(NetSpec(input_shape=(32, 40, 3)), train, ProbeSpec(batch_size=262)), 300)

    @given(st.lists(st.integers(0, 3), min_size=2, max_size=60), st.data())
    def test_a_split_keeps_every_class_in_proportion(self, labels, data):
        labels = np.array(labels)
        size = data.draw(st.integers(0, len(labels)))
        first, second = split_stratified(labels, size, seed=data.draw(st.integers(0, 9)))
        assert len(first) == size
        assert sorted([*first, *second]) == list(range(len(labels)))
        for label in set(labels.tolist()):
            share = size * (labels == label).mean()
            assert abs((labels[first] == label).sum() - share) <= 1.5

    def test_resizing(self):
        assert self.images.resized(None) is self.images
        assert self.images.resized(8).x_train.shape == (300, 8, 8, 3)
        flat = Images(
            np.full((2, 4, 4, 1), 0.25, "float32"),
            np.arange(2),
            np.full((2, 4, 4, 1), 0.25, "float32"),
            np.arange(2),
            ("a", "b"),
        )
        np.testing.assert_array_equal(flat.resized(2).x_test, np.full((2, 2, 2, 1), 0.25, "float32"))
