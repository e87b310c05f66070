"""The images of a search as files that its workers map into memory: read once and held once for all of them."""

import atexit
import fcntl
import json
import logging
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from safetensors import SafetensorError

from senet_nas.data import memory_map
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec
from spaces import scratch

SETS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
DESCRIPTION = "description"
# Files of a folder that the processes of a machine share, beside the lock of those that use it.
FILL = "filling"  # locked by the process that fills the folder
FILLED = "filled"  # there when the folder is complete
FILE = "images.safetensors"


def write(data: Data, path: Path) -> Path:
    """Writes the six tensors and their description to ``path``, and returns where :func:`read` finds them.

    Images that are mapped already stay in their folder, which is returned. Raises OSError, for example on a full disk.
    """
    from safetensors.torch import save_file

    about = json.dumps({name: value for name, value in vars(data).items() if name not in SETS})
    if data.folder is not None:
        Path(data.folder, DESCRIPTION).write_text(about)
        return Path(data.folder)
    save_file({name: getattr(data, name) for name in SETS}, path, {DESCRIPTION: about})
    return path


def read(path: Path) -> Data:
    """The data that :func:`write` left at ``path``, mapped: pages are read when needed and shared between processes."""
    from safetensors import safe_open

    if path.is_dir():
        known: dict[str, Any] = {name: memory_map.read(path / f"{name}.npy") for name in SETS}
        about = (path / DESCRIPTION).read_text()
    else:
        with safe_open(path, "pt") as file:
            known = {name: file.get_tensor(name) for name in SETS}
            about = file.metadata()[DESCRIPTION]
    for name, value in json.loads(about).items():
        known[name] = tuple(value) if isinstance(value, list) else value
    return Data(**known)


def of_node(spec: DataSpec, base: str, name: str) -> Data:
    """The images of a spec; the first process of this machine that asks for ``name`` reads them for all others.

    The others wait; if the first process dies, the next one starts over. The last process that uses the folder removes
    it. Where the disk has no space for a copy, every process reads the images itself. Raises UserError.
    """
    folder = Path(tempfile.gettempdir(), f"{memory_map.PREFIX}{name}")
    scratch.sweep(memory_map.PREFIX, folder.parent, but=folder)
    use = entered(folder)
    atexit.register(_leave, folder, use, os.getpid())
    with (folder / FILL).open("a") as filling:
        fcntl.flock(filling, fcntl.LOCK_EX)
        if not (folder / FILLED).exists():
            data = load(spec, base=base, room=lambda needed: memory_map.room(needed, folder))
            try:
                write(data, folder / FILE)
            except (OSError, SafetensorError) as error:
                logging.getLogger(__name__).warning("every worker reads the images itself: %s", error)
                (folder / FILE).unlink(missing_ok=True)
                return data
            (folder / FILLED).touch()
    return read(folder / FILE if (folder / FILE).exists() else folder)


def entered(folder: Path) -> TextIO:
    """The lock of the folder, shared with its other users: nobody removes the folder while one of them holds it."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            file = (folder / scratch.LOCK).open("a")
        except FileNotFoundError:  # another process has just removed the folder
            continue
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if (folder / scratch.LOCK).stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()  # the folder was removed while we waited for this lock


def _leave(folder: Path, use: TextIO, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits what runs at exit
        scratch.remove_unused(folder, use)
