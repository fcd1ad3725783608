"""How images are read: the settings that change which pixels a network sees."""

from dataclasses import dataclass
from typing import Literal

from resnet_core.errors import UserError

DataFormat = Literal["channels_last", "channels_first"]
FIELDS = ("background", "skip_damaged", "data_format")
"""The fields of `TrainSpec` that say how images are read."""


@dataclass(frozen=True)
class Reading:
    """How images are read; see `TrainSpec`."""

    background: str = "white"
    skip_damaged: bool = False
    data_format: DataFormat | None = None

    def check(self, data: str, *read: str) -> None:
        """Check that every setting with another value than its default applies to the data set.

        Args:
            data: Name of the data set in error messages.
            read: Names of the settings that apply to it.

        Raises:
            UserError: A setting that does not apply is set.
        """
        kinds = {
            "background": "a folder of images",
            "skip_damaged": "a folder of images",
            "data_format": "an .npz file",
        }
        for name in FIELDS:
            if name not in read and getattr(self, name) != getattr(Reading(), name):
                raise UserError(
                    f"`{name}` is read with {kinds[name]} only, but got {name}={getattr(self, name)} with {data}; "
                    "leave it out"
                )


def colour(text: str) -> str:
    """Return the canonical spelling of a colour: `white`, `black` or `#rrggbb`.

    Raises:
        UserError: The text is not an opaque colour.
    """
    if text in ("white", "black"):
        return text
    from PIL import ImageColor

    try:
        rgb: tuple[int, ...] = ImageColor.getrgb(text)
    except ValueError:
        rgb = ()
    if len(rgb) != 3:
        raise UserError(f"`background` must be an opaque colour such as white, black or #rrggbb, but got {text!r}")
    return {(255, 255, 255): "white", (0, 0, 0): "black"}.get(rgb, "#{:02x}{:02x}{:02x}".format(*rgb))


def rgb_of(background: str) -> tuple[int, int, int]:
    """Return red, green and blue of a colour, each from 0 to 255."""
    from PIL import ImageColor

    red, green, blue = ImageColor.getrgb(background)[:3]
    return red, green, blue
