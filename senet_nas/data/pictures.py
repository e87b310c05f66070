"""Images one after the other, from wherever they lie: a list of them, and their pixels, decoded alike for every source.

Threads decode the images in order, at most CHUNK images ahead.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from senet_nas import hardware
from senet_nas.data.folder_walk import shown
from senet_nas.data.partly_read import few_bright_pixels, several_pages, unused_levels
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

T = TypeVar("T")


@dataclass(frozen=True)
class Look:
    """What is known of an image before it is decoded: pages, levels if it is deep, whether grey, (width, height)."""

    frames: int
    deepest: tuple[float, float]
    grey: bool
    size: tuple[int, int]


@dataclass(frozen=True)
class Stored:
    """An image that is not a file of its own: its name, and what gives it as an open image or as an encoded file.

    ``seen``: what a source that had to read the image anyway has seen of it.
    """

    name: str
    read: "Callable[[], Path | Image.Image | BinaryIO]"
    seen: Look | None = None

    def __str__(self) -> str:
        return self.name


Entry = Path | Stored
Files = Sequence[tuple[Entry, int]]

# Side in pixels to which images are decoded unless the spec or the source gives one.
SIDE = 64
NAMED_FAULTS = 10  # an error names this many images; it counts the others
# Images that are decoded together, which bounds the memory ahead of the reader.
CHUNK = 256


@dataclass(frozen=True)
class Listing:
    """The images of a source with their classes: train, and validation and test if the source has these sets.

    ``side``: the side in pixels of all images, if the source keeps them as squares of one size. ``keys``: the group or
    the time of each image, if the config asks for one.
    """

    files: Mapping[str, Files]
    classes: tuple[str, ...]
    grey: bool
    notes: tuple[str, ...]
    side: int | None = None
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        return 1 if self.grey else 3

    @property
    def labels(self) -> "dict[str, NDArray[np.int64]]":
        import numpy as np

        return {name: np.array([label for _, label in files], dtype=np.int64) for name, files in self.files.items()}


@dataclass(frozen=True)
class Depth:
    """The level of deep images (more than one byte per value) that is white, and cautions about it.

    ``white`` is 255 if no image is deep.
    """

    white: float
    notes: tuple[str, ...] = ()


def depth(found: Listing) -> Depth:
    """The white of all images of a source. Every image is opened; only deep ones are decoded.

    Images that cannot be read count as not deep: :func:`decoded` names them.
    """
    from senet_nas.data.pixels import white_of

    entries = [entry for files in found.files.values() for entry, _ in files]
    seen = {str(entry): found for entry, found in _each(_pages_and_levels, entries) if not isinstance(found, Exception)}
    levels = {name: largest for name, (_, (largest, _)) in seen.items() if largest > 0}
    usual = [level for _, (largest, level) in seen.values() if largest > 0]
    pages = several_pages({name: n for name, (n, _) in seen.items() if n > 1})
    if not levels:
        return Depth(255.0, pages)
    white = white_of(max(levels.values()))
    return Depth(white, (*pages, *(unused_levels(levels, white) or few_bright_pixels(usual, white))))


def decoded(files: Files, side: int, *, grey: bool, white: float) -> "Iterator[NDArray[np.uint8]]":
    """Every image x_HWC, its shorter side resized to ``side`` pixels, its centre cropped to a square.

    ``white`` is that of :func:`depth`. Raises UserError after the last image; the error names the files that cannot be
    read.
    """
    import numpy as np

    from senet_nas.data.pixels import read_pixels, reason

    channels = 1 if grey else 3

    def read(entry: Entry) -> "NDArray[np.uint8]":
        return read_pixels(opened(entry), side, channels=channels, white=white)

    bad: list[str] = []
    for entry, x_HWC in _each(read, [entry for entry, _ in files]):
        if isinstance(x_HWC, Exception):
            bad.append(f"{shown(str(entry))} ({reason(x_HWC)})")
            yield np.zeros((side, side, channels), dtype=np.uint8)
        else:
            yield x_HWC
    _check_read(bad, len(files))


def sizes(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """Width and height of each image, from its header alone. Raises UserError that names the images without one."""
    from senet_nas.data.pixels import reason, size

    def read(entry: Entry) -> tuple[int, int]:
        return entry.seen.size if isinstance(entry, Stored) and entry.seen else size(opened(entry))

    found = list(_each(read, entries))
    _check_read([f"{shown(str(e))} ({reason(seen)})" for e, seen in found if isinstance(seen, Exception)], len(entries))
    return [seen for _, seen in found if not isinstance(seen, Exception)]


def side(spec: DataSpec, found: Listing) -> int:
    """The side in pixels to which images are decoded."""
    return spec.resize or spec.image_size or found.side or SIDE


def all_grey(files: Files) -> bool:
    """Whether no image shows colour; images that cannot be read do not count."""
    from senet_nas.data.pixels import is_grey

    def shows_grey(entry: Entry) -> bool:
        return entry.seen.grey if isinstance(entry, Stored) and entry.seen else is_grey(opened(entry))

    return all(grey for _, grey in _each(shows_grey, [entry for entry, _ in files]) if not isinstance(grey, Exception))


def look(source: "Path | Image.Image | BinaryIO") -> Look:
    """What is known of an image before it is decoded. Raises what Pillow raises for a damaged one."""
    from senet_nas.data.pixels import deepest, frames, is_grey, size

    return Look(frames(source), deepest(source), is_grey(source), size(source))


def opened(entry: Entry) -> "Path | Image.Image | BinaryIO":
    """What Pillow reads an image from. Raises whatever the source raises."""
    return entry.read() if isinstance(entry, Stored) else entry


# -- inside -----------------------------------------------------------------------------------------------------------


def _check_read(bad: Sequence[str], n: int) -> None:
    """Raises UserError with the first of the ``bad`` images among ``n``, each with the reason."""
    if bad:
        more = f" and {len(bad) - NAMED_FAULTS} more" if len(bad) > NAMED_FAULTS else ""
        raise UserError(
            f"{len(bad)} of {n} images cannot be read: {'; '.join(bad[:NAMED_FAULTS])}{more}",
            hint="repair, convert or remove them",
            key="data.path",
        )


def _pages_and_levels(entry: Entry) -> tuple[int, tuple[float, float]]:
    """What :func:`depth` asks of an image: no more, because every question opens the file once."""
    from senet_nas.data.pixels import deepest, frames

    if isinstance(entry, Stored) and entry.seen:
        return entry.seen.frames, entry.seen.deepest
    source = opened(entry)
    return frames(source), deepest(source)


def _each(function: Callable[[Entry], T], entries: Sequence[Entry]) -> Iterator[tuple[Entry, T | Exception]]:
    """Each entry with the function's result or what it raised, in order, from threads that are at most CHUNK ahead."""

    def attempt(entry: Entry) -> T | Exception:
        try:
            return function(entry)
        except Exception as error:  # Pillow raises many kinds; each means that this image cannot be read
            return error

    with ThreadPoolExecutor(hardware.cores()) as pool:
        for begin in range(0, len(entries), CHUNK):
            part = entries[begin : begin + CHUNK]
            yield from zip(part, pool.map(attempt, part), strict=True)
