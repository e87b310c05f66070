"""Shards of WebDataset: how samples are found, and what is refused."""

import json
import tarfile
from io import BytesIO

import numpy as np
import pytest

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
        (["a.tar.gz"], "a.tar.gz is compressed", "unpack it to a plain .tar"),
        (["a.txt"], "holds no .tar file", "the folder that holds the shards"),
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


def test_images_are_read_from_their_place(tmp_path):
    found = read(shard(tmp_path / "a.tar", samples()), streaming="always")
    images = {
        np.moveaxis(x.numpy(), 0, -1).tobytes() for part in (found.x_train, found.x_val, found.x_test) for x in part
    }
    assert len(images) == 20
