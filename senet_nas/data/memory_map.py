"""Images that may not fit into memory: decoded once, into files that every worker of the machine maps.

Pages are read when they are needed and dropped when memory is short, so what is held is bounded by the machine and not
by the images. They are the same uint8 images in the same order as in memory, so all that follows is the same.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from senet_nas.data import image_folder
from senet_nas.recipe import DataSpec
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")

# Reading and splitting in memory takes the images about three times.
SHARE = 0.25
# As the scratch of a search, so that whoever starts next removes what a killed process left.
PREFIX = "senet-images-"


def is_wanted(spec: DataSpec, base: Path) -> bool:
    """Whether the images of a spec come from files: image folders, as ``streaming`` says or where they are large."""
    if spec.dataset != "image_folder" or spec.streaming != "auto":
        return spec.dataset == "image_folder" and spec.streaming == "always"
    return size(image_folder.listed(spec, base), spec) > SHARE * _memory()


def size(found: image_folder.Listing, spec: DataSpec) -> int:
    """Bytes of all images as they are read."""
    n = sum(len(files) for files in found.files.values())
    return n * found.channels * image_folder.side(spec) ** 2


def room(needed: int, folder: Path | None = None) -> Path:
    """A folder for ``needed`` bytes: the one that is given, or one that goes with this process.

    Raises UserError (code 4) where the disk is too small.
    """
    where = folder or Path(tempfile.gettempdir())
    free = shutil.disk_usage(where).free
    if free < needed:
        raise UserError(
            f"the decoded images take {needed / 1e9:.1f} GB, but {where} has {free / 1e9:.1f} GB left",
            hint="set TMPDIR to a folder on a larger disk, or lower data.image_size", key="data.path", code=ENVIRONMENT,
        )  # fmt: skip
    if folder is not None:
        return folder
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=where))
    lock = (folder / "lock.new").open("w")  # stays open, and locked, as long as this process lives
    fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / "lock.new").rename(folder / "lock")
    atexit.register(_remove, folder, os.getpid())
    return folder


def write(path: Path, images: Iterable["np.ndarray"], shape: tuple[int, ...]) -> "Tensor":
    """The images x_HWC as a mapped tensor x_NCHW of this shape, one by one. Raises OSError where the disk is full."""
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("rb+") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)  # a hole that the disk cannot fill would kill us
    for i, x_HWC in enumerate(images):
        mapped[i] = np.moveaxis(x_HWC, -1, 0)
    mapped.flush()
    return read(path)


def read(path: Path) -> "Tensor":
    """An array of a file as a tensor, mapped: what would be written to it stays in this process."""
    import torch

    return torch.from_numpy(np.load(path, mmap_mode="c"))


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items in their order, each made by a thread while the one before is in use."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, items, None)
            yield item


# -- inside -----------------------------------------------------------------------------------------------------------


def _memory() -> int:
    """Bytes of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _remove(folder: Path, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits what is to do at exit
        shutil.rmtree(folder, ignore_errors=True)
