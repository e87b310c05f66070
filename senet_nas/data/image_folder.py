"""Images in one folder for each class: a list of the files, and the decoded images one after the other.

Listing opens files only to tell grey from colour. Threads decode the images in order, at most CHUNK images ahead.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas import hardware
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Files = Sequence[tuple[Path, int]]

# Side in pixels to which images are decoded unless the spec gives one.
SIDE = 64
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
NAMED_FAULTS = 10  # an error names this many files; it counts the others
# Pillow's modes of grey images, and those of them with more than eight bits.
DEEP = ("I", "I;16", "F")
GREY = ("1", "L", "LA", *DEEP)
# Folders that operating systems and archive tools leave beside the classes.
LITTER = ("__MACOSX", "@eaDir")
# Names that people give to the folder of a set. Only the first of each is read; the others are errors.
SETS = {
    "train": ("train", "training", "train_set"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test_set"),
}
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


def listed(spec: DataSpec, base: Path) -> Listing:
    """The files of a folder: of ``train/CLASS/*``, ``val`` and ``test``, or of ``CLASS/*`` alone. Raises UserError."""
    root = _root(spec, base)
    try:
        parts = _parts(root)
        classes = _classes(parts)
        files = {part: _files(folder, classes) for part, folder in parts.items()}
    except OSError as error:
        raise UserError(f"cannot list {error.filename}: {error.strerror}", key="data.path") from error
    grey = spec.color == "grey" or (spec.color == "auto" and _all_grey([path for path, _ in files["train"]]))
    named = {"validation" if part == "val" else part: found for part, found in files.items()}
    return Listing(named, classes, grey, _skipped(parts, files))


def decoded(files: Files, side: int, *, grey: bool) -> "Iterator[NDArray[np.uint8]]":
    """Every image x_HWC, its shorter side resized to ``side`` pixels, its centre cropped to a square.

    Raises UserError after the last image; the error names the files that cannot be read.
    """
    import numpy as np

    def read(path: Path) -> "NDArray[np.uint8] | Exception":
        try:
            return _read(path, side, grey=grey)
        except Exception as error:  # PIL raises many kinds; each means that this file is not an image
            return error

    bad: list[str] = []
    with ThreadPoolExecutor(hardware.cores()) as pool:
        for begin in range(0, len(files), CHUNK):
            paths = [path for path, _ in files[begin : begin + CHUNK]]
            for path, found in zip(paths, pool.map(read, paths), strict=True):
                if isinstance(found, Exception):
                    bad.append(f"{path} ({type(found).__name__})")
                    yield np.zeros((side, side, 1 if grey else 3), dtype=np.uint8)
                else:
                    yield found
    if bad:
        more = f" and {len(bad) - NAMED_FAULTS} more" if len(bad) > NAMED_FAULTS else ""
        raise UserError(
            f"{len(bad)} of {len(files)} images cannot be read: {'; '.join(bad[:NAMED_FAULTS])}{more}",
            hint="repair or remove them",
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


def _parts(root: Path) -> dict[str, Path]:
    """The folder of each set; the root as only set if its folders are classes. Raises UserError for misnamed sets."""
    # A set holds folders and a class holds images, so a class may be called `valid`.
    folders = [folder for folder in root.iterdir() if folder.is_dir()]
    sets = {folder.name for folder in folders if any(inner.is_dir() for inner in folder.iterdir())}
    wrong = {was: name for name, spellings in SETS.items() for was in sets - {name} if was.lower() in spellings}
    if wrong:
        renamed = ", ".join(f"`{was}` to `{name}`" for was, name in sorted(wrong.items()))
        raise UserError(f"{root} holds a set under another name", hint=f"rename {renamed}", key="data.path")
    parts = {name: root / name for name in SETS if name in sets or ("train" in sets and (root / name).is_dir())}
    if parts and "train" not in parts:
        raise UserError(f"{root} holds {' and '.join(parts)}, but no train", hint="add train/CLASS/", key="data.path")
    return parts or {"train": root}


def _classes(parts: dict[str, Path]) -> tuple[str, ...]:
    """The names of the class folders. Raises UserError for fewer than two, or if the sets hold different classes."""
    found = {part: sorted(_class_names(folder)) for part, folder in parts.items()}
    classes = found["train"]
    if len(classes) < 2:
        n_loose = sum(path.suffix.lower() in ENDINGS for path in parts["train"].iterdir())
        loose = f" and {n_loose} loose images" if n_loose else ""
        raise UserError(
            f"{parts['train']} holds {len(classes)} class folders{loose}; a comparison needs at least 2",
            hint="make one folder for each class: CLASS/image.jpg",
            key="data.path",
        )
    for part, names in found.items():
        if names != classes:
            other = sorted(set(names) ^ set(classes))
            raise UserError(
                f"{parts[part]} and {parts['train']} do not hold the same classes: {', '.join(other)}", key="data.path"
            )
    return tuple(classes)


def _class_names(folder: Path) -> Iterator[str]:
    for path in folder.iterdir():
        if path.is_dir() and path.name[0] != "." and path.name not in LITTER:
            yield path.name


def _files(folder: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in ENDINGS and path.name[0] != "." and not path.is_dir()
    ]
    used = {label for _, label in found}
    empty = [name for label, name in enumerate(classes) if label not in used]
    if empty:
        raise UserError(f"no images of {', '.join(empty)} in {folder}", key="data.path")
    return found


def _skipped(parts: dict[str, Path], files: dict[str, list[tuple[Path, int]]]) -> tuple[str, ...]:
    """A sentence about the files that were skipped, if there are any."""
    images = {path for found in files.values() for path, _ in found}
    others = sorted(
        path
        for folder in parts.values()
        for path in folder.rglob("*")
        if path.is_file() and path not in images and path.name[0] != "."
    )
    if not others:
        return ()
    return (f"{len(others)} files were skipped: they lie outside the classes or are not images: {others[0]}, ...",)


def _all_grey(paths: list[Path]) -> bool:
    from PIL import Image, UnidentifiedImageError

    for path in paths:
        try:
            with Image.open(path) as image:
                if image.mode not in GREY:
                    return False
        except (OSError, UnidentifiedImageError):
            continue  # decoded() reports it together with all others
    return True


def _read(path: Path, size: int, *, grey: bool) -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image)  # phones rotate a picture by a tag in the file
        if shown.mode in DEEP:
            shown = _eight_bits(shown)
        fitted = ImageOps.fit(shown.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BILINEAR)
    x = np.asarray(fitted, dtype=np.uint8)
    return x[..., None] if grey else x


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Grey levels of more than eight bits, scaled so that their maximum becomes 255."""
    import numpy as np
    from PIL import Image

    levels = np.asarray(image, dtype=np.float32)
    return Image.fromarray((levels / max(1.0, float(levels.max())) * 255).astype(np.uint8))
