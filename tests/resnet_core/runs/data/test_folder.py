"""What is read in a folder of images, and what is said of it and of what is not."""

import os

import numpy as np
import pytest
from PIL import Image

from resnet_core.errors import UserError
from resnet_core.runs.data import Reading, open_source
from resnet_core.runs.data import folder as folders
from resnet_core.runs.spec import Run, TrainSpec
from tests.resnet_core.runs.data.test_pictures import damaged, deep, png

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "resnet-ablation"


def colours():
    return RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    """Ten PNGs of each of two classes."""
    for kind in ("ant", "bee"):
        (tmp_path / "data" / kind).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(colours()).save(tmp_path / "data" / kind / f"{i}.png")
    return tmp_path / "data"


def read(root, size=None, resident=float("inf"), **reading):
    source = open_source(str(root), size, resident, Reading(**reading))
    before = source.info  # without decoding
    images = source.images
    assert source.info.class_counts == images.info.class_counts
    assert images.info.input_shape == before.input_shape
    return images


def skipped(images):
    return {skip.reason: set(skip.files) for skip in images.skipped}


class TestListing:
    def test_every_format_is_read_and_below_the_class_too(self, root):
        (root / "ant" / "more" / "still").mkdir(parents=True)
        names = ["a.webp", "b.BMP", "c.tiff", "d.TIF", "e.gif", "f.JPG", "g.jpeg", "h.ppm", "more/i.png",
                 "more/still/j.jfif", "k.jp2"]  # fmt: skip
        for name in names:
            Image.fromarray(colours()).save(root / "ant" / name)
        Image.fromarray(colours()).save(root / "ant" / "without", "PNG")
        images = read(root)
        assert np.bincount(np.concatenate([images.y_train, images.y_test])).tolist() == [22, 10]
        assert images.skipped == ()

    def test_what_is_not_read_is_named_with_its_reason(self, root):
        for name in (".hidden.png", ".DS_Store", "._0.png", "Thumbs.db", "desktop.ini", "notes.txt", "x.eps", "y.heic",
                     "README", "esc\x1b.txt"):  # fmt: skip
            (root / "ant" / name).write_text("hello")
        (root / ".git").mkdir()
        (root / "__MACOSX").mkdir()
        (root / "labels.csv").touch()
        (root / "ant" / ".ipynb_checkpoints").mkdir()
        (root / "ant" / "round").symlink_to(root / "ant")
        (root / "ant" / "up").symlink_to(root)
        (root / "ant" / "gone.png").symlink_to(root / "nothing.png")
        os.mkfifo(root / "ant" / "pipe.png")
        assert skipped(read(root)) == {
            "hidden or left by the system": {
                ".git", "__MACOSX", "ant/.hidden.png", "ant/.DS_Store", "ant/._0.png", "ant/Thumbs.db",
                "ant/desktop.ini", "ant/.ipynb_checkpoints",
            },
            "not an image that is read": {"ant/notes.txt", "ant/x.eps", "ant/y.heic", "ant/README", "ant/esc\\x1b.txt"},
            "outside of the classes' folders": {"labels.csv"},
            "link to a folder around it": {"ant/round", "ant/up"},
            "link to nothing": {"ant/gone.png"},
            "neither file nor folder": {"ant/pipe.png"},
        }  # fmt: skip

    def test_a_folder_beside_train_and_test_is_named(self, root):
        for part in ("train", "test", "val"):
            (root.parent / "split" / part).mkdir(parents=True)
            for kind in ("ant", "bee"):
                (root.parent / "split" / part / kind).symlink_to(root / kind)
        assert skipped(read(root.parent / "split")) == {"beside train and test": {"val"}}

    def test_parts_of_other_names_are_no_classes(self, root):
        (root / "ant").rename(root / "Training")
        (root / "bee").rename(root / "validation")
        with pytest.raises(UserError, match="parts in train/ and test/, but .* has Training and validation; rename"):
            open_source(str(root)).info  # noqa: B018

    @pytest.mark.parametrize("inside", [[], ["notes.txt", "x.svg"], ["sub/"]])
    def test_a_class_without_images_is_refused(self, inside, root):
        (root / "cat").mkdir()
        for name in inside:
            (root / "cat" / name).mkdir() if name.endswith("/") else (root / "cat" / name).touch()
        with pytest.raises(
            UserError, match="every class must be a folder with images in it, but .*/cat has none"
        ) as error:
            open_source(str(root)).info  # noqa: B018
        assert all(name in str(error.value) for name in inside if name != "sub/")

    def test_the_order_is_that_of_keras(self, root, tmp_path):
        """Classes by name, so that 10 is before 2, and the files of a folder before those of folders below it."""
        import keras

        for name in ("1", "2", "10"):
            (tmp_path / "numbers" / name / "b").mkdir(parents=True)
            for place in ("c.png", "a.png", "b/0.png", "b.png"):
                Image.fromarray(colours()).save(tmp_path / "numbers" / name / place)
        for part in ("train", "test"):
            (tmp_path / "both").mkdir(exist_ok=True)
            (tmp_path / "both" / part).symlink_to(tmp_path / "numbers")
        images = read(tmp_path / "both")
        theirs = keras.utils.image_dataset_from_directory(
            tmp_path / "numbers", image_size=(16, 16), shuffle=False, verbose=False
        )
        assert images.class_names == tuple(theirs.class_names) == ("1", "10", "2")
        x, y = zip(*theirs.unbatch().as_numpy_iterator(), strict=True)
        np.testing.assert_array_equal(images.y_train, y)
        np.testing.assert_array_equal(images.x_train, x)

    def test_names_are_printable(self, root):
        (root / "ant").rename(root / "a\x1b[31mnt\n")
        assert read(root).class_names == ("a\\x1b[31mnt\\n", "bee")


class TestDamaged:
    def test_it_ends_the_reading_and_says_what_leaves_it_out(self, root):
        damaged(root / "bee" / "3.png", "half")
        source = open_source(str(root))
        assert source.info.train_images == 16  # by their headers all are sound
        with pytest.raises(UserError, match=r"bee/3\.png cannot be decoded: .*; --skip-damaged leaves out"):
            source.images  # noqa: B018

    @pytest.mark.parametrize("resident", [float("inf"), 0])
    def test_it_is_left_out_and_listed(self, resident, root, tmp_path):
        for name, kind in (("ant/1.png", "half"), ("bee/3.png", "text"), ("bee/4.png", "bit")):
            damaged(root / name, kind)
        images = read(root, resident=resident, skip_damaged=True)
        assert images.info.class_counts == ((7, 2), (7, 1))
        (left,) = images.skipped
        assert (left.reason, left.count) == ("damaged", 3)
        assert [file.partition(": ")[0] for file in left.files] == ["bee/3.png", "ant/1.png", "bee/4.png"]
        again = read(root, resident=resident, skip_damaged=True)  # from the cache
        assert (again.skipped, again.sha256()) == (images.skipped, images.sha256())
        for name in ("ant/1.png", "bee/3.png", "bee/4.png"):
            (root / name).unlink()
        assert read(root).sha256() == images.sha256()

    def test_a_class_that_is_damaged_as_a_whole_is_refused(self, root):
        for i in range(10):
            damaged(root / "bee" / f"{i}.png", "half")
        with pytest.raises(
            UserError, match=r"an image that can be read, but .* has none in bee/; damaged: 10 \(bee/0.png"
        ):
            read(root, skip_damaged=True)


class TestPixels:
    def test_transparent_images_are_composited_and_it_is_said(self, root):
        image = np.zeros((16, 16, 4), np.uint8)
        image[:8, :, 3] = 255
        for i in range(10):
            Image.fromarray(image).save(root / "bee" / f"{i}.png")
        hashes = set()
        for background, level in (("white", 255), ("black", 0), ("#0000ff", (0, 0, 255))):
            images = read(root, background=background)
            assert (images.x_train[images.y_train == 1][:, 8:] == level).all()
            assert images.notes == (f"10 images with transparency composited on {background}",)
            hashes.add(images.sha256())
        assert len(hashes) == 3  # none is served from the cache of another

    def test_a_coloured_background_makes_greys_colours(self, tmp_path):
        for kind in ("ant", "bee"):
            (tmp_path / "data" / kind).mkdir(parents=True)
            for i in range(5):
                Image.new("LA", (4, 4), (i, 0)).save(tmp_path / "data" / kind / f"{i}.png")
        assert read(tmp_path / "data").x_train.shape[3] == 1
        assert (read(tmp_path / "data", background="red").x_train == (255, 0, 0)).all()

    def test_opaque_images_are_what_they_were(self, root):
        before = read(root).sha256()
        for path in root.glob("*/*.png"):
            with Image.open(path) as image:
                opaque = image.convert("RGBA")
            opaque.save(path)
        assert read(root).sha256() == before

    @pytest.mark.parametrize("resident", [float("inf"), 0])
    def test_twelve_bits_in_sixteen_are_kept(self, resident, tmp_path):
        values = RNG.integers(0, 4096, (2, 10, 4, 4))
        for kind, some in zip(("ant", "bee"), values, strict=True):
            (tmp_path / "data" / kind).mkdir(parents=True)
            for i, image in enumerate(some):
                deep(tmp_path / "data" / kind / f"{i}.png", image)
        images = read(tmp_path / "data", resident=resident)
        x = [x if isinstance(x, np.ndarray) else x.read() for x in (images.x_train, images.x_test)]
        assert {image.tobytes() for image in np.concatenate(x)} == {
            image.astype(np.float32).tobytes() for image in values.reshape(20, 4, 4)
        }
        assert (images.values, images.notes) == ("uint16", ("uint16 values kept, as float32",))

    def test_eight_bits_among_sixteen_are_scaled(self, root):
        deep(root / "ant" / "0.png", RNG.integers(0, 65536, (16, 16, 3)))
        with Image.open(root / "ant" / "1.png") as image:
            expected = np.asarray(image) * 257.0
        images = read(root)
        whole = np.concatenate([images.x_train, images.x_test])
        assert (whole == expected).all((1, 2, 3)).sum() == 1
        assert images.notes[-1] == "19 images of 8 bits scaled to the range of 16 bits"

    def test_values_without_a_common_scale_are_refused(self, root):
        Image.fromarray(np.zeros((16, 16), np.float32)).save(root / "bee" / "0.tiff")
        with pytest.raises(UserError, match=r"values of one scale, but .*bee/0\.tiff has float32 and .*png has uint8"):
            open_source(str(root)).info  # noqa: B018

    def test_what_else_is_done_is_said(self, root):
        Image.fromarray(colours()[..., 0]).save(root / "ant" / "grey.png")
        Image.fromarray(colours()[:5]).save(root / "ant" / "small.png")
        frames = [Image.fromarray(colours()) for _ in range(2)]
        frames[0].save(root / "bee" / "moves.gif", save_all=True, append_images=frames[1:])
        assert read(root).notes == (
            "23 images resized to 32x32 (--image-size takes another size)",
            "1 grey image read as colour",
            "the first picture taken of 1 file with several (moves.gif)",
        )


class TestLimits:
    def test_bombs_are_refused_by_their_headers(self, root):
        png(root / "bee" / "bomb.png", [bytes(9)], 8, 2, (13_312, 13_312))
        with pytest.raises(UserError, match=r"at most 134,217,728 pixels, but .*bomb\.png"):
            open_source(str(root), 32).info  # noqa: B018
        images = read(root, 32, skip_damaged=True)
        assert [skip.count for skip in images.skipped] == [1]

    def test_images_that_no_network_takes_are_refused_unless_they_are_resized(self, tmp_path):
        for kind in ("ant", "bee"):
            (tmp_path / "data" / kind).mkdir(parents=True)
            for i in range(3):
                Image.new("L", (2049, 1)).save(tmp_path / "data" / kind / f"{i}.png")
        with pytest.raises(
            UserError, match="at most 2048 rows and columns, but those of .* have 1x2049; .*--image-size"
        ):
            open_source(str(tmp_path / "data")).info  # noqa: B018
        assert read(tmp_path / "data", 8).x_train.shape == (5, 8, 8, 1)

    def test_large_pictures_are_decoded_a_few_at_a_time(self, monkeypatch, root):
        monkeypatch.setattr(folders, "PIXELS_AT_ONCE", 16 * 16 * 3)
        sizes = []
        stack = np.stack
        monkeypatch.setattr(np, "stack", lambda images: sizes.append(len(images)) or stack(images))
        read(root)
        assert max(sizes) == 3
        assert sum(sizes) == 20


class TestIdentity:
    @pytest.mark.parametrize("field", ["background", "skip_damaged", "data_format"])
    def test_a_run_is_what_was_read_and_not_how(self, field):
        value = {"background": "black", "skip_damaged": True, "data_format": "channels_first"}[field]
        train = TrainSpec(steps=1)
        from resnet_core.nets.spec import NetSpec

        def run_id(**fields):
            return Run(NetSpec(), train.replace(**fields)).id

        assert run_id(data_sha256="a", **{field: value}) == run_id(data_sha256="a")
        assert run_id(**{field: value}) != run_id()

    @pytest.mark.parametrize(
        ("data", "reading", "kind"),
        [
            ("digits", {"background": "black"}, "a folder of images"),
            ("digits", {"data_format": "channels_last"}, "an .npz file"),
            ("folder", {"data_format": "channels_last"}, "an .npz file"),
            ("npz", {"skip_damaged": True}, "a folder of images"),
        ],
    )
    def test_a_setting_that_is_not_read_is_refused(self, data, reading, kind, root, tmp_path):
        (tmp_path / "data.npz").touch()
        data = {"folder": str(root), "npz": str(tmp_path / "data.npz")}.get(data, data)
        with pytest.raises(UserError, match=f"`{next(iter(reading))}` is read with {kind} only"):
            open_source(data, reading=Reading(**reading))

    @pytest.mark.parametrize(
        ("text", "colour"), [("White", "white"), ("#FFF", "white"), ("rgb(1,2,3)", "#010203"), ("#000000", "black")]
    )
    def test_a_colour_has_one_spelling(self, text, colour):
        assert TrainSpec(steps=1, background=text).background == colour

    @pytest.mark.parametrize("text", ["", "nothing", "#12", "#00000080"])
    def test_what_is_no_opaque_colour_is_refused(self, text):
        with pytest.raises(UserError, match="`background` must be an opaque colour such as white"):
            TrainSpec(steps=1, background=text)


def test_a_line_says_of_which_pictures_bits_are_not_read(tmp_path):
    for name in ("ant", "bee"):
        (tmp_path / name).mkdir()
        for i in range(3):
            (tmp_path / name / f"{i}.ppm").write_text("P3 4 4 65535 " + "77 " * 48)
    info = open_source(str(tmp_path)).images.info
    assert (
        "6 images of more than 8 bits a colour read as of 8 (0.ppm, 1.ppm, 2.ppm, 0.ppm, 1.ppm, and 1 more)"
        in info.line
    )
