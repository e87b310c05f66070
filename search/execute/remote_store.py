"""Copies of checkpoints, weights and results at a URI, for a cluster without a shared folder.

Any URI that pyarrow knows (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``, ``file://``). The door to pyarrow.
The run folder stays the truth: if a copy fails there is a warning, and at worst a training is repeated.
"""

from __future__ import annotations

import functools
import logging
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.config.config_error import redacted
from senet_nas.training import checkpoint
from spaces import durable
from spaces.errors import ENVIRONMENT, UserError

# The share of its time that a training may wait for copies of its checkpoint.
SHARE = 0.1


def fault(uri: str) -> str:
    """Why a URI cannot be used, in a line; empty if a few bytes could be written, read and removed."""
    name = f"senet-{uuid.uuid4().hex[:12]}"
    content = b"senet-search"
    place = RemoteStore(uri, name)
    try:
        place.write("probe", content)
        found = place.read("probe")
        place.drop("")
    except (OSError, ValueError) as error:
        return f"cannot use {redacted(uri)}: {' '.join(redacted(str(error)).split())[:300]}"
    return "" if found == content else f"{redacted(uri)} does not give back what was written there"


def check(uri: str) -> None:
    """Raises UserError (code ENVIRONMENT) if a URI cannot be used."""
    if problem := fault(uri):
        raise UserError(
            problem,
            hint="mend the address, its credentials (for s3:// as AWS has them) or the network, or leave "
            "resources.storage out: only checkpoints need it",
            key="resources.storage",
            code=ENVIRONMENT,
        )


def unreadable(store: RemoteStore, error: Exception) -> UserError:
    """The error of a run that needs files from a store that does not answer. Nothing is lost."""
    return UserError(
        f"cannot read {redacted(f'{store.uri}: {error}')}",
        hint="when it answers again, type the same command to go on",
        key="resources.storage",
        code=ENVIRONMENT,
    )


@dataclass(frozen=True)
class RemoteStore:
    """The folder of a run at a URI. Its methods raise OSError or ValueError if the place fails."""

    uri: str
    folder: str

    def write(self, name: str, content: bytes) -> None:
        files, root = _opened(self.uri)
        path = f"{root}/{self.folder}/{name}"
        if files.type_name == "local":  # object stores know no folders
            files.create_dir(path.rpartition("/")[0], recursive=True)
        with files.open_output_stream(path) as stream:
            stream.write(content)

    def read(self, name: str) -> bytes | None:
        """The content of a file; None if it does not exist."""
        files, root = _opened(self.uri)
        try:
            with files.open_input_stream(f"{root}/{self.folder}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        files, root = _opened(self.uri)
        files.delete_file(f"{root}/{self.folder}/{name}")

    def drop(self, name: str) -> None:
        """Removes a folder with its content, if it exists."""
        files, root = _opened(self.uri)
        path = f"{root}/{self.folder}/{name}".rstrip("/")
        from pyarrow.fs import FileType

        if files.get_file_info(path).type == FileType.Directory:
            files.delete_dir(path)

    def fetch(self, uid: str, names: tuple[str, ...], folder: Path) -> None:
        """Writes the files of a training that exist durably into a folder here, in this order."""
        for name in names:
            if (content := self.read(f"{uid}/{name}")) is not None:
                folder.mkdir(parents=True, exist_ok=True)
                durable.write(folder / name, content)


class RemoteCopy:
    """The copy of a training's folder in a store. If the place fails, its methods warn and the training continues."""

    def __init__(self, store: RemoteStore, uid: str, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._uid = uid
        self._folder = folder
        self._clock = clock
        self._kept = ""  # the name of the tensors in the store
        self._copied = b""  # the record of the checkpoint that was copied last
        self._not_before = -1.0

    def bring(self) -> None:
        """Fetches the checkpoint that another node left, if it is further than the one here."""
        self._try(self._bring)

    def keep(self, *, at_once: bool = False) -> None:
        """Copies the checkpoint, if there is a new one and copies have not taken too much time, or ``at_once``."""
        if at_once:
            self._not_before = -1.0
        self._try(self._keep)

    def end(self, *names: str, keeps_checkpoint: bool = False) -> bool:
        """Copies files of a training that ended, in this order, then removes its checkpoint. False if that failed.

        Of one that has paused, the store ``keeps_checkpoint``.
        """
        return self._try(lambda: self._end(names, keeps_checkpoint))

    def discard(self) -> bool:
        """Removes the copy. False if that failed."""
        return self._try(lambda: self._store.drop(self._uid))

    # -- inside -------------------------------------------------------------------------------------------------------

    def _bring(self) -> None:
        record = self._store.read(f"{self._uid}/{checkpoint.RECORD}")
        found = checkpoint.described(record) if record else None
        if record is None or found is None:
            return
        self._kept = found[1]
        if found[0] <= checkpoint.epochs(self._folder):
            return
        tensors = self._store.read(f"{self._uid}/{found[1]}")
        if tensors is not None:
            checkpoint.remove(self._folder)
            durable.write(self._folder / found[1], tensors)
            durable.write(self._folder / checkpoint.RECORD, record)
            self._copied = record

    def _keep(self) -> None:
        path = self._folder / checkpoint.RECORD
        began = self._clock()
        if began < self._not_before or not path.exists():
            return
        record = path.read_bytes()
        found = checkpoint.described(record)
        if found is None or record == self._copied:
            return
        try:
            tensors = (self._folder / found[1]).read_bytes()
        except FileNotFoundError:  # a thread has just written the next checkpoint; it is copied after the next epoch
            return
        self._store.write(f"{self._uid}/{found[1]}", tensors)
        self._store.write(f"{self._uid}/{checkpoint.RECORD}", record)
        if self._kept not in ("", found[1]):
            self._store.remove(f"{self._uid}/{self._kept}")
        self._kept = found[1]
        self._copied = record
        self._not_before = self._clock() + (self._clock() - began) * (1 / SHARE - 1)

    def _end(self, names: tuple[str, ...], keeps_checkpoint: bool) -> None:
        for name in names:
            if (self._folder / name).exists():
                self._store.write(f"{self._uid}/{name}", (self._folder / name).read_bytes())
        if self._kept and not keeps_checkpoint:
            self._store.remove(f"{self._uid}/{checkpoint.RECORD}")
            self._store.remove(f"{self._uid}/{self._kept}")
            self._kept = ""

    def _try(self, what: Callable[[], None]) -> bool:
        try:
            what()
        except (OSError, ValueError) as error:  # a training is worth more than its copy
            if isinstance(error, OSError) and error.errno in durable.NO_ROOM and error.filename:
                raise  # of this node's own disk
            text = redacted(f"{self._store.uri}: {error}")
            logging.getLogger(__name__).warning("training %s in %s", self._uid, text)
            return False
        return True


@functools.lru_cache(maxsize=4)
def _opened(uri: str) -> tuple[Any, str]:
    """The file system of a URI, and the path in it."""
    from pyarrow.fs import FileSystem

    files, path = FileSystem.from_uri(uri)
    return files, path.rstrip("/")
