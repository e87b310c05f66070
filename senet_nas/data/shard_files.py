"""Which shards a path means: one, all below a folder, or those of a pattern; compressed ones are unpacked once."""

import bz2
import functools
import gzip
import itertools
import lzma
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, cast

from senet_nas.data import parquet_table
from senet_nas.data.data_path import place
from senet_nas.data.folder_walk import is_litter
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

Opener = Callable[[Path], AbstractContextManager[BinaryIO]]
PLAIN = ".tar"


def _of_module(module: object) -> Opener:
    """What opens a file of gzip, bz2 or lzma; they have ``open`` in common."""
    return lambda path: cast(AbstractContextManager[BinaryIO], module.open(path))  # type: ignore[attr-defined]


# How a compressed shard is read, by its ending.
COMPRESSED: dict[str, Opener] = {
    ".tar.gz": _of_module(gzip),
    ".tgz": _of_module(gzip),
    ".tar.zst": parquet_table.unpacked_zstandard,
    ".tar.bz2": _of_module(bz2),
    ".tar.xz": _of_module(lzma),
}
ENDINGS = (PLAIN, *COMPRESSED)
HINT = "give a .tar file, a pattern such as train-{000..003}.tar, or a folder of shards with `dataset: webdataset`"
# {000..003} or {train,val}; the digits of the first number say how many digits all have.
_BRACES = re.compile(r"\{(?:(\d+)\.\.(\d+)|([^{},]+(?:,[^{},]+)+))\}")
# A pattern that means more files than this is a typing error.
MOST = 100_000


def shards(spec: DataSpec, base: Path) -> tuple[Path, list[Path]]:
    """The folder or file of the data, and the shards that it means, sorted. Raises UserError."""
    if spec.path is None:
        raise UserError("shards need a path", hint=HINT, key="data.path")
    root = place(spec.path, base)
    if _BRACES.search(spec.path):
        return _of_pattern(spec.path, base)
    if not root.exists():
        raise UserError(f"no file or folder {root}", hint=HINT, key="data.path")
    every = [root] if root.is_file() else sorted(path for path in root.rglob("*") if path.is_file())
    found = [path for path in every if not is_litter(path.name) and path.name.lower().endswith(ENDINGS)]
    if not found:
        raise UserError(f"{root} holds no .tar file", hint=HINT, key="data.path")
    return root, found


def plain(shard: Path) -> Path:
    """The shard itself, or the file to which this process has unpacked it. Raises UserError for a damaged one."""
    ending = next((ending for ending in COMPRESSED if shard.name.lower().endswith(ending)), None)
    return shard if ending is None else _unpacked(shard, ending, shard.stat().st_mtime_ns)


# -- inside -----------------------------------------------------------------------------------------------------------


def _of_pattern(text: str, base: Path) -> tuple[Path, list[Path]]:
    """The folder before the first brace, and the files of a pattern. Raises UserError if one is missing."""
    paths = sorted(place(each, base) for each in itertools.islice(_expanded(text), MOST + 1))
    missing = [path for path in paths if not path.is_file()]
    if len(paths) > MOST or missing:
        what = f"{text} means more than {MOST:,} files" if len(paths) > MOST else f"no file {missing[0]}"
        more = f", nor {len(missing) - 1} more of the {len(paths)} of {text}" if len(missing) > 1 else ""
        raise UserError(what + more, hint="correct the numbers in braces", key="data.path")
    before = text[: text.index("{")]
    return place(before.rpartition("/")[0] or ".", base), paths


def _expanded(text: str) -> Iterator[str]:
    """The texts that a pattern means: its first brace replaced by each choice, then the next one."""
    match = _BRACES.search(text)
    if match is None:
        yield text
        return
    first, last, names = match.groups()
    numbers = range(int(first), int(last) + 1) if names is None else ()
    choices = names.split(",") if names is not None else (str(number).zfill(len(first)) for number in numbers)
    for choice in choices:
        yield from _expanded(text[: match.start()] + choice + text[match.end() :])


@functools.cache
def _unpacked(shard: Path, ending: str, _changed: int) -> Path:
    """A plain copy of a compressed shard, which is removed with this process: images are read from their place in it.

    ``_changed`` is when the shard was written last: another content is unpacked again.
    """
    from senet_nas.data import memory_map  # it loads NumPy, which reading a config does not need

    target = memory_map.room(shard.stat().st_size) / f"{shard.name[: -len(ending)]}{PLAIN}"
    try:
        with COMPRESSED[ending](shard) as packed, target.open("wb") as file:
            shutil.copyfileobj(packed, file, 1 << 20)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise UserError(f"{shard} cannot be unpacked: {error}", hint="write it again", key="data.path") from error
    return target
