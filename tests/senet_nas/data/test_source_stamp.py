"""The stamp of data changes with their files, and with nothing else."""

import os
import shutil

import pytest

from senet_nas.data.source_stamp import stamp
from senet_nas.recipe import DataSpec

# A data set of each source below a folder, and what a config calls it.
SOURCES = {
    "image_folder": ("images/a/1.png", DataSpec("image_folder", "images")),
    "table": ("labels.csv", DataSpec("table", "labels.csv")),
    "arrays": ("images.npz", DataSpec("arrays", "images.npz")),
    "shard": ("train.tar", DataSpec("webdataset", "train.tar")),
    "shards": ("shards/train-000.tar", DataSpec("webdataset", "shards")),
    "pattern": ("shards/train-000.tar", DataSpec("webdataset", "shards/train-{000..000}.tar")),
    "signals": ("signals/wave.npy", DataSpec("signals", "signals")),
    "saved": ("saved/train/data.arrow", DataSpec("hf:saved")),
}


@pytest.fixture(params=SOURCES)
def source(request, tmp_path):
    """A file, the spec of the data that it belongs to, and their folder."""
    name, spec = SOURCES[request.param]
    file = tmp_path / "here" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(b"one")
    return file, spec, tmp_path / "here"


def test_a_stamp_stays_while_files_do_also_in_a_faithful_copy(source, tmp_path):
    _, spec, base = source
    first = stamp(spec, base)
    assert len(first) == 16
    assert stamp(spec, base) == first
    shutil.copytree(base, tmp_path / "there")  # keeps times
    assert stamp(spec, tmp_path / "there") == first


def test_another_size_or_time_is_another_stamp(source):
    file, spec, base = source
    first = stamp(spec, base)
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))  # written again, with as many bytes
    second = stamp(spec, base)
    file.write_bytes(b"longer")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert len({first, second, stamp(spec, base)}) == 3


def test_one_more_file_and_another_name_are_another_stamp(tmp_path):
    file, spec = SOURCES["image_folder"]
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).touch()
    found = {stamp(spec, tmp_path)}
    (tmp_path / file).rename(tmp_path / "images/a/2.png")
    found.add(stamp(spec, tmp_path))
    (tmp_path / "images/a/3.png").touch()
    found.add(stamp(spec, tmp_path))
    assert len(found) == 3


@pytest.mark.parametrize(
    "spec",
    [
        DataSpec("digits"),
        DataSpec("cifar10", "data"),
        DataSpec("hf:someone/birds"),
        DataSpec("image_folder", "gone"),
        DataSpec("table", "$NOWHERE_AT_ALL/labels.csv"),
    ],
)
def test_what_is_no_file_of_the_users_or_not_there_has_none(spec, tmp_path):
    (tmp_path / "data").mkdir()
    assert stamp(spec, tmp_path) == ""
