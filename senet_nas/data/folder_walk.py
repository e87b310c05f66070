"""The images below a folder: links followed, hidden files and litter left out, all other files counted."""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from spaces.text import plural

# Endings of the files that are read; what a file holds decides how.
ENDINGS = {
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
}
# What operating systems, NAS boxes and unpackers leave beside images. Names that begin with a dot are litter, too.
LITTER = {
    "__macosx",
    "@eadir",
    "#recycle",
    "$recycle.bin",
    "@recycle",
    "@recently-snapshot",
    "system volume information",
    "lost+found",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "icon\r",
}
# Endings that a sentence names before it counts the rest.
NAMED_ENDINGS = 5


@dataclass
class Walked:
    """The image files below a folder, sorted by path, and all that was left out.

    ``others`` counts files that are not images by their ending, ``litter`` hidden and litter entries. ``repeated`` are
    links to a folder that was read already, or that holds the link.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    first_other: Path | None = None
    litter: int = 0
    first_litter: Path | None = None
    repeated: list[Path] = field(default_factory=list)


def is_litter(name: str) -> bool:
    """Whether an entry of this name is never data: hidden, or left by a system."""
    return name.startswith(".") or name.lower() in LITTER


def folders(folder: Path) -> list[Path]:
    """The visible folders directly inside a folder, sorted by name. Links count, unless they lead back up."""
    above = _above(folder)
    return [Path(entry.path) for entry in _entries(folder) if _is_visible_folder(entry, above)]


def beside(folder: Path) -> Walked:
    """What lies directly inside a folder besides its visible folders. Raises OSError."""
    found = Walked()
    above = _above(folder)
    for entry in _entries(folder):
        if is_litter(entry.name):
            _note_litter(entry, found)
        elif not _is_folder(entry):
            _note_file(entry, found)
        elif not _is_visible_folder(entry, above):
            found.repeated.append(Path(entry.path))
    return found


def walk(folder: Path) -> Walked:
    """All image files below a folder, at any depth, in the order of their paths. Raises OSError.

    Links to folders are followed, but no folder is read twice, nor one that holds ``folder``.
    """
    found = Walked()
    _walk(folder, _above(folder), found)
    found.images.sort()
    return found


@dataclass(frozen=True)
class Identity:
    """The number of images below a folder, and a digest of the name, size and times of all that lies there."""

    images: int
    digest: str


def identity(folder: Path) -> Identity:
    """What changes when a file below a folder is added, removed, renamed or written. Raises OSError."""
    digest = hashlib.sha256()
    images = 0
    for name, status in _described(folder, _above(folder), _size_and_times):
        digest.update(f"{name}\0{status}\n".encode())
        images += Path(name).suffix.lower() in ENDINGS
    return Identity(images, digest.hexdigest())


def stamp(folder: Path) -> str:
    """A digest of the name, size and time of every file below a folder; a copy may have the same. Raises OSError."""
    digest = hashlib.sha256()
    for name, status in _described(folder, _above(folder), _size_and_time):
        digest.update(f"{name.removeprefix(shown(folder))}\0{status}\n".encode())
    return digest.hexdigest()


def joined(parts: Iterable[Walked]) -> Walked:
    """All images and all that was left out of several folders."""
    whole = Walked()
    for part in parts:
        whole.images += part.images
        whole.others += part.others
        whole.first_other = whole.first_other or part.first_other
        whole.litter += part.litter
        whole.first_litter = whole.first_litter or part.first_litter
        whole.repeated += part.repeated
    return whole


def endings(found: Walked) -> str:
    """The endings of the files that are not images, most frequent first: ``.heic (12), .txt (1)``; may be empty."""
    common = found.others.most_common(NAMED_ENDINGS)
    named = ", ".join(f"{ending or 'no ending'} ({count})" for ending, count in common)
    left = len(found.others) - len(common)
    return f"{named} and {plural(left, 'more ending')}" if left else named


def shown(path: Path | str) -> str:
    """A path as text that every terminal and file can hold: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


# -- inside -----------------------------------------------------------------------------------------------------------


def _walk(folder: Path, visited: set[tuple[int, int]], found: Walked) -> None:
    for entry in _entries(folder):
        if is_litter(entry.name):
            _note_litter(entry, found)
        elif not _is_folder(entry):
            _note_file(entry, found)
        elif (identity := _identity(Path(entry.path))) in visited:
            found.repeated.append(Path(entry.path))
        else:
            visited.add(identity)
            _walk(Path(entry.path), visited, found)


def _described(
    folder: Path, visited: set[tuple[int, int]], describe: Callable[[os.stat_result], str]
) -> Iterator[tuple[str, str]]:
    """The path of each entry below a folder, and what the system says of it. Litter has a name only."""
    for entry in _entries(folder):
        if is_litter(entry.name):
            yield shown(entry.path), "litter"
        elif not _is_folder(entry):
            yield shown(entry.path), _status(entry, describe)
        elif (found := _identity(Path(entry.path))) in visited:
            yield shown(entry.path), "repeated"
        else:
            visited.add(found)
            yield shown(entry.path), "folder"
            yield from _described(Path(entry.path), visited, describe)


def _status(entry: os.DirEntry[str], describe: Callable[[os.stat_result], str]) -> str:
    try:
        return describe(entry.stat())
    except OSError:  # a link to nothing
        return "missing"


def _size_and_times(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _size_and_time(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link to itself; the reader names it, with all other files that cannot be read
        return False


def _is_visible_folder(entry: os.DirEntry[str], above: set[tuple[int, int]]) -> bool:
    if is_litter(entry.name) or not _is_folder(entry):
        return False
    return not (entry.is_symlink() and _identity(Path(entry.path)) in above)


def _note_file(entry: os.DirEntry[str], found: Walked) -> None:
    path = Path(entry.path)
    if path.suffix.lower() in ENDINGS and (entry.is_symlink() or entry.is_file()):
        found.images.append(path)
    else:  # pipes, sockets and devices are no images, whatever they are called: reading them would not return
        found.others[shown(path.suffix.lower())] += 1
        found.first_other = found.first_other or path


def _note_litter(entry: os.DirEntry[str], found: Walked) -> None:
    found.litter += 1
    found.first_litter = found.first_litter or Path(entry.path)


def _above(folder: Path) -> set[tuple[int, int]]:
    """The identities of a folder and of all folders that hold it, by the path given and by where links lead."""
    real = folder.resolve()
    return {_identity(path) for path in (real, *folder.absolute().parents, *real.parents)}


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
