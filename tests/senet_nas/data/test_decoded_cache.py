"""Decoded folders, kept: the same data from the cache, never out of date, bounded, and left alone while in use."""

import logging
import multiprocessing
import os
from dataclasses import fields, replace
from types import SimpleNamespace

import pytest
import torch

from senet_nas.data import decoded_cache, shared
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec, Task
from senet_nas.training import evaluate
from spaces import failpoints
from spaces.errors import UserError
from tests.senet_nas.data.test_shared import image_folder


@pytest.fixture
def spec(tmp_path):
    image_folder(tmp_path / "images")
    (tmp_path / "images" / "notes.txt").write_text("skipped")
    return DataSpec("image_folder", "images", image_size=16, cache="kept")


@pytest.fixture
def cached(tmp_path, monkeypatch):
    """Loads through the cache, as if in a process of its own; and counts what is decoded."""
    decoded = []

    def counted(*given, **more):
        decoded.append(1)
        return load(*given, **more)

    monkeypatch.setattr(decoded_cache, "load", counted)

    def read(spec):
        while decoded_cache._IN_USE:
            decoded_cache._IN_USE.pop().close()
        return decoded_cache.images(spec, str(tmp_path))

    read.decoded = decoded
    return read


def entries(tmp_path):
    return sorted((tmp_path / "kept").glob("images-*"))


def assert_same(found, expected):
    for field in fields(found):
        ours, theirs = getattr(found, field.name), getattr(expected, field.name)
        if field.name != "folder":
            assert torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_the_second_time_nothing_is_decoded_and_the_data_are_the_same(spec, cached, tmp_path, streaming):
    spec = replace(spec, streaming=streaming)
    first, second = cached(spec), cached(spec)
    assert cached.decoded == [1]
    expected = load(spec, base=tmp_path)
    assert expected.notes
    for found in (first, second):
        assert_same(found, expected)
    assert (second.folder is not None) == (streaming == "always")


def test_workers_get_what_the_cache_holds(spec, cached, tmp_path, monkeypatch):
    cached(spec)
    monkeypatch.setattr(evaluate, "load", None)
    evaluate._kept_images.cache_clear()
    for node in (None, "a node"):
        found = evaluate.images(spec, str(tmp_path), None, node)
        assert found.fingerprint == load(spec, base=tmp_path).fingerprint
    task = Task(replace(spec, streaming="always"), None, source={"base": str(tmp_path)})
    assert evaluate.share(task, tmp_path).images in [str(path) for path in entries(tmp_path)]
    evaluate._kept_images.cache_clear()
    assert len(cached.decoded) == 2


def test_nodes_of_a_cluster_decode_onto_their_own_disk_unless_a_cache_is_named(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(decoded_cache, "images", None)  # is not asked
    monkeypatch.setattr(evaluate.shared, "of_node", lambda spec, base, node: node)
    evaluate._kept_images.cache_clear()
    assert evaluate.images(replace(spec, cache="auto"), str(tmp_path), None, "a node") == "a node"
    evaluate._kept_images.cache_clear()


CHANGES = {
    "an image that was written again": lambda root: os.utime(root / "dark" / "3.png", (1, 1)),
    "another image": lambda root: (root / "dark" / "x.png").write_bytes((root / "dark" / "1.png").read_bytes()),
    "an image less": lambda root: (root / "dark" / "3.png").unlink(),
    "another name": lambda root: (root / "dark" / "3.png").rename(root / "dark" / "y.png"),
    "another file beside them": lambda root: (root / "more.txt").write_text("skipped"),
    "another hidden file": lambda root: (root / ".more").write_text("skipped"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_decoded_again(spec, cached, tmp_path, change):
    cached(spec)
    CHANGES[change](tmp_path / "images")
    assert_same(cached(spec), load(spec, base=tmp_path))
    assert cached.decoded == [1, 1]


SETTINGS = {"image_size": 8, "color": "grey", "split_seed": 1, "validation": 2, "test": 0.5, "streaming": "always"}


@pytest.mark.parametrize("name", SETTINGS)
def test_other_settings_are_another_entry(spec, cached, tmp_path, name):
    cached(spec)
    other = replace(spec, **{name: SETTINGS[name]})
    assert_same(cached(other), load(other, base=tmp_path))
    assert cached.decoded == [1, 1]


def test_another_version_of_the_code_or_of_a_library_decodes_again(spec, cached, monkeypatch):
    cached(spec)
    monkeypatch.setattr(decoded_cache, "PIL", SimpleNamespace(__version__="0"))
    cached(spec)
    monkeypatch.setattr(decoded_cache, "_code", lambda: "changed")
    cached(spec)
    assert cached.decoded == [1, 1, 1]


def test_off_and_few_images_and_other_sources_are_not_kept(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert decoded_cache.images(replace(spec, cache="off"), str(tmp_path)) is None
    assert decoded_cache.images(replace(spec, cache="auto"), str(tmp_path)) is None
    assert decoded_cache.images(DataSpec("digits", cache="kept"), str(tmp_path)) is None
    assert decoded_cache.images(replace(spec, path="nowhere"), str(tmp_path)) is None
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(decoded_cache, "LEAST", 20)
    assert decoded_cache.images(replace(spec, cache="auto"), str(tmp_path)) is not None
    assert list((tmp_path / "home" / "senet-search").glob("images-*"))


@pytest.mark.parametrize("streaming", ["never", "always"])
@pytest.mark.parametrize("damage", ["cut", "gone", "described otherwise"])
def test_a_damaged_entry_is_made_again(spec, cached, tmp_path, streaming, damage, caplog):
    spec = replace(spec, streaming=streaming)
    cached(spec)
    (entry,) = entries(tmp_path)
    file = entry / (shared.FILE if streaming == "never" else "x_train.npy")
    if damage == "cut":
        os.truncate(file, file.stat().st_size // 2)
    elif damage == "gone":
        file.unlink()
    elif streaming == "always":
        (entry / shared.DESCRIPTION).write_text("{}")
    else:
        file.write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    with caplog.at_level(logging.WARNING):
        assert_same(cached(spec), load(spec, base=tmp_path))
    assert "is damaged" in caplog.text
    assert cached.decoded == [1, 1]
    cached(spec)
    assert cached.decoded == [1, 1]


def test_images_that_cannot_be_read_leave_no_entry(spec, cached, tmp_path):
    (tmp_path / "images" / "dark" / "3.png").write_text("no image")
    for _ in range(2):
        with pytest.raises(UserError, match=r"3\.png"):
            cached(spec)
        assert entries(tmp_path) == []


def test_a_full_disk_costs_the_entry_and_nothing_else(spec, cached, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shared, "write", lambda data, path: failpoints.arm("now:1:full") or failpoints.failpoint("now"))
    try:
        assert_same(cached(spec), load(spec, base=tmp_path))
    finally:
        failpoints.arm("")
    assert "decoded images are not kept" in caplog.text
    assert entries(tmp_path) == []


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_what_the_disk_has_no_space_for_is_not_kept(spec, cached, tmp_path, monkeypatch, streaming):
    monkeypatch.setattr(decoded_cache, "SHARE", 0.0)
    found = cached(replace(spec, streaming=streaming))
    assert_same(found, load(replace(spec, streaming=streaming), base=tmp_path))
    assert found.folder is None or not found.folder.startswith(str(tmp_path))
    assert entries(tmp_path) == []


def test_the_least_recently_used_entry_goes_first_and_one_in_use_stays(spec, cached, tmp_path, monkeypatch):
    places = []
    for size, age in ((8, 300), (10, 200), (12, 100)):
        places.append(decoded_cache.entry(replace(spec, image_size=size), str(tmp_path)).folder)
        cached(replace(spec, image_size=size))
        then = tmp_path.stat().st_mtime - age
        os.utime(places[-1] / "lock", (then, then))
    held = sum(decoded_cache._size(place) for place in places)
    monkeypatch.setattr(decoded_cache.shutil, "disk_usage", lambda path: SimpleNamespace(free=held))
    assert decoded_cache.tidy(tmp_path / "kept")  # half of twice the size: all of them fit
    assert all(place.exists() for place in places)
    cached(replace(spec, image_size=8))  # used by this process from now on
    then = tmp_path.stat().st_mtime - 400
    os.utime(places[0] / "lock", (then, then))
    assert decoded_cache.tidy(tmp_path / "kept", needed=1)
    assert [place.exists() for place in places] == [True, False, True]
    month_ago = tmp_path.stat().st_mtime - decoded_cache.MONTH - 1
    os.utime(places[2] / "lock", (month_ago, month_ago))
    decoded_cache.tidy(tmp_path / "kept")
    assert [place.exists() for place in places] == [True, False, False]


def test_a_folder_that_changes_while_it_is_decoded_is_not_kept(spec, cached, tmp_path, monkeypatch):
    decode = decoded_cache.load

    def meanwhile(*given, **more):
        found = decode(*given, **more)
        (tmp_path / "images" / "more.txt").write_text("skipped")
        return found

    monkeypatch.setattr(decoded_cache, "load", meanwhile)
    cached(spec)
    assert entries(tmp_path) == []


def test_a_home_that_cannot_be_written_is_no_error(spec, tmp_path, caplog):
    (tmp_path / "file").touch()
    with caplog.at_level(logging.INFO):
        assert decoded_cache.images(replace(spec, cache="file"), str(tmp_path)) is None
    assert "decoded images are not kept" in caplog.text


@pytest.mark.parametrize("cache", ["file", "file/below", "/proc/nowhere"])
def test_a_named_home_that_cannot_be_written_is_said_before_a_search(spec, tmp_path, cache):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot keep decoded images in") as caught:
        decoded_cache.check(replace(spec, cache=cache), str(tmp_path))
    assert caught.value.key == "data.cache"
    for fine in ("new/folder", "off", "auto"):
        decoded_cache.check(replace(spec, cache=fine), str(tmp_path))


def read_by_a_process(spec, base, said):
    def told(*given, **more):
        said.put("decoded")
        return load(*given, **more)

    decoded_cache.load = told
    said.put(decoded_cache.images(spec, str(base)).fingerprint)


def test_of_two_processes_at_the_same_time_one_decodes(spec, tmp_path):
    context = multiprocessing.get_context("fork")
    said = context.Queue()
    both = [context.Process(target=read_by_a_process, args=(spec, tmp_path, said)) for _ in range(2)]
    for process in both:
        process.start()
    found = [said.get(timeout=60) for _ in range(3)]
    for process in both:
        process.join()
    fingerprint = load(spec, base=tmp_path).fingerprint
    assert found == ["decoded", fingerprint, fingerprint]
