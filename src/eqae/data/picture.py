"""One image file, of whatever size and mode, as a square of 8-bit pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

Bytes = NDArray[np.uint8]

EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


class UnreadablePicture(Exception):  # noqa: N818 - it names a state, and never reaches the user
    """Why a file gives no pixels."""


def read_picture(path: Path, size: int, channels: Literal[1, 3], *, invert: bool) -> Bytes:
    """The first frame of an image file, padded to a square and resized with antialiasing.

    Padding has the median colour of the image's border and is the same on both sides, up to one pixel. Where the file
    is transparent the result is 0. 16-bit grey is scaled as a whole, 65535 to 255: the images of a folder stay
    comparable.

    Args:
        path: the file.
        size: height and width of the result.
        channels: 1 (grey) or 3 (RGB).
        invert: turn white into black.

    Returns:
        ``(channels, size, size)`` uint8.

    Raises:
        UnreadablePicture: the file is corrupt, not an image, or of a pixel type without a known range.
    """
    try:
        with Image.open(path) as file:
            pixels = _eight_bit(file, channels, backdrop=255 if invert else 0)
    except UnreadablePicture:
        raise
    except Exception as error:  # a decoder may throw anything at a broken file
        reason = "not an image, or cut off at the start" if isinstance(error, UnidentifiedImageError) else error
        raise UnreadablePicture(f"{reason}") from None
    square = Image.fromarray(_squared(pixels)).resize((size, size), Image.Resampling.BILINEAR)
    values = np.asarray(square).reshape(size, size, channels).transpose(2, 0, 1)
    return np.ascontiguousarray(255 - values if invert else values)


def _eight_bit(image: Image.Image, channels: Literal[1, 3], backdrop: int) -> Bytes:
    """``(H, W)`` or ``(H, W, 3)``."""
    if image.mode == "F":
        raise UnreadablePicture(
            "floating-point pixels, whose range is not known: store 8 or 16 bits, or use data.name: npz"
        )
    if image.mode.startswith("I"):
        return _from_sixteen_bit(np.asarray(image), channels)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (backdrop, backdrop, backdrop, 255)), image)
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))


def _from_sixteen_bit(values: NDArray[Any], channels: Literal[1, 3]) -> Bytes:
    if values.min() < 0 or values.max() > 65535:
        raise UnreadablePicture(f"pixels from {values.min()} to {values.max()}: more than 16 bits")
    grey = np.rint(values / 257).astype(np.uint8)
    return grey if channels == 1 else np.repeat(grey[..., None], 3, axis=-1)


def _squared(pixels: Bytes) -> Bytes:
    """``(H, W, ...)`` centred in a square of the border's median colour."""
    height, width = pixels.shape[:2]
    if height == width:
        return pixels
    side = max(height, width)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    square = np.empty((side, side, *pixels.shape[2:]), np.uint8)
    square[:] = np.median(border, axis=0).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = pixels
    return square
