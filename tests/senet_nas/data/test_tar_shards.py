"""Shards of WebDataset: how samples are found, and what is refused."""

import bz2
import gzip
import json
import lzma
import tarfile
from io import BytesIO

import numpy as np
import pyarrow
import pytest

from senet_nas.data import shard_files
from senet_nas.data.datasets import section
from senet_nas.data.load import Data, load
from senet_nas.recipe import DataSpec
from spaces import UserError
from tests.senet_nas.data.sources import IMAGES, png

PNG = [png(x_HWC) for x_HWC in IMAGES[:20]]


def shard(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    return path


def samples(label=lambda i: {"cls": str(i % 2).encode()}, image="png"):
    return {f"{i:03}.{ending}": content for i in range(20) for ending, content in {image: PNG[i], **label(i)}.items()}


def read(path, **settings) -> Data:
    return load(DataSpec(dataset="webdataset", path=str(path), image_size=8, **settings))


@pytest.mark.parametrize(
    ("members", "settings", "classes"),
    [
        (samples(), {}, ("0", "1")),
        (samples(lambda i: {"txt": b" cat\n" if i % 2 else b"dog"}), {}, ("cat", "dog")),
        (samples(lambda i: {"json": json.dumps({"label": i % 2, "id": i}).encode()}), {}, ("0", "1")),
        (samples(lambda i: {"json": json.dumps({"kind": i % 2}).encode()}), {"label": "kind"}, ("0", "1")),
        (samples(lambda i: {"kind": str(i % 2 + 9).encode()}), {"label": "kind"}, ("9", "10")),
        (samples(image="left.PNG"), {}, ("0", "1")),
        ({**samples(lambda i: {"cls": b"%d" % (i % 2), "mask.png": PNG[0]})}, {"image": "png"}, ("0", "1")),
        ({"._000.png": b"litter", **samples()}, {}, ("0", "1")),
    ],
)
def test_samples_of_many_forms_give_the_same_images(tmp_path, members, settings, classes):
    found = read(shard(tmp_path / "a.tar", members), **settings)
    assert found.classes == classes
    if classes == ("0", "1"):
        assert found.fingerprint == read(shard(tmp_path / "b.tar", samples())).fingerprint


@pytest.mark.parametrize(
    "names", [["train-0.tar", "valid-0.tar"], ["set_train_0.tar", "set_val_0.tar"], ["train/0.tar", "val/0.tar"]]
)
def test_shards_name_their_set(tmp_path, names):
    for name in names:
        shard(tmp_path / "shards" / name, samples())
    found = read(tmp_path / "shards")
    assert len(found.y_val) == 20
    assert "different validation images are training images" in " ".join(found.notes)


def test_bad_samples_are_counted_and_named(tmp_path):
    more = {
        "x.png": PNG[0],
        "y.cls": b"1",
        "z.png": PNG[0],
        "z.jpg": PNG[0],
        "z.cls": b"1",
        "w.png": PNG[0],
        "w.json": b"{",
    }
    with pytest.raises(UserError) as caught:
        read(shard(tmp_path / "a.tar", {**samples(), **more}))
    assert caught.value.message.startswith("4 of 24 rows of")
    for part in (
        "a.tar:x (no label; it holds png)",
        "a.tar:y (no image; it holds cls)",
        "a.tar:z (several images: png, jpg; name one by data.image)",
        "a.tar:w (its .json cannot be read:",
    ):
        assert part in caught.value.message


def test_a_damaged_image_is_named_with_its_shard(tmp_path):
    path = shard(tmp_path / "a.tar", {**samples(), "x.png": b"none", "x.cls": b"0"})
    with pytest.raises(UserError, match=r"1 of \d+ images cannot be read: .*a\.tar:x"):
        read(path)


def test_shards_that_cannot_be_read_are_refused(tmp_path):
    whole = shard(tmp_path / "cut.tar", samples())
    whole.write_bytes(whole.read_bytes()[:2000])
    (tmp_path / "no.tar").write_bytes(b"x" * 2000)
    for name in ("cut.tar", "no.tar"):
        with pytest.raises(UserError, match=rf"{name} cannot be read"):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("names", "message", "hint"),
    [
        (["a.txt"], "holds no .tar file", "or a folder of shards"),
        (["train-0.tar", "other.tar"], "1 of 2 shards name no set, the first is", "or none"),
        (["test-0.tar"], "holds test, but no train", "add training images"),
    ],
)
def test_folders_of_other_things_are_refused(tmp_path, names, message, hint):
    for name in names:
        shard(tmp_path / "shards" / name, samples())
    with pytest.raises(UserError) as caught:
        read(tmp_path / "shards")
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("ending", shard_files.COMPRESSED)
def test_compressed_shards_give_the_same_images(ending, tmp_path):
    plain = shard(tmp_path / "plain" / "a.tar", samples())
    packed = tmp_path / "packed" / f"a{ending}"
    packed.parent.mkdir()
    if ending == ".tar.zst":
        with pyarrow.CompressedOutputStream(str(packed), "zstd") as file:
            file.write(plain.read_bytes())
    else:
        module = {"gz": gzip, "tgz": gzip, "bz2": bz2, "xz": lzma}[ending.rpartition(".")[2]]
        packed.write_bytes(module.compress(plain.read_bytes()))
    found = read(packed)
    assert found.fingerprint == read(plain).fingerprint == read(packed.parent).fingerprint
    packed.write_bytes(packed.read_bytes()[:200])
    with pytest.raises(UserError, match=rf"a{ending} cannot be (unpacked|read)"):
        read(packed)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("images-{00..02}.tar", ["images-00.tar", "images-01.tar", "images-02.tar"]),
        ("{train,val}/{8..10}.tar", [f"{part}/{n}.tar" for part in ("train", "val") for n in (8, 9, 10)]),
    ],
)
def test_a_pattern_means_the_shards_in_its_braces(pattern, names, tmp_path):
    members = [*samples().items()]
    size = len(members) // len(names) // 2 * 2  # whole samples
    for number, name in enumerate(names):
        shard(tmp_path / "all" / name, dict(members[number * size : (number + 1) * size]))
    root = tmp_path / "all"
    expected = read(root)
    assert read(root / pattern).fingerprint == expected.fingerprint
    shard(root / names[0].replace(".tar", "-more.tar"), samples())  # the pattern leaves it out
    assert read(root / pattern).fingerprint == expected.fingerprint
    assert section(str(root / pattern)) == {"dataset": "webdataset", "path": str(root / pattern)}
    with pytest.raises(UserError, match=r"no file .*/x-1\.tar, nor 1 more of the 2 of .*x-\{1\.\.2\}\.tar"):
        read(tmp_path / "x-{1..2}.tar")


def test_a_folder_of_shards_that_is_taken_for_images_says_how_to_name_it(tmp_path):
    shard(tmp_path / "shards" / "a.tar", samples())
    with pytest.raises(UserError) as caught:
        load(DataSpec(path=str(tmp_path / "shards")))
    assert caught.value.hint == "for shards of WebDataset, write `data: {dataset: webdataset, path: FOLDER}`"


def test_images_are_read_from_their_place(tmp_path):
    found = read(shard(tmp_path / "a.tar", samples()), streaming="always")
    images = {
        np.moveaxis(x.numpy(), 0, -1).tobytes() for part in (found.x_train, found.x_val, found.x_test) for x in part
    }
    assert len(images) == 20


@pytest.mark.parametrize("keep", [0, 200, 700])
def test_a_shard_that_was_cut_off_is_refused(tmp_path, keep):
    whole = shard(tmp_path / "whole.tar", samples())
    with tarfile.open(whole) as tar:
        begin = tar.getmembers()[20].offset  # between two samples: nothing else looks damaged
    (tmp_path / "cut.tar").write_bytes(whole.read_bytes()[: begin + keep])
    with pytest.raises(UserError, match=r"cut\.tar cannot be read: (it ends without its end mark|unexpected end)"):
        read(tmp_path / "cut.tar")


def test_shards_that_were_joined_to_one_file_are_refused(tmp_path):
    whole = shard(tmp_path / "whole.tar", samples()).read_bytes()
    (tmp_path / "joined.tar").write_bytes(whole + whole)
    with pytest.raises(UserError, match="more follows after its end mark"):
        read(tmp_path / "joined.tar")


def test_a_sample_that_comes_twice_in_a_shard_is_named(tmp_path):
    members = samples()
    again = [(name, members[name]) for name in ("000.png", "000.cls")]
    path = shard(tmp_path / "a.tar", members)
    with tarfile.open(path, "a") as tar:
        for name, content in again:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, BytesIO(content))
    with pytest.raises(UserError, match=r"1 of 21 rows .*a\.tar:000 \(its name came before; .* stand together"):
        read(path)
