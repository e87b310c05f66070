"""The images below a folder: links followed, hidden files and litter left out, all other files counted."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

# Endings of the files that are read; what a file holds decides how.
ENDINGS = {
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
}  # fmt: skip
# What operating systems, NAS boxes and unpackers leave beside images. Names that begin with a dot are litter, too.
LITTER = {
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "@recycle", "@recently-snapshot", "system volume information",
    "lost+found", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r",
}  # fmt: skip
# Endings that an error names before it counts the rest.
NAMED_ENDINGS = 5


@dataclass
class Walked:
    """The image files below a folder, sorted by path, and the files that are none, counted by ending.

    ``litter`` counts hidden and litter entries, ``repeated`` folders that a link leads to for a second time.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    first_other: Path | None = None
    litter: int = 0
    repeated: int = 0

    def __add__(self, more: "Walked") -> "Walked":
        return Walked(
            images=[*self.images, *more.images],
            others=self.others + more.others,
            first_other=self.first_other or more.first_other,
            litter=self.litter + more.litter,
            repeated=self.repeated + more.repeated,
        )


def is_litter(name: str) -> bool:
    """Whether an entry of this name is never data: hidden, or left by a system."""
    return name.startswith(".") or name.lower() in LITTER


def folders(folder: Path) -> list[Path]:
    """The visible folders directly inside a folder, sorted by name; links to folders count."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_litter(entry.name))


def walk(folder: Path) -> Walked:
    """All image files below a folder, at any depth, as `os.walk` with links finds them, in the order of their paths.

    A folder that links lead to twice, or that contains itself through a link, is read once. Raises OSError.
    """
    found = Walked()
    for path in _files(folder, {_identity(folder)}, found):
        if path.suffix.lower() in ENDINGS:
            found.images.append(path)
        else:
            found.others[path.suffix.lower()] += 1
            found.first_other = found.first_other or path
    found.images.sort()
    return found


def endings(found: Walked) -> str:
    """The endings of the files that are no images, most frequent first: ``.heic (12), .txt (1)``; empty without any."""
    common = found.others.most_common(NAMED_ENDINGS)
    named = ", ".join(f"{ending or 'no ending'} ({count})" for ending, count in common)
    left = len(found.others) - len(common)
    return f"{named} and {left} more endings" if left else named


def _files(folder: Path, visited: set[tuple[int, int]], found: Walked) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if is_litter(entry.name):
            found.litter += 1
        elif not entry.is_dir():
            yield path
        elif (identity := _identity(path)) in visited:
            found.repeated += 1
        else:
            visited.add(identity)
            yield from _files(path, visited, found)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
