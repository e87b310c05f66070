"""Images in one folder for each class: a list of the files, and the decoded images one after the other.

Listing opens files only to tell grey from colour. Threads decode the images in order, at most CHUNK images ahead.
"""

import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from senet_nas import hardware
from senet_nas.data.folder_classes import Classes, cautions, classes_of, sets_of
from senet_nas.data.folder_walk import ENDINGS, Walked, beside, endings, joined, shown, walk
from senet_nas.data.partly_read import few_bright_pixels, several_pages, unused_levels
from senet_nas.recipe import DataSpec
from spaces.errors import UserError
from spaces.text import plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")
Files = Sequence[tuple[Path, int]]

# Side in pixels to which images are decoded unless the spec gives one.
SIDE = 64
NAMED_FAULTS = 10  # an error names this many files; it counts the others
# Images that are decoded together, which bounds the memory ahead of the reader.
CHUNK = 256


@dataclass(frozen=True)
class Listing:
    """The files of a folder with their classes: train, and validation and test if the folder has these sets."""

    files: Mapping[str, Files]
    classes: tuple[str, ...]
    grey: bool
    notes: tuple[str, ...]

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


def listed(spec: DataSpec, base: Path) -> Listing:
    """The files of a folder: of ``train/CLASS/*``, ``val`` and ``test``, or of ``CLASS/*`` alone. Raises UserError."""
    root = _root(spec, base)
    try:
        parts = sets_of(root)
        classes = classes_of(parts)
        walked = {part: [walk(folder) for folder in found.values()] for part, found in classes.items()}
        loose = joined(beside(folder) for folder in dict.fromkeys([root, *parts.values()]))
        notes = cautions(root, parts, classes)
    except OSError as error:
        raise UserError(f"cannot list {error.filename}: {error.strerror}", key="data.path") from error
    for part, found in walked.items():
        _check_filled(parts[part], classes[part], found)
    files = {"validation" if part == "val" else part: _labelled(found) for part, found in walked.items()}
    grey = spec.color == "grey" or (spec.color == "auto" and _all_grey([path for path, _ in files["train"]]))
    notes += _skipped(joined(itertools.chain(*walked.values())), loose)
    return Listing(files, tuple(classes["train"]), grey, tuple(notes))


def depth(found: Listing) -> Depth:
    """The white of all images of a folder. Every file is opened; only deep ones are decoded.

    Files that cannot be read count as not deep: :func:`decoded` names them.
    """
    from senet_nas.data.pixels import deepest, frames, white_of

    def look(path: Path) -> tuple[int, tuple[float, float]]:
        return frames(path), deepest(path)

    paths = [path for files in found.files.values() for path, _ in files]
    seen = {path: look for path, look in _each(look, paths) if not isinstance(look, Exception)}
    levels = {path: largest for path, (_, (largest, _)) in seen.items() if largest > 0}
    usual = [level for _, (largest, level) in seen.values() if largest > 0]
    pages = several_pages({path: n for path, (n, _) in seen.items() if n > 1})
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

    def read(path: Path) -> "NDArray[np.uint8]":
        return read_pixels(path, side, channels=channels, white=white)

    bad: list[str] = []
    for path, x_HWC in _each(read, [path for path, _ in files]):
        if isinstance(x_HWC, Exception):
            bad.append(f"{shown(path)} ({reason(x_HWC)})")
            yield np.zeros((side, side, channels), dtype=np.uint8)
        else:
            yield x_HWC
    if bad:
        more = f" and {len(bad) - NAMED_FAULTS} more" if len(bad) > NAMED_FAULTS else ""
        raise UserError(
            f"{len(bad)} of {len(files)} images cannot be read: {'; '.join(bad[:NAMED_FAULTS])}{more}",
            hint="repair, convert or remove them",
            key="data.path",
        )


def side(spec: DataSpec) -> int:
    """The side in pixels to which images are decoded."""
    return spec.resize or spec.image_size or SIDE


def place(path: str, base: Path) -> Path:
    """The path with ``~`` and ``$VARIABLE`` filled in, relative to ``base``."""
    filled = os.path.expandvars(path)
    if "$" in filled:
        raise UserError(
            f"`{path}` names an environment variable that is not set",
            hint="export it, or write the path out",
            key="data.path",
        )
    return base / Path(filled).expanduser()


# -- inside -----------------------------------------------------------------------------------------------------------


def _root(spec: DataSpec, base: Path) -> Path:
    if spec.path is None:
        raise UserError("an image folder needs a path", hint="write `data: ./images`", key="data.path")
    root = place(spec.path, base)
    if root.is_file():
        raise UserError(f"{root} is a file, not a folder", hint="unpack it first", key="data.path")
    if not root.is_dir():
        raise UserError(
            f"no folder {root}",
            hint="it should hold train/CLASS/image.jpg (and val/, test/ if you have them), or CLASS/image.jpg",
            key="data.path",
        )
    return root


def _check_filled(folder: Path, classes: Classes, walked: Sequence[Walked]) -> None:
    """Raises UserError if a class has no image; the error names the endings that its folder holds."""
    empty = [name for name, found in zip(classes, walked, strict=True) if not found.images]
    if not empty:
        return
    others = joined(found for found in walked if not found.images)
    holds = f", only {endings(others)}" if others.others else ""
    raise UserError(
        f"no images of {', '.join(empty)} in {folder}{holds}",
        hint=f"convert or add images, or remove the folder; files are read that end in {', '.join(sorted(ENDINGS))}",
        key="data.path",
    )


def _labelled(walked: Sequence[Walked]) -> Files:
    return [(path, label) for label, found in enumerate(walked) for path in found.images]


def _skipped(inside: Walked, loose: Walked) -> list[str]:
    """Sentences about what was left out inside and outside the class folders."""
    every = joined([inside, loose])
    notes = []
    if loose.images:
        notes.append(f"{_skipping(len(loose.images), 'image')} outside the classes: {shown(loose.images[0])}")
    if every.others:
        count = _skipping(every.others.total(), "file")
        notes.append(
            f"{count} that do not end like images: {endings(every)}; the first is {shown(str(every.first_other))}"
        )
    if every.litter:
        entries = "entry" if every.litter == 1 else "entries"
        first = shown(str(every.first_litter))
        notes.append(f"skipped {every.litter:,} hidden or system {entries}; the first is {first}")
    if every.repeated:
        count = _skipping(len(every.repeated), "linked folder")
        notes.append(f"{count} that had been read already or lead in a circle: {shown(every.repeated[0])}")
    return notes


def _skipping(count: int, noun: str) -> str:
    return f"skipped {plural(count, noun)}"


def _all_grey(paths: list[Path]) -> bool:
    """Whether no image shows colour; files that cannot be read do not count."""
    from senet_nas.data.pixels import is_grey

    return all(grey for _, grey in _each(is_grey, paths) if not isinstance(grey, Exception))


def _each(function: Callable[[Path], T], paths: Sequence[Path]) -> Iterator[tuple[Path, T | Exception]]:
    """Each path with the function's result or what it raised, in order, from threads that are at most CHUNK ahead."""

    def attempt(path: Path) -> T | Exception:
        try:
            return function(path)
        except Exception as error:  # Pillow raises many kinds; each means that this file cannot be read
            return error

    with ThreadPoolExecutor(hardware.cores()) as pool:
        for begin in range(0, len(paths), CHUNK):
            part = paths[begin : begin + CHUNK]
            yield from zip(part, pool.map(attempt, part), strict=True)
