"""The images of a search as files that its workers map into memory: read once, held once, however many workers."""

import atexit
import fcntl
import json
import logging
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from safetensors import SafetensorError

from senet_nas.data import memory_map as streaming
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec

SETS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
DESCRIPTION = "description"
# In a folder that the processes of a machine share: who holds this one uses the folder, who holds that one fills it.
USE, FILL, FILLED, FILE = "lock", "filling", "filled", "images.safetensors"


def write(data: Data, path: Path) -> Path:
    """Leaves all six tensors and what describes them at ``path``. Raises OSError, a full disk above all.

    Images that are mapped already stay in their folder, which is returned.
    """
    from safetensors.torch import save_file

    about = json.dumps({name: value for name, value in vars(data).items() if name not in SETS})
    if data.folder is not None:
        Path(data.folder, DESCRIPTION).write_text(about)
        return Path(data.folder)
    save_file({name: getattr(data, name) for name in SETS}, path, {DESCRIPTION: about})
    return path


def read(path: Path) -> Data:
    """What :func:`write` wrote. Pages are read when they are needed, and shared with every process that maps the file."""
    from safetensors import safe_open

    if path.is_dir():
        known: dict[str, Any] = {name: streaming.read(path / f"{name}.npy") for name in SETS}
        about = (path / DESCRIPTION).read_text()
    else:
        with safe_open(path, "pt") as file:
            known = {name: file.get_tensor(name) for name in SETS}
            about = file.metadata()[DESCRIPTION]
    known |= {name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(about).items()}
    return Data(**known)


def of_node(spec: DataSpec, base: str, name: str) -> Data:
    """The images of a spec, which the first process of this machine that asks under ``name`` reads and leaves for the others.

    They wait for it; where it dies, the next one begins anew. The folder goes with the last process that uses it. Raises
    UserError; where there is no room for a copy, every process reads for itself.
    """
    folder = Path(tempfile.gettempdir(), f"{streaming.PREFIX}{name}")
    _sweep(folder.parent, but=folder)
    use = _entered(folder)
    atexit.register(_leave, folder, use, os.getpid())
    with (folder / FILL).open("a") as filling:
        fcntl.flock(filling, fcntl.LOCK_EX)
        if not (folder / FILLED).exists():
            data = load(spec, base=base, room=folder)
            try:
                write(data, folder / FILE)
            except (OSError, SafetensorError) as error:
                logging.getLogger(__name__).warning("every worker reads the images itself: %s", error)
                (folder / FILE).unlink(missing_ok=True)
                return data
            (folder / FILLED).touch()
    return read(folder / FILE if (folder / FILE).exists() else folder)


def _entered(folder: Path) -> TextIO:
    """Its lock, held with others: as long as anybody has it, nobody removes the folder."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            file = (folder / USE).open("a")
        except FileNotFoundError:  # removed since
            continue
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if (folder / USE).stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()  # of a folder that was removed while we waited


def _leave(folder: Path, use: TextIO, owner: int) -> None:
    if os.getpid() == owner:  # a fork inherits what is to do at exit
        _remove_unused(folder, use)


def _sweep(where: Path, *, but: Path) -> None:
    """Removes what killed processes left."""
    for path in where.glob(f"{streaming.PREFIX}*/{USE}"):
        if path.parent != but:
            with suppress(OSError), path.open("a") as file:  # of another user, or gone
                _remove_unused(path.parent, file)


def _remove_unused(folder: Path, use: TextIO) -> None:
    with suppress(BlockingIOError):  # somebody else uses it
        fcntl.flock(use, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
