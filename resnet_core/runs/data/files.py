"""Data sets from files: an `.npz` in Keras' format, or a folder of images."""

import hashlib
import os
import warnings
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from platformdirs import user_cache_path

from resnet_core.errors import UserError
from resnet_core.runs.data.arrays import Array, Images, check_images, split_stratified

SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})
KEYS = ("x_train", "y_train", "x_test", "y_test")
DEFAULT_SIZE = 32
TEST_FRACTION = 0.2


def read_npz(path: Path) -> Images:
    """Read an `.npz` file with the arrays `x_train`, `y_train`, `x_test` and `y_test`.

    Raises:
        UserError: It is not such a file, or its arrays do not fit one another.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            missing = [key for key in KEYS if key not in file.files]
            if missing:
                raise UserError(
                    f"an .npz file must hold {', '.join(KEYS)}, but {path} has no `{missing[0]}` "
                    f"(it has {', '.join(sorted(file.files)) or 'nothing'})"
                )
            arrays = {key: file[key] for key in KEYS}
            if not all(isinstance(array, np.ndarray) for array in arrays.values()):
                raise ValueError("a member is not an array")
    except UserError:
        raise
    except (OSError, ValueError, TypeError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"an .npz file must be readable without pickle, but {path} is not: {error}") from None
    return check_images(str(path), arrays)


def read_folder(folder: Path, image_size: int | None = None) -> Images:
    """Read `train/<class>/*` and `test/<class>/*`, or `<class>/*` with a stratified fifth as test.

    Images are PNG or JPEG, of any size. If all are grey there is one channel, else there are three.
    They are resized to `image_size`; without it they stay as they are if all have one size, and
    else are resized to 32 rows and columns. The decoded arrays are kept in the user's cache folder.

    Raises:
        UserError: There are not two classes with images, or an image cannot be decoded.
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
    cache = user_cache_path("resnet-ablation") / f"{_state(folder, listed, image_size)}.npz"
    arrays = _kept(cache)
    if arrays is None:
        arrays = _decode(listed, class_names, image_size)
        _keep(cache, arrays)
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
    return state.hexdigest()[:32]


def _decode(
    listed: dict[str, list[tuple[str, Path]]], class_names: tuple[str, ...], image_size: int | None
) -> dict[str, Array]:
    files = [file for part in listed.values() for _, file in part]
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # a large photograph is no attack
    with ThreadPoolExecutor() as pool:
        headers = list(pool.map(_header, files))
    mode = "L" if all(grey for _, grey in headers) else "RGB"
    sizes = {size for size, _ in headers}
    native = sizes.pop() if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE)
    size = (image_size, image_size) if image_size else native
    with ThreadPoolExecutor() as pool:
        x = np.stack(list(pool.map(lambda file: _pixels(file, mode, size), files)))
    y = np.array([class_names.index(name) for part in listed.values() for name, _ in part])
    if "all" in listed:
        train, test = split_stratified(y, len(y) - max(1, round(TEST_FRACTION * len(y))), seed=0)
    else:
        train, test = np.split(np.arange(len(y)), [len(listed["train"])])
    return {"x_train": x[train], "y_train": y[train], "x_test": x[test], "y_test": y[test]}


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


def _kept(cache: Path) -> dict[str, Array] | None:
    """Read the cache; none if it is not there or damaged."""
    try:
        with cache.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return {key: file[key] for key in KEYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _keep(cache: Path, arrays: dict[str, Array]) -> None:
    """Write the cache, aside first and then in place; a cache that cannot be written is no error."""
    aside = cache.with_suffix(f".{os.getpid()}.tmp")
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        aside.replace(cache)
    except OSError:
        aside.unlink(missing_ok=True)
