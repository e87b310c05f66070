"""Images that may not fit into memory: decoded once, into files that every worker of the machine maps.

The system reads pages when they are needed and drops them when memory is short, so the machine bounds what is held, not
the number of images. The files hold the same uint8 images in the same order as the tensors in memory would, so a
training gives the same result.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from senet_nas import hardware
from senet_nas.data import pictures
from senet_nas.recipe import DataSpec
from spaces import scratch
from spaces.errors import ENVIRONMENT, UserError

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")

# Images that need a larger share of the machine's memory come from files: reading and splitting takes three times as
# much.
SHARE = 0.25
# Begins like the scratch folders of a search, so that the next search removes what a killed process left.
PREFIX = "senet-images-"


def is_wanted(spec: DataSpec, found: pictures.Listing) -> bool:
    """Whether the images of a spec are decoded into files: if ``streaming`` says so, or if they are large."""
    if spec.streaming != "auto":
        return spec.streaming == "always"
    return size(found, spec) > SHARE * hardware.memory()


def size(found: pictures.Listing, spec: DataSpec) -> int:
    """Bytes of all images, decoded to the size at which the spec reads them."""
    n = sum(len(files) for files in found.files.values())
    return n * found.channels * pictures.side(spec, found) ** 2


def room(needed: int, folder: Path | None = None) -> Path:
    """A folder with space for ``needed`` bytes: ``folder``, else a temporary one that is removed with this process.

    Raises UserError (ENVIRONMENT) where the disk is too small.
    """
    where = folder or Path(tempfile.gettempdir())
    free = shutil.disk_usage(where).free
    if free < needed:
        raise UserError(
            f"the decoded images take {needed / 1e9:.1f} GB, but {where} has {free / 1e9:.1f} GB left",
            hint="set TMPDIR to a folder on a larger disk, or lower data.image_size",
            key="data.path",
            code=ENVIRONMENT,
        )
    if folder is not None:
        return folder
    made, lock = scratch.create(PREFIX, where)
    atexit.register(_remove, made, lock, os.getpid())  # holds the lock file open until then
    return made


def write(path: Path, images: Iterable[NDArray[np.uint8]], shape: tuple[int, ...]) -> "Tensor":
    """The images x_HWC as a mapped tensor x_NCHW of this shape; one image at a time is in memory.

    Raises OSError where the disk is full.
    """
    mapped = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("rb+") as file:
        # Takes the space now: writing to a mapped page that the disk cannot hold would kill the process.
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    for i, x_HWC in enumerate(images):
        mapped[i] = np.moveaxis(x_HWC, -1, 0)
    mapped.flush()
    return read(path)


def read(path: Path) -> "Tensor":
    """The array of a .npy file as a mapped tensor. Writing to the tensor would not change the file."""
    import torch

    return torch.from_numpy(np.load(path, mmap_mode="c"))


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items in their order; a thread makes the next one while the caller uses the last."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, items, None)
            yield item


# -- inside -----------------------------------------------------------------------------------------------------------


def _remove(folder: Path, lock: TextIO, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits what runs at exit
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()
