"""The exported ``predict.py`` reads image files as the training did, or the export is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from senet_nas.data import pixels
from senet_nas.data.augment import centre
from senet_nas.data.load import Data, load, validation_files
from senet_nas.export import companions
from senet_nas.export.bundle import Exported, export
from senet_nas.network.build import build
from senet_nas.recipe import DataSpec
from tests.senet_nas.data.odd_images import ODD

KEY = "cifar_resnet8/-/-/-"


def folder_of_deep_images(root: Path) -> None:
    """Fault 1 of the trials: 16-bit stripes of 20,000 to 40,000, whose direction is the class."""
    rng = np.random.default_rng(0)
    for k in (0, 1):
        stripes = np.indices((32, 32))[k] // 4 % 2 * 20_000 + 20_000
        (root / f"c{k}").mkdir(parents=True)
        for i in range(12):
            values = stripes + rng.integers(-3000, 3000, (32, 32))
            Image.fromarray(values.astype(np.uint16)).save(root / f"c{k}" / f"{i}.tif")


def folder_of_odd_images(root: Path) -> None:
    """Turned, palettes, alpha, 12 bits of 4095, animated: files that two readers would read in two ways."""
    chosen = [odd for odd in ODD if not odd.refused and odd.white in (255.0, 4095.0) and "constant" not in odd.name]
    for i, odd in enumerate(chosen):
        path = root / f"c{i % 2}" / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(odd.content)


FOLDERS = {"deep": (folder_of_deep_images, 65535.0), "odd": (folder_of_odd_images, 4095.0)}


def exported(name: str, where: Path, resize: int | None = None) -> tuple[Exported, Data, list[Path]]:
    make, white = FOLDERS[name]
    make(where / "images")
    spec = DataSpec(path=str(where / "images"), image_size=16, resize=resize)
    data = load(spec)
    assert data.white == white
    files = validation_files(spec)
    network = build(KEY, in_channels=data.channels, num_classes=2)
    for _ in range(3):
        network(torch.randn(8, *data.shape, generator=torch.Generator().manual_seed(0)))
    done = export(
        network,
        KEY,
        where / "out",
        input_shape=data.shape,
        mean=data.mean,
        std=data.std,
        classes=data.classes,
        labelled=(centre(data.x_val, data.side), data.y_val),
        files=files,
        forms=["model.py"],
        resize=resize,
        white=data.white,
    )
    return done, data, files


@pytest.mark.parametrize(("name", "resize"), [("deep", None), ("deep", 20), ("odd", None)])
def test_predict_reads_files_to_the_last_bit_as_the_training_did(name: str, resize: int | None, tmp_path: Path) -> None:
    done, data, files = exported(name, tmp_path, resize)
    measured = json.loads((done.directory / "manifest.json").read_text())["measured"]["files"]
    assert measured["read"] == len(files) == len(data.y_val) >= 4
    assert (measured["differences"]["pixels"], measured["differences"]["inputs"]) == (0, 0)
    record = json.loads((done.directory / "architecture.json").read_text())
    assert record["preprocessing"]["range"] == [0, data.white]
    card = (done.directory / "README.md").read_text()
    assert f"`predict.py` reads {len(files)} validation files to the same input tensor" in card
    assert f"so that {data.white:,.0f} becomes 255" in card
    assert not (done.directory / "__pycache__").exists()


def test_predict_refuses_by_name_what_training_refuses(tmp_path: Path) -> None:
    done, _, _ = exported("deep", tmp_path)
    bad = tmp_path / "bad.tif"
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(bad)
    command = [sys.executable, str(done.directory / "predict.py"), str(bad)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr == f"{bad}: holds NaN or infinite values\n"


def test_another_reading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What predict.py did at first: convert("L") clips 16 bits at 255."""
    text = companions.predict((1, 16, 16))
    clipped = text.replace("_eight_bits(image, white) if image.mode in DEEP else image", "image.convert('L')")
    assert clipped != text
    monkeypatch.setattr(companions, "predict", lambda shape: clipped)
    with pytest.raises(RuntimeError, match="reads files otherwise than the training"):
        exported("deep", tmp_path)
    assert not (tmp_path / "out").exists()


def test_predict_holds_the_text_of_the_one_reading() -> None:
    text = companions.predict((3, 8, 8))
    compile(text, "predict.py", "exec")
    source = Path(pixels.__file__).read_text()
    assert source[source.index("# Modes of one byte") :].strip() in text
    assert not [
        name for name in ("senet_nas", "spaces", "search") if f"import {name}" in text or f"from {name}" in text
    ]
