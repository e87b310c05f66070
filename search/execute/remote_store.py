"""Trainings on a cluster without a shared folder: their checkpoints, weights and results in a place that all nodes reach.

Any URI that pyarrow knows (``s3://``, ``gs://``, ``abfs://``, ``hdfs://``, ``file://``). The one door to pyarrow.
Nothing here is the truth: what cannot be copied is warned of, and at worst a training is done again.
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

# A checkpoint is copied while its training waits: of its time at most this share.
SHARE = 0.1


def fault(uri: str) -> str:
    """Why nothing can be kept there, in a line; empty where it can: a few bytes are written, read and removed."""
    name, content = f"senet-{uuid.uuid4().hex[:12]}", b"senet-search"
    place = Store(uri, name)
    try:
        place.write("probe", content)
        found = place.read("probe")
        place.drop("")
    except (OSError, ValueError) as error:
        return f"cannot use {redacted(uri)}: {' '.join(redacted(str(error)).split())[:300]}"
    return "" if found == content else f"{redacted(uri)} does not give back what was written there"


def check(uri: str) -> None:
    """Raises UserError (code 4) where nothing can be kept there."""
    if problem := fault(uri):
        raise UserError(
            problem,
            hint="mend the address, its credentials (for s3:// as AWS has them) or the network, or leave "
            "resources.storage out: only checkpoints need it",
            key="resources.storage",
            code=ENVIRONMENT,
        )


def unreadable(store: Store, error: Exception) -> UserError:
    """What a run ends with where it needs what is in the store: nothing is lost, it goes on when that answers again."""
    return UserError(
        f"cannot read {redacted(f'{store.uri}: {error}')}",
        hint="when it answers again, type the same command to go on", key="resources.storage", code=ENVIRONMENT,
    )  # fmt: skip


@dataclass(frozen=True)
class Store:
    """The folder of a run at a URI. Methods raise OSError or ValueError, whatever the place is; :meth:`read` gives None
    for what is not there.
    """

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
        """Removes a folder with all that is in it, if it is there."""
        files, root = _opened(self.uri)
        path = f"{root}/{self.folder}/{name}".rstrip("/")
        from pyarrow.fs import FileType

        if files.get_file_info(path).type == FileType.Directory:
            files.delete_dir(path)

    def fetch(self, uid: str, names: tuple[str, ...], folder: Path) -> None:
        """Makes files of a training durable here, in this order, those that are there."""
        for name in names:
            if (content := self.read(f"{uid}/{name}")) is not None:
                folder.mkdir(parents=True, exist_ok=True)
                durable.write(folder / name, content)


class Shelf:
    """What one training keeps in a store, beside its folder on this node. Its methods warn where the place fails."""

    def __init__(self, store: Store, uid: str, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._uid, self._folder, self._clock = store, uid, folder, clock
        self._kept, self._copied, self._not_before = "", b"", -1.0

    def bring(self) -> None:
        """The checkpoint that another node left, where it is further than the one here."""
        self._try(self._bring)

    def keep(self) -> None:
        """Copies the checkpoint, if there is a new one and copies have not taken too much of the time."""
        self._try(self._keep)

    def end(self, *names: str) -> bool:
        """Copies files of a training that has ended, in this order, then removes its checkpoint. False where it failed."""
        return self._try(lambda: self._end(names))

    def discard(self) -> bool:
        """Leaves nothing of the training in the store. False where that failed."""
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
        path, began = self._folder / checkpoint.RECORD, self._clock()
        if began < self._not_before or not path.exists():
            return
        record = path.read_bytes()
        found = checkpoint.described(record)
        if found is None or record == self._copied:
            return
        self._store.write(f"{self._uid}/{found[1]}", (self._folder / found[1]).read_bytes())
        self._store.write(f"{self._uid}/{checkpoint.RECORD}", record)
        if self._kept not in ("", found[1]):
            self._store.remove(f"{self._uid}/{self._kept}")
        self._kept, self._copied = found[1], record
        self._not_before = self._clock() + (self._clock() - began) * (1 / SHARE - 1)

    def _end(self, names: tuple[str, ...]) -> None:
        for name in names:
            if (self._folder / name).exists():
                self._store.write(f"{self._uid}/{name}", (self._folder / name).read_bytes())
        if self._kept:
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
