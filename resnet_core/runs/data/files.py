"""Data sets from files: an `.npz` in Keras' format, or a folder of images."""

import hashlib
import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from platformdirs import user_cache_path

from resnet_core.errors import UserError
from resnet_core.runs.data import stored
from resnet_core.runs.data.arrays import Images, as_stored, check_form, check_images, resized, split_stratified
from resnet_core.runs.data.stored import CHUNK_VALUES, Array, Header, Parts, Rows

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
KEYS = ("x_train", "y_train", "x_test", "y_test")
PIXELS = ("x_train", "x_test")
DECODED_AT_ONCE = 64
DEFAULT_SIZE = 32
TEST_FRACTION = 0.2


def read_npz(path: Path, image_size: int | None = None, resident: float = math.inf) -> Images:
    """Read an `.npz` file with the arrays `x_train`, `y_train`, `x_test` and `y_test`.

    Args:
        path: The file.
        image_size: Height and width to which the images are resized.
        resident: Bytes up to which images are held in memory; more are stored in the user's cache folder.

    Raises:
        UserError: It is not such a file, or its arrays do not fit one another, or there is no room in the cache folder.
    """
    with _readable(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        missing = [key for key in KEYS if key not in file.files]
        if missing:
            raise UserError(
                f"an .npz file must hold {', '.join(KEYS)}, but {path} has no `{missing[0]}` "
                f"(it has {', '.join(sorted(file.files)) or 'nothing'})"
            )
    with _readable(path), zipfile.ZipFile(path) as archive:
        headers = {key: _header_in(archive, key) for key in PIXELS}
        forms = {key: _form(header, image_size) for key, header in headers.items()}
        if sum(math.prod(shape) * dtype.itemsize for shape, dtype in forms.values()) > resident:
            return check_images(str(path), _stored_npz(path, archive, headers, image_size))
    with _readable(path), path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
        arrays = {key: file[key] for key in KEYS}
        if not all(isinstance(array, np.ndarray) for array in arrays.values()):
            raise ValueError("a member is not an array")
    return check_images(str(path), arrays).resized(image_size)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Make a user's mistake of a file that cannot be read."""
    try:
        yield
    except UserError:
        raise
    except stored.UNREADABLE as error:
        raise UserError(f"an .npz file must be readable without pickle, but {path} is not: {error}") from None


def _header_in(archive: zipfile.ZipFile, key: str) -> Header:
    with archive.open(f"{key}.npy") as member:
        return stored.header_of(member)


def _form(header: Header, image_size: int | None) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and type of an array of images as `Images` has them; of what is no images, something."""
    shape, _, dtype = header
    rows, columns = (image_size, image_size) if image_size else (*shape[1:3], 0, 0)[:2]
    return (*shape[:1], rows, columns, *(shape[3:] or (1,))), np.dtype(np.uint8 if dtype == np.uint8 else np.float32)


def _stored_npz(
    path: Path, archive: zipfile.ZipFile, headers: dict[str, Header], image_size: int | None
) -> dict[str, Rows]:
    """Return the arrays of the file, the images stored in the cache."""
    stat = path.stat()
    state = f"npz 1 {image_size} {stat.st_size} {stat.st_mtime_ns} ".encode() + os.fsencode(path.resolve())
    cache = _cached(hashlib.sha256(state).hexdigest())
    kept = _kept(cache, 0)
    if kept is not None:
        return kept
    for key, (shape, _, dtype) in headers.items():
        check_form(str(path), key, shape, dtype)
    arrays: dict[str, Array | Parts] = {}
    for key in KEYS:
        if key in PIXELS:
            arrays[key] = Parts(*_form(headers[key], image_size), _parts(path, archive, key, image_size))
        else:
            with archive.open(f"{key}.npy") as member:
                arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
    return _store(cache, arrays)


def _parts(path: Path, archive: zipfile.ZipFile, key: str, image_size: int | None) -> Iterator[Array]:
    """Yield the images of a member, some at a time; all at once if they are in Fortran's order."""
    with _readable(path), archive.open(f"{key}.npy") as member:
        shape, fortran, dtype = stored.header_of(member)
        row = math.prod(shape[1:])
        length = shape[0] if fortran else max(1, CHUNK_VALUES // row)
        for start in range(0, shape[0], length):
            count = min(length, shape[0] - start)
            content = member.read(count * row * dtype.itemsize)
            images = np.frombuffer(content, dtype).reshape((count, *shape[1:]), order="F" if fortran else "C")
            images = as_stored(str(path), key, images)
            if image_size and images.shape[1:3] != (image_size, image_size):
                images = resized(images, image_size)
            yield images


def read_folder(folder: Path, image_size: int | None = None, resident: float = math.inf) -> Images:
    """Read `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified fifth as test.

    Images are PNG or JPEG, of any size. If all are grey there is one channel, else there are three.
    They are resized to `image_size`; without it they stay as they are if all have one size, and
    else are resized to 32 rows and columns. The decoded arrays are kept in the user's cache folder.

    Args:
        folder: The folder.
        image_size: As said.
        resident: Bytes up to which images are held in memory; more stay in the cache folder.

    Raises:
        UserError: There are not two classes with images, or an image cannot be decoded, or images that are not to be
            in memory have no room in the cache folder.
    """
    train, test = folder / "train", folder / "test"
    if train.is_dir() != test.is_dir():
        there, missing = ("train", "test") if train.is_dir() else ("test", "train")
        raise UserError(
            f"a folder of images must have both train/ and test/ or neither, "
            f"but {folder} has {there}/ and no {missing}/"
        )
    split = train.is_dir()
    listed = {"train": _listing(train), "test": _listing(test)} if split else {"all": _listing(folder)}
    class_names = tuple(sorted({name for files in listed.values() for name, _ in files}))
    if len(class_names) < 2:
        found = f"only '{class_names[0]}'" if class_names else "none"
        raise UserError(
            "a folder of images must have two classes or more, each a folder with PNG or JPEG files, "
            f"but {folder} has {found}"
        )
    if split:
        lacking = [
            (part, name) for part, files in listed.items() for name in class_names if name not in {c for c, _ in files}
        ]
        if lacking:
            part, name = lacking[0]
            raise UserError(
                f"every class must have images in train/ and in test/, but {folder} has none in {part}/{name}/"
            )
    cache = _cached(_state(folder, listed, image_size))
    arrays = _kept(cache, resident)
    if arrays is None:
        decoded = _decode(listed, class_names, image_size)
        if _size(decoded) > resident:
            arrays = _store(cache, decoded)
        else:
            whole = {key: of.array() if isinstance(of, Parts) else of for key, of in decoded.items()}
            with suppress(OSError):
                stored.write(cache, whole)
            return check_images(str(folder), whole, class_names)
    return check_images(str(folder), arrays, class_names)


def _listing(folder: Path) -> list[tuple[str, Path]]:
    """Return (class, file) of every image, sorted.

    Raises:
        UserError: A folder of a class has no image.
    """
    found = []
    for kind in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = [file for file in sorted(kind.iterdir()) if file.suffix.lower() in SUFFIXES and file.is_file()]
        if not files:
            raise UserError(f"every class must be a folder with PNG or JPEG files in it, but {kind} has none")
        found += [(kind.name, file) for file in files if not file.name.startswith(".")]
    return found


def _state(folder: Path, listed: dict[str, list[tuple[str, Path]]], image_size: int | None) -> str:
    """Return a hash that changes when a file is added, moved, removed or written, or the size changes."""
    state = hashlib.sha256(f"2 {image_size}".encode() + os.fsencode(folder.resolve()))
    for file in (file for files in listed.values() for _, file in files):
        stat = file.stat()
        state.update(os.fsencode(file.relative_to(folder)) + f"\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return state.hexdigest()


def _decode(
    listed: dict[str, list[tuple[str, Path]]], class_names: tuple[str, ...], image_size: int | None
) -> dict[str, Array | Parts]:
    """Return the arrays; an image is decoded when its part is asked for."""
    files = [file for part in listed.values() for _, file in part]
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # a large photograph is no attack
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_header, files))
    mode = "L" if all(grey for _, grey in headers) else "RGB"
    sizes = {size for size, _ in headers}
    native = sizes.pop() if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE)
    size = (image_size, image_size) if image_size else native
    y = np.array([class_names.index(name) for part in listed.values() for name, _ in part])
    if "all" in listed:
        train, test = split_stratified(y, len(y) - max(1, round(TEST_FRACTION * len(y))), seed=0)
    else:
        train, test = np.split(np.arange(len(y)), [len(listed["train"])])

    def x(part: Array) -> Parts:
        shape = (len(part), size[1], size[0], len(mode))
        return Parts(shape, np.dtype(np.uint8), _decoded([files[i] for i in part], mode, size))

    return {"x_train": x(train), "y_train": y[train], "x_test": x(test), "y_test": y[test]}


def _decoded(files: Sequence[Path], mode: str, size: tuple[int, int]) -> Iterator[Array]:
    """Yield the images of `files`, some at a time."""
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(files), DECODED_AT_ONCE):
            some = files[start : start + DECODED_AT_ONCE]
            yield np.stack(list(pool.map(partial(_pixels, mode=mode, size=size), some)))


def _header(file: Path) -> tuple[tuple[int, int], bool]:
    """Return (width, height) of an image and whether it is grey."""
    with _opened(file) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
        return (height, width) if turned else (width, height), image.mode in ("1", "L", "I", "I;16", "LA")


def _pixels(file: Path, mode: str, size: tuple[int, int]) -> Array:
    with _opened(file) as image:
        try:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16-bit greys, which `convert` would clip
                image = Image.fromarray((np.asarray(image) // 256).astype(np.uint8))
            converted = image.convert(mode)
        except (OSError, ValueError, SyntaxError) as error:
            raise UserError(f"every image must be whole, but {file} cannot be decoded: {error}") from None
        if converted.size != size:
            converted = converted.resize(size, Image.Resampling.BILINEAR)
        return np.asarray(converted).reshape(size[1], size[0], -1)


def _opened(file: Path) -> Image.Image:
    try:
        return Image.open(file)
    except UnidentifiedImageError:
        raise UserError(f"every image must be a PNG or JPEG, but {file} cannot be identified as one") from None
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise UserError(f"every image must be readable, but {file} is not: {error}") from None


def _cached(state: str) -> Path:
    return user_cache_path("resnet-ablation") / f"{state[:32]}.npz"


def _size(arrays: Mapping[str, Rows | Parts]) -> int:
    """Return the bytes of the images."""
    return sum(math.prod(arrays[key].shape) * arrays[key].dtype.itemsize for key in PIXELS)


def _kept(cache: Path, resident: float) -> dict[str, Rows] | None:
    """Return the arrays in the cache, the images stored if they have more bytes; none if it is not there or damaged."""
    forms = stored.read(cache, KEYS, PIXELS, check=False)
    return forms and stored.read(cache, KEYS, PIXELS if _size(forms) > resident else ())


def _store(cache: Path, arrays: Mapping[str, Array | Parts]) -> dict[str, Rows]:
    """Write the cache; return its arrays, the images stored.

    Raises:
        UserError: It cannot be written.
    """
    try:
        stored.write(cache, arrays)
        kept = stored.read(cache, KEYS, PIXELS, check=False)
        if kept is None:
            raise OSError("it cannot be read again")
        return kept
    except OSError as error:
        raise UserError(
            f"images that are not held in memory need room for {_size(arrays) / 2**30:.1f} GiB in the cache folder, "
            f"but {cache} cannot be written: {error}; set XDG_CACHE_HOME to another folder, or take --stream never"
        ) from None
