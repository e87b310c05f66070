"""One image file as uint8 pixels: the only reading of images, for training, test and the exported `predict.py`.

The export copies this file into `predict.py`, so it imports Pillow and numpy alone.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

# Modes of one byte per value that Pillow converts to grey and to colour as they are meant.
BYTES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV")
# Grey levels of more than one byte. Pillow would clip them at 255 instead of scaling them.
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
# Modes that show no colour.
GREY = ("1", "L", "LA", *DEEP)
# White of deep images: shares of 1, or all bits of 8, 10, 12, 14, 16, 24 or 32.
WHITES = (1.0, *(2.0**bits - 1 for bits in (8, 10, 12, 14, 16, 24, 32)))
# Tags of TIFF files, and what their values mean.
BITS = 258
PHOTOMETRIC = 262
WHITE_IS_ZERO = 0
SAMPLE_FORMAT = 339
UNSIGNED = 1
SIGNED = 2
ORIENTATION = 0x0112  # the EXIF tag that says how the camera was held
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_DEEP_COLOUR = (
    "has 16 bits per colour, of which Pillow reads the upper 8; convert it to 8 bits, or to grey without transparency"
)


# An image file, its content, or an image that is open already and stays so.
Source = Path | BinaryIO | Image.Image


class UnreadablePixels(ValueError):
    """The file is an image, but its values have no meaning as grey levels or colours; the message says why."""


def read_pixels(path: Source, side: int, *, channels: int, white: float) -> NDArray[np.uint8]:
    """Pixels (side, side, channels) uint8 of an image file: upright, the shorter side resized to ``side``, centre crop.

    ``channels`` is 1 (grey) or 3 (RGB). ``white`` is the level of deep images that becomes 255, the same for all images
    of a data set (:func:`white_of`). Raises UnreadablePixels, and whatever Pillow raises for a damaged file.
    """
    _check_sums(path)
    with _opened(path) as image:
        _check_stored(image)
        shallow = _eight_bits(image, white) if image.mode in DEEP else image
        colours = _upright(_checked(shallow), _orientation(image)).convert("L" if channels == 1 else "RGB")
    return np.atleast_3d(np.asarray(_fitted(colours, side), dtype=np.uint8))


def deepest(path: Source) -> tuple[float, float]:
    """The largest level of a deep image, and the level that only the brightest 1 % of its pixels exceed.

    Both are 0 for images of one byte per value. Raises UnreadablePixels.
    """
    with _opened(path) as image:
        _check_stored(image)
        if image.mode not in DEEP:
            return 0.0, 0.0
        levels = _levels(image)
        return float(levels.max()), float(np.quantile(levels, 0.99, method="lower"))


def frames(path: Source) -> int:
    """The number of pages or frames of an image file, of which the first is read. A camera's previews do not count."""
    try:
        with _opened(path) as image:
            return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except Exception:  # counting follows all pages; a damaged later one does not make the first unreadable
        return 1


def is_grey(path: Source) -> bool:
    """Whether an image file shows no colour, by its mode. Raises whatever Pillow raises for a damaged file."""
    with _opened(path) as image:
        return image.mode in GREY


def size(path: Source) -> tuple[int, int]:
    """Width and height of an image as it is stored. Raises whatever Pillow raises for a damaged file."""
    with _opened(path) as image:
        return image.size


def reason(error: Exception) -> str:
    """Why a file could not be read, in a few words."""
    if isinstance(error, UnreadablePixels):
        return str(error)
    if isinstance(error, UnidentifiedImageError):
        return "is not an image that Pillow can read, or its beginning is damaged"
    if isinstance(error, Image.DecompressionBombError):
        return f"has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, which Pillow refuses"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    lines = str(error).splitlines() or [type(error).__name__]
    return getattr(error, "strerror", None) or f"is damaged: {lines[0]}"


def white_of(largest: float) -> float:
    """The white that holds a data set's largest level: 1, or the next of 8, 10, 12, 14, 16, 24 and 32 bits."""
    return next((white for white in WHITES if largest <= white), WHITES[-1])


def _opened(source: Source) -> AbstractContextManager[Image.Image]:
    return nullcontext(source) if isinstance(source, Image.Image) else Image.open(source)


def _check_sums(path: Source) -> None:
    """PNG files carry checksums, which Pillow ignores while it decodes pixels: a flipped byte would go unnoticed."""
    if isinstance(path, Image.Image):
        return
    with Image.open(path) as image:
        if image.format == "PNG":
            image.verify()


def _check_stored(image: Image.Image) -> None:
    """Raises UnreadablePixels if Pillow would read the stored values otherwise than they are meant."""
    if image.mode in BYTES:
        _check_depth(image)
    if _tag(image, SAMPLE_FORMAT) == SIGNED and _tag(image, BITS) == 8:
        lowest = int(np.asarray(image).view(np.int8).min())
        if lowest < 0:
            raise UnreadablePixels(f"holds negative values, down to {lowest}")
    if image.mode in DEEP and _tag(image, PHOTOMETRIC) == WHITE_IS_ZERO:
        raise UnreadablePixels("has more than 8 bits that count from white to black (WhiteIsZero); invert it")


def _check_depth(image: Image.Image) -> None:
    """Raises UnreadablePixels if an image that Pillow reads with one byte per value holds more."""
    for codec, _, _, detail in getattr(image, "tile", ()):
        known = detail if isinstance(detail, tuple) else (detail,)
        if codec.startswith("ppm") and isinstance(known[-1], int) and known[-1] > 255:
            raise UnreadablePixels(
                f"has colours up to {known[-1]:,}, of which Pillow keeps 8 bits; convert it to 8 bits or to grey"
            )
        if any(isinstance(form, str) and ";16" in form and form[-1] in "BLN" for form in known):
            raise UnreadablePixels(_DEEP_COLOUR)
    if (_tag(image, BITS) or 0) > 8:
        raise UnreadablePixels(_DEEP_COLOUR)


def _tag(image: Image.Image, tag: int) -> int | None:
    """The first value of a tag of a TIFF file; None without the tag, and for other files."""
    found = image.tag_v2.get(tag) if isinstance(image, TiffImageFile) else None
    return found[0] if isinstance(found, tuple) else found


def _levels(image: Image.Image) -> NDArray[np.float64]:
    stored = np.asarray(image)
    if image.mode == "I" and _tag(image, BITS) == 32:
        stored = _as_stored(image, stored)
    levels = stored.astype(np.float64)
    if not np.isfinite(levels).all():
        raise UnreadablePixels("holds NaN or infinite values")
    if levels.min() < 0:
        raise UnreadablePixels(f"holds negative values, down to {levels.min():g}")
    return levels


def _as_stored(image: Image.Image, values: NDArray[np.int32]) -> NDArray[np.generic]:
    """Whole numbers of 32 bits with the sign that a TIFF file gives them: Pillow reads all of them as signed."""
    sign = _tag(image, SAMPLE_FORMAT)
    if sign is None and values.min() < 0:
        raise UnreadablePixels("holds values that are negative or above 2,147,483,647; its tag SampleFormat is missing")
    return values.view(np.uint32) if sign == UNSIGNED else values


def _eight_bits(image: Image.Image, white: float) -> Image.Image:
    levels = _levels(image)
    if levels.max() > white:
        raise UnreadablePixels(f"holds values up to {levels.max():g}, above the white of the data set, {white:.0f}")
    return Image.fromarray(np.rint(levels * (255.0 / white)).astype(np.uint8))


def _checked(image: Image.Image) -> Image.Image:
    if image.mode not in BYTES:
        raise UnreadablePixels(f"has the mode {image.mode}, which has no defined conversion to grey or RGB")
    return image


def _orientation(image: Image.Image) -> int:
    """The value of the EXIF tag; 1 (upright) without one or with metadata that cannot be read."""
    try:
        orientation: int = image.getexif().get(ORIENTATION, 1)
        return orientation
    except Exception:  # metadata are read by many parsers; damaged ones do not make the pixels unreadable
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else image


def _fitted(image: Image.Image, side: int) -> Image.Image:
    """The shorter side resized, then the centre: what PIL.ImageOps.fit does, without a detour through metadata."""
    width, height = image.size
    shorter = min(width, height)
    left = (width - shorter) / 2
    top = (height - shorter) / 2
    box = (left, top, left + shorter, top + shorter)
    return image.resize((side, side), Image.Resampling.BILINEAR, box=box)
