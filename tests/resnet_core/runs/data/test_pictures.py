"""Pictures of every kind, each against its exact pixels."""

import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from resnet_core.runs.data import decoding, opening, pictures
from resnet_core.runs.data.pictures import Form, Unreadable, header, pixels

WHITE, BLACK, RED = (255, 255, 255), (0, 0, 0), (255, 0, 0)
RNG = np.random.default_rng(0)
COLOURS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
GREYS = COLOURS[..., 0]


@pytest.fixture(autouse=True)
def _silent():
    pictures.ignore_warnings()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(path, rows, bits, colour_type, size, *, before=b"", after=b""):
    """Write a PNG whose rows are given packed."""
    head = struct.pack(">IIBBBBB", *size, bits, colour_type, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", content) + after + chunk(b"IEND", b"")
    )
    return path


def deep(path, values, **chunks):
    """Write a PNG of 16 bits; Pillow cannot."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    colour_type = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = [row.astype(">u2").tobytes() for row in values]
    return png(path, rows, 16, colour_type, values.shape[1::-1], **chunks)


def deep_tiff(path, values, *, order="<", compressed=False, planes=False, colours=2):
    """Write a TIFF of 16 bits a colour, uncompressed in two strips; Pillow cannot."""
    rows, columns, channels = values.shape
    whole = values.astype(f"{order}u2")
    parts = list(whole.transpose(2, 0, 1)) if planes else [whole] if compressed else [whole[:3], whole[3:]]
    strips = [zlib.compress(part.tobytes()) if compressed else part.tobytes() for part in parts]
    tags = [(256, [columns]), (257, [rows]), (258, [16] * channels), (259, [8 if compressed else 1]), (262, [colours]),
            (273, [0] * len(strips)), (277, [channels]), (278, [rows if compressed else 3]),
            (279, [*map(len, strips)]), (284, [2 if planes else 1])]  # fmt: skip
    if channels == 4 and colours == 2:
        tags.append((338, [2]))
    place = 8 + 2 + 12 * len(tags) + 4
    further = b""
    starts = [place + sum(map(len, strips[:i])) for i in range(len(strips))]
    place += sum(map(len, strips))
    entries = b""
    for tag, content in tags:
        content = starts if tag == 273 else content
        packed = struct.pack(f"{order}{len(content)}I", *content)
        if len(packed) > 4:
            packed, further = struct.pack(f"{order}I", place + len(further)), further + packed
        entries += struct.pack(f"{order}HHI", tag, 4, len(content)) + packed
    begin = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(tags))
    path.write_bytes(begin + entries + bytes(4) + b"".join(strips) + further)
    return path


def read(path, background=WHITE, **changes):
    opened = header(path)
    form = Form(opened.size, 1 if opened.grey else 3, opened.values, background)
    return pixels(path, Form(**{**vars(form), **changes}))


class TestModes:
    @pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "ppm", "gif", "jp2", "webp", "PNG"])
    def test_formats_without_loss_are_read_exactly(self, suffix, tmp_path):
        options = {"lossless": True} if suffix == "webp" else {}
        image = Image.fromarray(COLOURS)
        image.save(tmp_path / f"a.{suffix}", **options)
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}"), COLOURS)

    @pytest.mark.parametrize(
        ("mode", "suffix"), [("1", "png"), ("1", "tiff"), ("L", "png"), ("L", "pgm"), ("1", "pbm"), ("LA", "png")]
    )
    def test_greys(self, mode, suffix, tmp_path):
        image = Image.fromarray(GREYS).convert(mode)
        image.save(tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}")[..., 0], np.asarray(image.convert("L")))

    @pytest.mark.parametrize(("mode", "suffix"), [("P", "png"), ("P", "gif"), ("CMYK", "tiff"), ("CMYK", "jpg")])
    def test_colours(self, mode, suffix, tmp_path):
        image = Image.fromarray(COLOURS).convert(mode)
        image.save(tmp_path / f"a.{suffix}")
        with Image.open(tmp_path / f"a.{suffix}") as there:
            expected = np.asarray(there.convert("RGB"))
        np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}"), expected)
        if suffix != "jpg":
            np.testing.assert_array_equal(expected, np.asarray(image.convert("RGB")))

    def test_lab(self, tmp_path):
        lab = ImageCms.profileToProfile(
            Image.fromarray(COLOURS // 2 + 60), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"),
            outputMode="LAB",
        )  # fmt: skip
        lab.save(tmp_path / "a.tiff")
        there = read(tmp_path / "a.tiff").astype(int) - (COLOURS // 2 + 60)
        assert np.abs(there).max() < 6  # a and b are rounded to 8 bits on the way

    @pytest.mark.parametrize(("shape", "grey"), [((5, 7), True), ((5, 7, 3), False)])
    def test_sixteen_bits_are_kept(self, shape, grey, tmp_path):
        values = RNG.integers(0, 4096, shape)  # of 12 bits
        pixels = read(deep(tmp_path / "a.png", values))
        assert (header(tmp_path / "a.png").values, header(tmp_path / "a.png").grey) == ("uint16", grey)
        assert pixels.dtype == np.float32
        np.testing.assert_array_equal(pixels.squeeze(), values)

    @pytest.mark.parametrize(("mode", "values"), [("I;16", "uint16"), ("I", "int32"), ("F", "float32")])
    def test_a_tiff_of_more_bits_keeps_them(self, mode, values, tmp_path):
        dtype = {"I;16": np.uint16, "I": np.int32, "F": np.float32}[mode]
        whole = (GREYS.astype(float) * 200 + 0.5 * (mode == "F")).astype(dtype)
        Image.fromarray(whole).save(tmp_path / "a.tiff")
        assert header(tmp_path / "a.tiff").values == values
        np.testing.assert_array_equal(read(tmp_path / "a.tiff")[..., 0], whole)

    def test_eight_bits_among_sixteen_are_scaled_and_back(self, tmp_path):
        Image.fromarray(GREYS).save(tmp_path / "a.png")
        up = read(tmp_path / "a.png", values="uint16")
        np.testing.assert_array_equal(up[..., 0], GREYS * 257.0)
        np.testing.assert_array_equal(read(deep(tmp_path / "b.png", up[..., 0]), values="uint8")[..., 0], GREYS)

    @pytest.mark.parametrize("channels", [3, 4])
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("compressed", [False, True])
    def test_a_tiff_of_sixteen_bits_a_colour_keeps_them(self, order, channels, compressed, tmp_path):
        values = RNG.integers(0, 65536, (5, 7, channels))
        values[..., 3:] = 65535
        pixels = read(deep_tiff(tmp_path / "a.tiff", values, order=order, compressed=compressed))
        assert header(tmp_path / "a.tiff").values == "uint16"
        np.testing.assert_array_equal(pixels, values[..., :3])

    @pytest.mark.parametrize("highest", [1023, 65535])
    def test_a_ppm_of_sixteen_bits_a_colour_keeps_them(self, highest, tmp_path):
        values = RNG.integers(0, highest + 1, (5, 7, 3))
        (tmp_path / "a.ppm").write_bytes(f"P6 7 5 {highest}\n".encode() + values.astype(">u2").tobytes())
        assert header(tmp_path / "a.ppm").values == "uint16"
        np.testing.assert_array_equal(read(tmp_path / "a.ppm"), np.rint(values / highest * 65535))
        (tmp_path / "a.ppm").write_bytes((tmp_path / "a.ppm").read_bytes()[:-1])
        with pytest.raises(Unreadable, match=r"a\.ppm cannot be decoded: image file is truncated"):
            read(tmp_path / "a.ppm")

    @pytest.mark.parametrize("kind", ["jp2", "avif", "plain ppm", "planes of a tiff", "cmyk tiff"])
    def test_more_bits_of_colour_than_pillow_gives_are_known(self, kind, tmp_path):
        path = tmp_path / f"a.{kind.rpartition(' ')[2]}"
        values = RNG.integers(0, 65536, (5, 7, 4 if "cmyk" in kind else 3))
        if kind == "plain ppm":
            path.write_text("P3 7 5 65535 " + " ".join(map(str, values.ravel())))
        elif "tiff" in kind:
            deep_tiff(path, values, compressed=True, planes=kind != "cmyk tiff", colours=5 if "cmyk" in kind else 2)
        elif f".{kind}" not in opening.suffixes():
            pytest.skip("this Pillow does not read it")
        else:
            Image.fromarray(COLOURS).save(path)
            whole = bytearray(path.read_bytes())
            assert not header(path).cut
            if kind == "jp2":
                whole[whole.index(b"\xff\x4f\xff\x51") + 42] = 11  # 12 bits
            else:
                whole[whole.index(b"av1C") + 6] |= 0x40
                depths = whole.index(b"pixi") + 9
                whole[depths : depths + 3] = (10, 10, 10)
            path.write_bytes(whole)
        assert (header(path).cut, header(path).values) == (True, "uint8")
        if kind in ("plain ppm", "planes of a tiff"):
            assert np.abs(read(path).astype(int) - values / 257).max() <= 1

    def test_colour_becomes_grey_where_that_is_asked_for(self, tmp_path):
        Image.fromarray(COLOURS).convert("RGBA").save(tmp_path / "a.png")
        expected = np.asarray(Image.fromarray(COLOURS).convert("L")).astype(int)
        assert np.abs(read(tmp_path / "a.png", channels=1)[..., 0] - expected).max() <= 1  # Pillow rounds otherwise


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_a_turned_picture_is_set_upright(turn, suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(COLOURS).save(
        tmp_path / f"a.{suffix}", exif=exif, **({"lossless": True} if suffix == "webp" else {})
    )
    with Image.open(tmp_path / f"a.{suffix}") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert header(tmp_path / f"a.{suffix}").size == expected.shape[1::-1]
    np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}"), expected)


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "CMYK", "P", "I;16"])
def test_a_turned_tiff_is_set_upright(turn, mode, tmp_path):
    image = Image.fromarray(GREYS.astype(np.uint16) * 200) if mode == "I;16" else Image.fromarray(COLOURS).convert(mode)
    exif = Image.Exif()
    for name, exif[0x0112] in (("plain", 1), ("turned", turn)):
        image.save(tmp_path / f"{name}.tiff", exif=exif)
    expected = decoding.upright(read(tmp_path / "plain.tiff"), turn)
    assert header(tmp_path / "turned.tiff").size == expected.shape[1::-1]
    np.testing.assert_array_equal(read(tmp_path / "turned.tiff"), expected)


@pytest.mark.parametrize("size", [(7, 5), (3, 3), (9, 2), (20, 20), (5, 7)])
@pytest.mark.parametrize("turn", [1, 3, 6, 7])
@pytest.mark.parametrize("kind", ["RGB", "RGBA", "L", "P", "deep", "deep and clear", "I;16"])
def test_a_picture_that_is_read_by_parts_is_the_same(kind, turn, size, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[0x0112] = turn
    path = tmp_path / "a.png"
    if "deep" in kind:
        values = RNG.integers(0, 65536, (5, 7, 4 if "clear" in kind else 3))
        deep(path, values, before=chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    elif kind == "I;16":
        Image.fromarray(GREYS.astype(np.uint16) * 200).save(path, exif=exif)
    else:
        Image.fromarray(COLOURS).convert(kind).save(path, exif=exif)
    whole = read(path, size=size)
    monkeypatch.setattr(pictures, "PIXELS_AT_ONCE", 14)
    np.testing.assert_array_equal(read(path, size=size), whole)


@pytest.mark.parametrize("kind", ["RGBA", "deep"])
def test_what_is_made_of_a_large_picture_takes_little_memory(kind, tmp_path):
    path, side = tmp_path / "a.png", 3000
    bits, channels = (16, 6) if kind == "deep" else (8, 4)
    png(path, [bytes(side * channels)] * side, bits, 2 if kind == "deep" else 6, (side, side))
    tracemalloc.start()  # which sees arrays, but not what Pillow decodes: four bytes a pixel
    try:
        assert read(path, size=(32, 32)).shape == (32, 32, 3)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * pictures.PIXELS_AT_ONCE * 4 * 4  # four arrays of a part, of four channels of float32


def test_a_picture_that_would_be_large_on_its_way_is_refused(tmp_path):
    png(tmp_path / "a.png", [bytes(2)] * 3_000_000, 8, 0, (1, 3_000_000))
    with pytest.raises(Unreadable, match=r"at most 2,097,152 rows to be resized to 64 columns, but .* 1x3000000"):
        read(tmp_path / "a.png", size=(64, 64))


class TestTransparency:
    """A drawing in black on nothing: left columns are opaque, right ones are not."""

    alpha = np.where(np.arange(7) < 3, 255, 0).astype(np.uint8) * np.ones((5, 1), np.uint8)

    @pytest.mark.parametrize("background", [WHITE, BLACK, RED])
    @pytest.mark.parametrize("mode", ["RGBA", "P", "WEBP", "GIF"])
    def test_colours(self, mode, background, tmp_path):
        image = Image.fromarray(np.dstack([np.zeros((5, 7, 3), np.uint8), self.alpha]))
        path = tmp_path / {"WEBP": "a.webp", "GIF": "a.gif"}.get(mode, "a.png")
        (image.quantize(4, Image.Quantize.FASTOCTREE) if mode == "P" else image).save(
            path, **({"lossless": True} if mode == "WEBP" else {})
        )
        pixels = read(path, background)
        assert header(path).transparent
        assert (pixels[:, :3] == 0).all()
        assert (pixels[:, 3:] == background).all()

    @pytest.mark.parametrize("kind", ["LA", "tRNS", "tRNS of 4 bits", "tRNS of 1 bit", "16 bits", "tRNS of 16 bits"])
    def test_greys(self, kind, tmp_path):
        path = tmp_path / "a.png"
        visible = np.arange(7) < 3
        clear = {"tRNS": (8, 9, 1), "tRNS of 4 bits": (4, 9, 17), "tRNS of 1 bit": (1, 1, 255)}
        if kind == "LA":
            Image.fromarray(np.dstack([np.zeros((5, 7), np.uint8), self.alpha])).save(path)
        elif kind in clear:
            bits, value, _ = clear[kind]
            row = int("".join(format(0 if v else value, f"0{bits}b") for v in visible).ljust(56, "0"), 2)
            packed = row.to_bytes(7)[: (7 * bits + 7) // 8]
            png(path, [packed] * 5, bits, 0, (7, 5), before=chunk(b"tRNS", struct.pack(">H", value)))
        elif kind == "16 bits":
            deep(path, np.dstack([np.zeros((5, 7), int), self.alpha.astype(int) * 257]))
        else:
            deep(path, np.where(visible, 0, 777) * np.ones((5, 1), int), before=chunk(b"tRNS", struct.pack(">H", 777)))
        pixels = read(path)
        assert header(path).transparent
        assert pixels.shape == (5, 7, 1)
        assert (pixels[:, :3] == 0).all()
        assert (pixels[:, 3:] == (65535 if "16" in kind else 255)).all()

    @pytest.mark.parametrize("bits", [8, 16])
    def test_a_transparent_colour(self, bits, tmp_path):
        values = np.zeros((5, 7, 3), int)
        values[:, 3:] = (10, 20, 30)
        clear = chunk(b"tRNS", struct.pack(">HHH", 10, 20, 30))
        if bits == 16:
            deep(tmp_path / "a.png", values, before=clear)
        else:
            png(tmp_path / "a.png", [row.astype(np.uint8).tobytes() for row in values], 8, 2, (7, 5), before=clear)
        pixels = read(tmp_path / "a.png")
        assert (pixels[:, :3] == 0).all()
        assert (pixels[:, 3:] == (65535 if bits == 16 else 255)).all()

    def test_what_shines_through_is_mixed(self, tmp_path):
        image = np.zeros((1, 256, 4), np.uint8)
        image[..., :3], image[..., 3] = 100, np.arange(256)
        Image.fromarray(image).save(tmp_path / "a.png")
        share = np.arange(256) / 255
        np.testing.assert_array_equal(read(tmp_path / "a.png")[0, :, 0], np.rint(100 * share + 255 * (1 - share)))


def damaged(path, kind):
    """Damage the picture at `path`."""
    whole = bytearray(path.read_bytes())
    match kind:
        case "half":
            whole = whole[: len(whole) // 2]
        case "bit":
            whole[whole.index(b"IDAT") + 20] ^= 0xFF
        case "header":
            whole[20] ^= 0xFF
        case "empty":
            whole = bytearray()
        case "text":
            whole = bytearray(b"hello")
        case "EPS":
            whole = bytearray(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
        case "PDF":
            whole = bytearray(b"%PDF-1.4\n")
    path.write_bytes(whole)


@pytest.mark.parametrize("kind", ["half", "bit", "header", "empty", "text", "EPS", "PDF"])
def test_what_is_damaged_is_an_error_that_names_the_file(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("subprocess.Popen", None)  # no reader runs a program
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    damaged(tmp_path / "a.png", kind)
    with pytest.raises(Unreadable, match=r"every image must be .*a\.png (cannot be|has)"):
        read(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff", "gif", "bmp", "ppm", "jp2", "avif"])
def test_whatever_a_reader_raises_names_the_file(suffix, tmp_path):
    """A hundred random damages of each format: decoded all the same, or one error."""
    path = tmp_path / f"a.{suffix}"
    if suffix not in {known.lstrip(".") for known in opening.suffixes()}:
        pytest.skip("this Pillow does not read it")
    Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    whole, rng = path.read_bytes(), np.random.default_rng(1)
    messages = []
    for _ in range(100):
        part = bytearray(whole[: rng.integers(1, len(whole) + 1)] if rng.random() < 0.3 else whole)
        for place in rng.integers(0, len(part), 3):
            part[place] = rng.integers(0, 256)
        path.write_bytes(part)
        try:
            assert read(path).ndim == 3
        except Unreadable as error:
            messages.append(str(error))
    assert all(str(path) in message and "\n" not in message for message in messages)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_metadata_that_cannot_be_read_is_ignored(suffix, tmp_path):
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x09" + b"\x01\x12\0\x09\xff\xff\xff\xff" * 9
    for bad in (exif, b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"nonsense"):
        Image.fromarray(COLOURS).save(tmp_path / f"a.{suffix}", exif=bad)
        assert read(tmp_path / f"a.{suffix}").shape == COLOURS.shape


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"pHYs", b"tIME", b"gAMA", b"sPLT"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("checksum", ["right", "wrong"])
def test_a_chunk_of_metadata_that_cannot_be_read_is_ignored(kind, bits, checksum, tmp_path):
    bad = chunk(kind, b"\xff\0\xfe\x07nonsense")
    bad = bad if checksum == "right" else bad[:-1] + bytes([bad[-1] ^ 0xFF])
    for place in ("before", "after"):
        if bits == 16:
            deep(tmp_path / "a.png", COLOURS, **{place: bad})
        else:
            png(tmp_path / "a.png", [row.tobytes() for row in COLOURS], 8, 2, (7, 5), **{place: bad})
        np.testing.assert_array_equal(read(tmp_path / "a.png"), COLOURS)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    rows = [bytes(9) for _ in range(3)]
    png(tmp_path / "a.png", rows, 8, 2, (13_312, 13_312))
    with pytest.raises(Unreadable, match=r"at most 134,217,728 pixels, but .*a\.png has 13312x13312"):
        header(tmp_path / "a.png")
    png(tmp_path / "b.png", rows, 8, 2, (100_000, 100_000))
    for function in (header, read):
        with pytest.raises(Unreadable, match=r"at most 134,217,728 pixels, but .*b\.png has more"):
            function(tmp_path / "b.png")


def test_of_several_pictures_the_first_is_taken(tmp_path):
    frames = [Image.fromarray(np.full((4, 4, 3), level, np.uint8)) for level in (10, 200)]
    for suffix in ("gif", "tiff", "webp", "png"):
        options = {"lossless": True} if suffix == "webp" else {}
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
        assert header(tmp_path / f"a.{suffix}").several
        assert (read(tmp_path / f"a.{suffix}") == 10).all()
