"""Every odd folder is read as it is meant, with what was left out in the notes, or refused by name."""

import os
from pathlib import Path

import numpy as np
import pytest

from senet_nas.data.datasets import DATASETS
from senet_nas.data.load import load
from senet_nas.recipe import DataSpec
from spaces import UserError
from tests.senet_nas.data.odd_folders import LAYOUTS, Layout, deep, picture, twins


def made(layout: Layout, tmp_path: Path) -> Path:
    root = tmp_path / "images"
    root.mkdir()
    layout.make(root)
    return root


def test_there_are_60_of_them_and_no_two_alike():
    assert len(LAYOUTS) >= 60
    assert len({layout.name for layout in LAYOUTS}) == len(LAYOUTS)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_an_odd_folder_is_read_right_or_refused(layout, tmp_path):
    root = made(layout, tmp_path)
    spec = DataSpec(path=str(root), image_size=8)
    try:
        if layout.refused:
            with pytest.raises(UserError) as caught:
                DATASETS["image_folder"].load(spec, tmp_path)
            said = f"{caught.value.message} {caught.value.hint}"
            assert [part for part in layout.refused if part not in said] == [], said
            said.encode()
            return
        raw = DATASETS["image_folder"].load(spec, tmp_path)
    finally:
        for folder, _, _ in os.walk(root):
            Path(folder).chmod(0o700)
    assert {name: len(labels) for name, (_, labels) in raw.sets.items()} == layout.read
    assert raw.classes == layout.classes
    said = "; ".join(raw.notes)
    said.encode()
    assert [part for part in layout.says if part not in said] == [], said
    assert bool(layout.says) == bool(said), said
    if "share" in said or "subjects" in layout.name:
        return
    for x_NHWC, labels in raw.sets.values():
        # Class k has levels of 40 (k + 1) to 40 (k + 1) + 30; litter is white.
        assert (x_NHWC.mean((1, 2, 3)) // 40 - 1).astype(int).tolist() == labels.tolist()


def fill(root: Path, depth: str) -> Path:
    """Two classes that differ in brightness alone: noise around 9000 and 30,000 of 65,535."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 9000), ("light", 30_000)):
        for i in range(6):
            values = rng.normal(1, 0.05, (8, 8)) * level
            deep(
                root / name / f"{i}.tif",
                values / 257 if depth == "8" else values,
                np.uint8 if depth == "8" else np.uint16,
            )
    return root


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_brightness_of_deep_images_survives(tmp_path, streaming):
    """Fault 2: each image was divided by its own maximum."""
    deep_ones = load(DataSpec(path=str(fill(tmp_path / "16", "16")), image_size=8, streaming=streaming))
    shallow = load(DataSpec(path=str(fill(tmp_path / "8", "8")), image_size=8, streaming=streaming))
    assert (deep_ones.white, shallow.white) == (65535.0, 255.0)
    assert deep_ones.y_train.equal(shallow.y_train)
    assert (deep_ones.x_train.int() - shallow.x_train.int()).abs().max() <= 1
    means = deep_ones.x_train.float().mean((1, 2, 3))
    assert means[deep_ones.y_train == 0].max() < 40 < 110 < means[deep_ones.y_train == 1].min()


@pytest.mark.parametrize(
    ("value", "why"), [(-1.0, "negative values"), (np.nan, "NaN"), (np.inf, "infinite"), (-np.inf, "infinite")]
)
def test_values_without_a_meaning_are_refused_by_name(tmp_path, value, why):
    root = fill(tmp_path / "16", "16")
    deep(root / "dark" / "odd.tif", value, np.float32)
    with pytest.raises(UserError, match=f"1 of 13 images cannot be read.*odd.tif .holds .*{why}"):
        load(DataSpec(path=str(root), image_size=8))


def test_test_images_at_another_size_are_read_with_the_same_white(tmp_path):
    from senet_nas.data.reread import with_test_images_of

    spec = DataSpec(path=str(fill(tmp_path / "16", "16")), image_size=8)
    data = load(spec)
    larger = with_test_images_of(16, data, spec)
    assert (larger.x_test.float().mean((1, 2, 3)) - data.x_test.float().mean((1, 2, 3))).abs().max() < 2


@pytest.mark.parametrize("streaming", ["never", "always"])
def test_an_image_in_two_classes_is_named_with_both_files(tmp_path, streaming):
    """Fault 4: it was not named unless it was in two sets."""
    for k, name in enumerate(("cat", "dog")):
        for i in range(6):
            picture(tmp_path / name / f"{i}.png", 20 * (6 * k + i))
    spec = DataSpec(path=str(tmp_path), image_size=8, streaming=streaming)
    assert "more than one class" not in " ".join(load(spec).notes)
    twins(tmp_path)
    said = " ".join(load(spec).notes)
    assert "1 image is in more than one class (equal pixels)" in said
    assert f"{tmp_path}/cat/0.png (cat)" in said
    assert f"{tmp_path}/dog/copy.png (dog)" in said


def test_a_bomb_among_grey_images_is_refused(tmp_path, monkeypatch):
    """Telling grey from colour opens the files, too."""
    from PIL import Image

    root = fill(tmp_path / "8", "8")
    Image.new("1", (300, 300), 1).save(root / "dark" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match="bomb.png .has more than [0-9,]+ pixels"):
        load(DataSpec(path=str(root), image_size=8))
