"""Images from files on disk: training sees the same images as from memory."""

import subprocess
import sys
import tracemalloc
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from senet_nas import hardware
from senet_nas.data import image_folder, memory_map, pictures, shared
from senet_nas.data.batches import batches
from senet_nas.data.load import Data, load
from senet_nas.data.reread import with_test_images_of
from senet_nas.recipe import DataSpec, Recipe, Seed, Task
from senet_nas.training import evaluate
from spaces import UserError
from tests.senet_nas.recipes import OPTIONS

CLASSES, EACH, SIDE = ("cat", "dog", "owl"), 40, 16


def fill(root: Path, each: int = EACH) -> Path:
    """A folder of noise images whose classes differ in brightness, in two sizes, some of them JPEG."""
    rng = np.random.default_rng(0)
    for level, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for i in range(each):
            shape = (20 + i % 3, 24, 3)
            image = Image.fromarray(rng.integers(40 * level, 40 * level + 120, shape, dtype=np.uint8))
            image.save(root / name / f"{i}.{'jpg' if i % 4 else 'png'}")
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("images"))


@pytest.fixture
def both(root: Path) -> tuple[Data, Data]:
    spec = DataSpec(path=str(root), image_size=SIDE)
    return load(replace(spec, streaming="never")), load(replace(spec, streaming="always"))


def test_all_is_as_in_memory_but_the_place(both: tuple[Data, Data]) -> None:
    resident, streamed = both
    assert resident.folder is None
    assert Path(str(streamed.folder)).is_dir()
    for name in {field.name for field in fields(Data)} - {"folder"}:
        ours, theirs = getattr(streamed, name), getattr(resident, name)
        assert torch.equal(ours, theirs) if isinstance(theirs, torch.Tensor) else ours == theirs


@pytest.mark.parametrize("sets", [("train", "val", "test"), ("train", "val")])
def test_sets_of_its_own_stay_what_they_are(tmp_path: Path, sets: tuple[str, ...]) -> None:
    for name in sets:
        fill(tmp_path / name, 6)
    spec = DataSpec(path=str(tmp_path), image_size=SIDE, streaming="always", validation=9)
    assert load(spec).fingerprint == load(replace(spec, streaming="never")).fingerprint


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("resize", [None, SIDE + 2])
def test_batches_are_equal_whatever_the_augmentation(
    root: Path, both: tuple[Data, Data], name: str, resize: int | None
) -> None:
    recipe = Recipe(batch_size=16, **OPTIONS[name])
    spec = DataSpec(path=str(root), image_size=SIDE, resize=resize)
    if resize:
        both = load(replace(spec, streaming="never")), load(replace(spec, streaming="always"))
    epochs = []
    for data in both:
        generator = torch.Generator().manual_seed(1)
        epochs.append([*batches(data.x_train, data.y_train, data, recipe, generator, "cpu")])
    assert len(epochs[0]) == len(epochs[1]) == len(both[0].y_train) // 16
    for (x, y), (x_streamed, y_streamed) in zip(*epochs, strict=True):
        assert torch.equal(x, x_streamed)
        assert torch.equal(y, y_streamed)


def test_a_training_is_the_same_and_workers_map_the_same_files(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = DataSpec(path=str(root), image_size=SIDE, streaming="never")
    task = Task(spec, Recipe(epochs=2, batch_size=32))
    alone = [*evaluate.evaluate("cifar_resnet8/-/-/-", Seed(0), task)]
    shared = evaluate.share(replace(task, data=replace(spec, streaming="always")), tmp_path)
    assert not list(tmp_path.iterdir())  # no second copy
    assert Path(str(shared.images)).is_dir()
    monkeypatch.setattr(evaluate, "load", None)  # nothing but the files is read
    together = [*evaluate.evaluate("cifar_resnet8/-/-/-", Seed(0), shared)]
    assert [r.metrics["train_loss"] for r in alone] == [r.metrics["train_loss"] for r in together]
    assert alone[-1].correct == together[-1].correct


def test_it_is_chosen_by_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = DataSpec(path=str(root), image_size=SIDE)
    listing = image_folder.listed(spec, root)
    bytes_of_all = memory_map.size(listing, spec)
    assert bytes_of_all == len(CLASSES) * EACH * 3 * SIDE**2
    for memory, wanted in ((bytes_of_all * 5, False), (bytes_of_all * 3, True)):
        monkeypatch.setattr(hardware, "memory", lambda found=memory: found)
        assert memory_map.is_wanted(spec, listing) is wanted
    assert load(DataSpec(dataset="digits", streaming="always")).folder is None


def test_what_is_held_in_memory_does_not_grow_with_the_images(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "CHUNK", 8)
    monkeypatch.setattr("senet_nas.data.channel_moments.COUNTED_TOGETHER", 8)
    spec = DataSpec(path=str(root), image_size=128)

    def peak(streaming: str) -> int:
        tracemalloc.start()
        load(replace(spec, streaming=streaming))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    size = len(CLASSES) * EACH * 3 * 128**2
    assert peak("always") < size / 2 < size < peak("never")


def test_damaged_files_are_named_as_in_memory(tmp_path: Path) -> None:
    (fill(tmp_path, 5) / "dog" / "3.jpg").write_bytes(b"no image")
    for streaming_is in ("always", "never"):
        with pytest.raises(UserError, match=r"1 of \d+ images cannot be read: .*3.jpg"):
            load(DataSpec(path=str(tmp_path), streaming=streaming_is))


def test_a_disk_that_is_too_small_is_told_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="GB left") as caught:
        memory_map.room(10**18)
    assert "TMPDIR" in caught.value.hint


def test_items_come_in_order_and_errors_come_through() -> None:
    def failing():
        yield 1
        yield 2
        raise OSError("gone")

    found = memory_map.ahead(failing())
    assert [next(found), next(found)] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        next(found)
    assert [*memory_map.ahead(iter("abc"))] == ["a", "b", "c"]


def test_the_files_go_with_the_process(tmp_path: Path) -> None:
    program = "from senet_nas.data import memory_map; print(memory_map.room(1))"
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.startswith(str(tmp_path / memory_map.PREFIX))
    assert not list(tmp_path.iterdir())


def test_what_describes_the_images_lies_beside_them(both: tuple[Data, Data], tmp_path: Path) -> None:
    folder = shared.write(both[1], tmp_path / "images")
    assert str(folder) == both[1].folder
    assert shared.read(folder).fingerprint == both[0].fingerprint


@pytest.mark.parametrize("streamed", ["never", "always"])
@pytest.mark.parametrize("resize", [None, 20])
def test_test_images_of_another_size_are_those_of_a_load_at_that_size(
    root: Path, streamed: str, resize: int | None
) -> None:
    spec = DataSpec(path=str(root), image_size=SIDE, resize=resize, streaming=streamed)
    data = load(spec)
    found = with_test_images_of(24, data, spec)
    whole = load(replace(spec, image_size=24, resize=resize and 30))
    assert torch.equal(found.x_test, whole.x_test)
    assert torch.equal(found.y_test, whole.y_test)
    assert found.side == whole.side
    assert (found.mean, found.std) == (data.mean, data.std)
