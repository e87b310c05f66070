"""A folder of images, one folder for each class: what lies in it, and one image after the other.

Listing opens files only to tell grey from colour; decoding is done by threads, in order, a few hundred images ahead at most.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from senet_nas.recipe import DataSpec
from spaces.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

Files = Sequence[tuple[Path, int]]

# Side of an image in pixels, unless a spec says another.
SIDE = 64
ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
NAMED_FAULTS = 10
# Folders that systems and unpackers leave beside the classes.
LITTER = ("__MACOSX", "@eaDir")
# What people call the folder of a set; only the first of each is read as one.
SETS = {
    "train": ("train", "training", "train_set"), "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "test_set"),
}  # fmt: skip
# So many images are decoded together: what is ahead of the reader stays small.
CHUNK = 256


@dataclass(frozen=True)
class Listing:
    """Files and their classes for each set that the folder brings: train, and validation and test where there are any."""

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
    """What a folder holds: ``train/CLASS/*``, and ``val`` and ``test`` if there are any; or ``CLASS/*`` alone. Raises UserError."""
    root = _root(spec, base)
    try:
        parts = _parts(root)
        classes = _classes(parts)
        files = {part: _files(folder, classes) for part, folder in parts.items()}
    except OSError as error:
        raise UserError(f"cannot look into {error.filename}: {error.strerror}", key="data.path") from error
    grey = spec.color == "grey" or (spec.color == "auto" and _all_grey([path for path, _ in files["train"]]))
    named = {"validation" if part == "val" else part: found for part, found in files.items()}
    return Listing(named, classes, grey, _passed_over(parts, files))


def decoded(files: Files, side: int, *, grey: bool) -> "Iterator[NDArray[np.uint8]]":
    """Every image x_HWC, the shorter side resized to ``side`` and the centre cut out.

    Raises UserError after the last one, which names those that cannot be read.
    """
    import numpy as np

    def read(path: Path) -> "NDArray[np.uint8] | Exception":
        try:
            return _read(path, side, grey=grey)
        except Exception as error:  # PIL raises of many kinds; each means that this file is no image
            return error

    bad: list[str] = []
    with ThreadPoolExecutor(_cores()) as pool:
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
            hint="mend or remove them",
            key="data.path",
        )


def side(spec: DataSpec) -> int:
    """The side in pixels at which images are read."""
    return spec.resize or spec.image_size or SIDE


def place(path: str, base: Path) -> Path:
    """The path with ``~`` and ``$VARIABLE`` filled in, relative to ``base``."""
    filled = os.path.expandvars(path)
    if "$" in filled:
        raise UserError(
            f"`{path}` names a variable of the environment that is not set",
            hint="export it, or write the path out", key="data.path",
        )  # fmt: skip
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
    """The folders of the sets; the root alone where its folders are classes. Raises UserError for misnamed sets."""
    # A set holds folders, a class holds images: so a class may be called `valid`.
    sets = {folder.name for folder in root.iterdir() if folder.is_dir() and any(p.is_dir() for p in folder.iterdir())}
    wrong = {was: name for name, spellings in SETS.items() for was in sets - {name} if was.lower() in spellings}
    if wrong:
        renamed = ", ".join(f"`{was}` to `{name}`" for was, name in sorted(wrong.items()))
        raise UserError(f"{root} holds a set under another name", hint=f"rename {renamed}", key="data.path")
    parts = {name: root / name for name in SETS if name in sets or ("train" in sets and (root / name).is_dir())}
    if parts and "train" not in parts:
        raise UserError(f"{root} holds {' and '.join(parts)}, but no train", hint="add train/CLASS/", key="data.path")
    return parts or {"train": root}


def _classes(parts: dict[str, Path]) -> tuple[str, ...]:
    """Names of the class folders. Raises UserError where there are none, one, or others in another part."""
    found = {
        part: sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] != "." and p.name not in LITTER)
        for part, folder in parts.items()
    }
    classes = found["train"]
    if len(classes) < 2:
        loose = sum(p.suffix.lower() in ENDINGS for p in parts["train"].iterdir())
        raise UserError(
            f"{parts['train']} holds {len(classes)} class folders{f' and {loose} loose images' * bool(loose)}; "
            "a comparison needs at least 2",
            hint="one folder for each class: CLASS/image.jpg", key="data.path",
        )  # fmt: skip
    for part, names in found.items():
        if names != classes:
            other = sorted(set(names) ^ set(classes))
            raise UserError(
                f"{parts[part]} and {parts['train']} do not hold the same classes: {', '.join(other)}", key="data.path"
            )
    return tuple(classes)


def _files(folder: Path, classes: tuple[str, ...]) -> list[tuple[Path, int]]:
    found = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in ENDINGS and path.name[0] != "." and not path.is_dir()
    ]
    empty = [name for label, name in enumerate(classes) if label not in {known for _, known in found}]
    if empty:
        raise UserError(f"no images of {', '.join(empty)} in {folder}", key="data.path")
    return found


def _passed_over(parts: dict[str, Path], files: "dict[str, list[tuple[Path, int]]]") -> tuple[str, ...]:
    """A sentence about files that are no images by their ending, if there are any."""
    images = {path for found in files.values() for path, _ in found}
    others = sorted(
        path for folder in parts.values() for path in folder.rglob("*")
        if path.is_file() and path not in images and path.name[0] != "."
    )  # fmt: skip
    if not others:
        return ()
    return (f"{len(others)} files were passed over, being no images of a class by place and ending: {others[0]}, ...",)


def _all_grey(paths: list[Path]) -> bool:
    from PIL import Image, UnidentifiedImageError

    for path in paths:
        try:
            with Image.open(path) as image:
                if image.mode not in ("1", "L", "LA", "I", "I;16", "F"):
                    return False
        except (OSError, UnidentifiedImageError):
            continue  # told by decoded(), together with all others
    return True


def _read(path: Path, size: int, *, grey: bool) -> "NDArray[np.uint8]":
    import numpy as np
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)  # phones turn their pictures by a note in the file
        shallow = _eight_bits(upright) if upright.mode in ("I", "I;16", "F") else upright
        fitted = ImageOps.fit(shallow.convert("L" if grey else "RGB"), (size, size), Image.Resampling.BILINEAR)
    x = np.asarray(fitted, dtype=np.uint8)
    return x[..., None] if grey else x


def _eight_bits(image: "Image.Image") -> "Image.Image":
    """Deep grey levels brought to 0..255 by their own maximum."""
    import numpy as np
    from PIL import Image

    levels = np.asarray(image, dtype=np.float32)
    return Image.fromarray((levels / max(1.0, float(levels.max())) * 255).astype(np.uint8))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
