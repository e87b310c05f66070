"""A stamp of the files that data are read from. It tells without reading them whether they may have changed."""

import hashlib
from pathlib import Path

from senet_nas.data import folder_walk, hugging_face, shard_files
from senet_nas.data.data_path import place
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

# Sources whose files belong to one data set alone. The folder of torchvision holds many sets.
OWN_FILES = ("image_folder", "table", "webdataset", "arrays", "signals")


def stamp(spec: DataSpec, base: Path) -> str:
    """A digest of names, sizes and times of the files that a spec names: of a table, of the table without its images.

    Empty if the data are not files of the user's, or are not there.
    """
    try:
        found = [_stamp(path) for path in _places(spec, base)]
    except (OSError, UserError):  # reading the data says what is wrong
        return ""
    return hashlib.sha256("\n".join(found).encode()).hexdigest()[:16] if found else ""


def _places(spec: DataSpec, base: Path) -> list[Path]:
    """The files and folders of a spec."""
    if spec.dataset.startswith(hugging_face.PREFIX):
        folder = place(spec.dataset.removeprefix(hugging_face.PREFIX), base)
        return [folder] if folder.is_dir() else []
    if spec.path is None or spec.dataset not in OWN_FILES:
        return []
    if spec.dataset == "webdataset":
        return shard_files.shards(spec, base)[1]
    return [place(spec.path, base)]


def _stamp(path: Path) -> str:
    if path.is_dir():
        return folder_walk.stamp(path)
    status = path.stat()
    return f"{path.name} {status.st_size} {status.st_mtime_ns}"
