"""Pictures that somebody sent: decoded within bounds, and nothing of them kept but the pixels."""

import io
import warnings
from collections.abc import Sequence

from PIL import Image, ImageOps, UnidentifiedImageError

_BROKEN = (
    UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, MemoryError, Image.DecompressionBombError,
    Image.DecompressionBombWarning, OverflowError, IndexError, KeyError, TypeError,
)  # fmt: skip


class Unreadable(Exception):  # noqa: N818 - an answer
    """It is no picture of these formats, or a broken one."""


class TooLarge(Exception):  # noqa: N818
    """It has too many pixels."""


def decoded(file: bytes, formats: Sequence[str], pixels_max: int, mode: str = "RGBA") -> Image.Image:
    """The pixels of the first frame, upright, without what the file says beside them. Raises Unreadable, TooLarge."""
    try:
        return _decoded(file, formats, pixels_max, mode)
    except _BROKEN as error:
        raise Unreadable from error


def _decoded(file: bytes, formats: Sequence[str], pixels_max: int, mode: str) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(io.BytesIO(file), formats=list(formats)) as picture:
            # The head of the file says how large it becomes: asked before anything is unpacked.
            if picture.width * picture.height > pixels_max:
                raise TooLarge
            picture.load()
            pixels = _upright(picture).convert(mode)
    return Image.frombytes(mode, pixels.size, pixels.tobytes())


def _upright(picture: Image.Image) -> Image.Image:
    """As the camera was held, when the file says so in a way that can be read."""
    try:
        return ImageOps.exif_transpose(picture)
    except _BROKEN:
        return picture
