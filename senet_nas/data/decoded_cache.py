"""Folders of images, decoded once and kept for the next command: check, run, train and export share them.

An entry is a folder of the cache, named by all that decides what is in it: the name, size and time of every file, the
settings of the spec, and the code and libraries that decode. So an entry is never out of date, only unused. Entries
that nobody has used for a month go, and those that were used least recently go when the others need the space.
"""

import fcntl
import functools
import hashlib
import logging
import os
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
import PIL
from safetensors import SafetensorError

from senet_nas.data import folder_walk, memory_map, shared
from senet_nas.data.data_path import place
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec
from spaces import scratch
from spaces.errors import ENVIRONMENT, UserError

OFF = "off"
AUTO = "auto"
DATASET = "image_folder"
# With `auto`, fewer images than this are decoded each time: that takes some seconds.
LEAST = 1000
# The cache takes at most this share of what it holds and its disk has left.
SHARE = 0.5
# Seconds after which an entry that nobody used goes.
MONTH = 30 * 24 * 3600
PREFIX = "images-"
# What a damaged entry makes its readers raise.
_DAMAGED = (OSError, SafetensorError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class Entry:
    """Where the decoded images of a spec are kept, whether they are there or not."""

    folder: Path

    @property
    def is_filled(self) -> bool:
        return (self.folder / shared.FILLED).exists()


def images(spec: DataSpec, base: str) -> Data | None:
    """The images of a spec from the cache; decoded into it first where they are not there yet.

    None if the cache does not take them: it is off, they are no folder, or few, or their folder cannot be listed.
    The entry stays for as long as this process lives. Raises UserError as :func:`~senet_nas.data.load.load` does.
    """
    found = entry(spec, base)
    if found is None:
        return None
    try:
        found.folder.parent.mkdir(parents=True, exist_ok=True)
        use = shared.entered(found.folder)
    except OSError as error:  # a home that this user may only read, or a disk that knows no locks
        logging.getLogger(__name__).info("decoded images are not kept: %s", error)
        return None
    _IN_USE.append(use)
    with (found.folder / shared.FILL).open("a") as filling:
        fcntl.flock(filling, fcntl.LOCK_EX)
        return _read(found.folder) or _filled(found, spec, base, use)


def check(spec: DataSpec, base: str) -> None:
    """Raises UserError (ENVIRONMENT) if the folder that a config names for decoded images cannot be written."""
    found = entry(spec, base) if spec.cache != AUTO else None
    if found is None:
        return
    home = found.folder.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError as error:
        raise UserError(
            f"cannot keep decoded images in {home}: {error.strerror}",
            hint="name a folder that you may write, or off",
            key="data.cache",
            code=ENVIRONMENT,
        ) from error


def entry(spec: DataSpec, base: str) -> Entry | None:
    """The entry of a spec; None as for :func:`images`."""
    if spec.cache == OFF or spec.dataset != DATASET or spec.path is None:
        return None
    try:
        root = place(spec.path, Path(base)).resolve()
        files = folder_walk.identity(root)
    except (OSError, UserError):  # reading the images says what is wrong
        return None
    if spec.cache == AUTO and files.images < LEAST:
        return None
    settings = repr(replace(spec, path=None, cache=AUTO))
    said = "\0".join([files.digest, str(root), settings, _code(), PIL.__version__, np.__version__])
    return Entry(_home(spec, Path(base)) / f"{PREFIX}{hashlib.sha256(said.encode()).hexdigest()[:32]}")


def tidy(home: Path, needed: int = 0) -> bool:
    """Removes what is old, then what was used least recently, until ``needed`` bytes fit. Returns whether they do.

    Entries that a process uses stay.
    """
    entries = sorted(home.glob(f"{PREFIX}*/{scratch.LOCK}"), key=_used_at)
    sizes = {lock: _size(lock.parent) for lock in entries}
    held = sum(sizes.values())
    for lock in entries:
        fits = held + needed <= SHARE * (shutil.disk_usage(home).free + held)
        if (fits and time.time() - _used_at(lock) < MONTH) or not sizes[lock]:
            continue
        with suppress(OSError), lock.open("r+") as file:
            scratch.remove_unused(lock.parent, file)
        if not lock.exists():
            held -= sizes[lock]
    return held + needed <= SHARE * (shutil.disk_usage(home).free + held)


# -- inside -----------------------------------------------------------------------------------------------------------

# The locks of the entries that this process uses.
_IN_USE: list[TextIO] = []


def _home(spec: DataSpec, base: Path) -> Path:
    if spec.cache != AUTO:
        return place(spec.cache, base)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "senet-search"


@functools.cache
def _code() -> str:
    """The SHA-256 of the code that reads images: another version may decode or split in another way."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _read(folder: Path) -> Data | None:
    """The images of an entry; None if it is not filled, or damaged: it is then empty."""
    if not Entry(folder).is_filled:
        return None
    try:
        is_file = (folder / shared.FILE).exists()
        data = shared.read(folder / shared.FILE if is_file else folder)
        os.utime(folder / scratch.LOCK)
    except _DAMAGED as error:
        logging.getLogger(__name__).warning("%s is damaged and is made again: %s", folder, error)
        _empty(folder)
        return None
    return data if is_file else replace(data, folder=str(folder))


def _filled(found: Entry, spec: DataSpec, base: str, use: TextIO) -> Data:
    """The images, decoded, and kept in the entry if they fit."""
    folder = found.folder

    def room(needed: int) -> Path:
        return folder if tidy(folder.parent, needed) else memory_map.room(needed)

    _empty(folder)
    try:
        data = load(spec, base=base, room=room)
        is_kept = _keep(data, folder) and entry(spec, base) == found
    except BaseException:
        _give_up(folder, use)
        raise
    if is_kept:
        (folder / shared.FILLED).touch()
    elif data.folder != str(folder):
        _give_up(folder, use)
    return data


def _keep(data: Data, folder: Path) -> bool:
    """Writes the images of an entry and returns whether they are there."""
    if data.folder not in (None, str(folder)):
        return False
    needed = 0 if data.folder else sum(getattr(data, name).nbytes for name in shared.SETS)
    if not tidy(folder.parent, needed):
        return False
    try:
        shared.write(data, folder / shared.FILE)
    except (OSError, SafetensorError) as error:
        logging.getLogger(__name__).warning("decoded images are not kept: %s", error)
        return False
    return True


def _give_up(folder: Path, use: TextIO) -> None:
    _empty(folder)
    scratch.remove_unused(folder, use)


def _empty(folder: Path) -> None:
    """Removes all but the locks."""
    for path in folder.iterdir():
        if path.name not in (scratch.LOCK, shared.FILL):
            path.unlink()


def _size(folder: Path) -> int:
    with suppress(OSError), os.scandir(folder) as files:
        return sum(file.stat().st_blocks * 512 for file in files)
    return 0


def _used_at(lock: Path) -> float:
    try:
        return lock.stat().st_mtime
    except OSError:  # another process has just removed it
        return 0.0
