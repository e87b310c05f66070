"""Files that are there whole or not at all."""

import errno
import hashlib
import json
import os
from pathlib import Path

import pytest

from spaces import durable, failpoints


@pytest.fixture(autouse=True)
def disarmed():
    yield
    failpoints.arm("")


@pytest.fixture
def synced(monkeypatch):
    """The files and folders that were brought to the disk, by the name of what the descriptor is open on."""
    seen = []
    true = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(str(Path(f"/proc/self/fd/{fd}").readlink())) or true(fd))
    return seen


@pytest.mark.parametrize("content", ["text: ä", b"\x00\xff"])
def test_a_file_and_its_name_are_on_the_disk_when_the_call_returns(tmp_path, synced, content):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    durable.write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert synced == [f"{path}.tmp", str(tmp_path)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("place", "kept"), [("before", b"old"), ("within", b"old"), ("after", b"new")])
def test_a_full_disk_leaves_the_old_file_or_the_new_one(tmp_path, place, kept):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    failpoints.arm(f"{place}_file:1:full")
    with pytest.raises(OSError, match="No space left"):
        durable.write(path, b"new")
    assert path.read_bytes() == kept
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_of_the_disk_names_the_file(tmp_path):
    failpoints.arm("within_file:1:full")
    with pytest.raises(OSError, match="No space left") as caught:
        durable.write(tmp_path / "file", b"new")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "file"))
    assert errno.ENOSPC in durable.NO_ROOM


def test_files_written_together_are_known_again(tmp_path):
    durable.write_all(tmp_path, {"a": b"1", "b": b"2"})
    assert durable.damaged(tmp_path) == []
    assert json.loads((tmp_path / durable.SUMS).read_text())["a"] == hashlib.sha256(b"1").hexdigest()
    (tmp_path / "a").write_bytes(b"3")
    assert durable.damaged(tmp_path) == ["a"]
    (tmp_path / "b").unlink()
    assert durable.damaged(tmp_path) == ["a", "b"]
    (tmp_path / durable.SUMS).write_text("{}")
    assert durable.damaged(tmp_path) == [durable.SUMS]
    (tmp_path / durable.SUMS).unlink()
    assert durable.damaged(tmp_path) == [durable.SUMS]


def test_a_sealed_text_is_read_back_and_a_changed_one_is_not():
    text = durable.seal({"b": 1, "a": [2, None]})
    assert durable.unseal(text) == {"b": 1, "a": [2, None]}
    assert durable.unseal(text.encode()) == {"b": 1, "a": [2, None]}
    assert durable.unseal(text.replace("1", "2", 1)) is None
    for other in ("{", "[]", "3", "null", "{}", b"\xff\xfe", '{"sha256": "x"}', "[" * 100_000):
        assert durable.unseal(other) is None


def test_a_digest_does_not_depend_on_the_order_of_names(tmp_path):
    assert durable.digest({"a": 1, "b": 2}) == durable.digest({"b": 2, "a": 1})
    assert durable.digest({"a": 1}) == hashlib.sha256(b'{"a": 1}').hexdigest() == durable.sha256_of(b'{"a": 1}')
    (tmp_path / "file").write_bytes(b"content")
    assert durable.sha256(tmp_path / "file") == durable.sha256_of(b"content") == hashlib.sha256(b"content").hexdigest()


def test_what_a_file_holds_is_synced_by_its_path(tmp_path, synced):
    (tmp_path / "file").write_bytes(b"")
    before = len(list(Path("/proc/self/fd").iterdir()))
    durable.sync(tmp_path / "file")
    assert synced == [str(tmp_path / "file")]
    assert len(list(Path("/proc/self/fd").iterdir())) == before
