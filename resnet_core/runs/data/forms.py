"""The common form to which all pictures of a folder are converted, and notes on the conversion."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from resnet_core.errors import UserError
from resnet_core.runs.data.checks import check_side
from resnet_core.runs.data.pictures import Form, Header
from resnet_core.runs.description import MOST_FILES, counted, printable
from resnet_core.runs.reading import Reading, rgb_of

DEFAULT_SIZE = 32


def form_of(where: str, headers: Mapping[Path, Header], image_size: int | None, reading: Reading) -> Form:
    """Return the common form of all pictures.

    Args:
        where: Name of the folder in error messages.
        headers: Header of every file.
        image_size: Height and width. With `None`, the size of the pictures if all have the same, else `DEFAULT_SIZE`.
        reading: The background of transparent pictures.

    Raises:
        UserError: The types of the values have no common scale, or the pictures are too large.
    """
    values = {header.values: file for file, header in headers.items()}
    if len(values) > 1 and values.keys() != {"uint8", "uint16"}:
        (form, first), (other, second) = sorted(values.items())[:2]
        raise UserError(
            f"all images must have values of one scale, but {printable(str(first))} has {form} and "
            f"{printable(str(second))} has {other}; save them alike"
        )
    sizes = {header.size for header in headers.values()}
    size = sizes.pop() if len(sizes) == 1 else (DEFAULT_SIZE, DEFAULT_SIZE)
    if image_size:
        size = (image_size, image_size)
    check_side(where, size[1], size[0])
    background = rgb_of(reading.background)
    colourless = all(header.grey for header in headers.values())
    tinted = len(set(background)) > 1 and any(header.transparent for header in headers.values())
    scale = "uint16" if "uint16" in values else next(iter(values))
    return Form(size, 1 if colourless and not tinted else 3, scale, background)


def notes_of(headers: Mapping[Path, Header], form: Form, reading: Reading) -> Iterator[str]:
    """Yield a line for each conversion of the pictures."""
    width, height = form.size
    if other := _those(headers, lambda header: header.size != form.size):
        yield f"{counted(len(other), 'image')} resized to {width}x{height} (--image-size takes another size)"
    if clear := _those(headers, lambda header: header.transparent):
        yield f"{counted(len(clear), 'image')} with transparency composited on {reading.background}"
    if form.channels == 3 and (grey := _those(headers, lambda header: header.grey)):
        yield f"{counted(len(grey), 'grey image')} read as colour"
    if form.values != "uint8":
        yield f"{form.values} values kept, as float32"
        if small := _those(headers, lambda header: header.values == "uint8"):
            yield f"{counted(len(small), 'image')} of 8 bits scaled to the range of 16 bits"
    if cut := _those(headers, lambda header: header.cut):
        yield f"{counted(len(cut), 'image')} of more than 8 bits a colour read as of 8 ({_named(cut)})"
    if several := _those(headers, lambda header: header.several):
        yield f"the first picture taken of {counted(len(several), 'file')} with several ({_named(several)})"


def _those(headers: Mapping[Path, Header], test: Callable[[Header], bool]) -> list[Path]:
    return [file for file, header in headers.items() if test(header)]


def _named(files: Sequence[Path]) -> str:
    """Return the names of the first files, and the number of the others."""
    names = ", ".join(printable(file.name) for file in files[:MOST_FILES])
    return f"{names}, and {len(files) - MOST_FILES} more" if len(files) > MOST_FILES else names
