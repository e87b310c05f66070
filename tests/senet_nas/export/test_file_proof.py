"""The exported ``predict.py`` reads image files as the training did, or the export is refused."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from senet_nas.data import pixels
from senet_nas.data.augment import centre
from senet_nas.data.batches import normalise
from senet_nas.data.load import Data, load
from senet_nas.data.reread import validation_files
from senet_nas.export import bundle, predict_program
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


def exported(
    name: str, where: Path, resize: int | None = None, forms: Sequence[str] = ("model.py",)
) -> tuple[Exported, Data, list[Path]]:
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
        forms=forms,
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
    assert told.stderr.splitlines()[0] == f"{bad}: holds NaN or infinite values"


def test_predict_says_that_it_reads_one_page_and_refuses_16_bits_per_colour(tmp_path: Path) -> None:
    done, _, files = exported("deep", tmp_path)
    pages = tmp_path / "pages.tif"
    Image.open(files[0]).save(pages, save_all=True, append_images=[Image.open(path) for path in files[1:3]])
    colour = tmp_path / "colour.png"
    colour.write_bytes(next(odd.content for odd in ODD if odd.name == "16 bit RGB PNG"))
    command = [sys.executable, str(done.directory / "predict.py"), str(pages), str(colour)]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    first, second, _ = told.stderr.splitlines()
    assert first == f"{pages}: only the first of its 3 pages or frames is read"
    assert second.startswith(f"{colour}: has 16 bits per colour, of which Pillow reads the upper 8")
    assert told.stdout.startswith(f"{pages}: c")


# What a file holds: what predict.py says of it.
BAD_FILES = {
    "text": (b"not an image", "is not an image that Pillow can read"),
    "nothing": (b"", "is not an image that Pillow can read"),
    "half of a PNG": (None, "is damaged: "),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_predict_says_what_is_wrong_with_a_file_and_what_is_allowed(name: str, tmp_path: Path) -> None:
    """P3: it printed the class of an exception."""
    done, _, files = exported("odd", tmp_path)
    content, said = BAD_FILES[name]
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "PNG")
    bad = tmp_path / "bad.png"
    bad.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2] if content is None else content)
    command = [sys.executable, str(done.directory / "predict.py"), str(bad), str(files[0])]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    first, last = told.stderr.splitlines()
    assert first.startswith(f"{bad}: {said}")
    assert "Error" not in told.stderr
    assert last.startswith("Allowed are image files that Pillow reads, such as PNG, JPEG,")
    assert told.returncode == 1
    assert told.stdout.startswith(f"{files[0]}: c")


# An array in a .npy file for inputs (2, 5): a part of what is said, or None if it is read.
ARRAYS = {
    "as trained": (np.arange(10.0).reshape(2, 5), None),
    "with a batch": (np.arange(10).reshape(1, 2, 5), None),
    "turned": (np.zeros((5, 2)), "holds an array of shape (5, 2), not (2, 5)"),
    "flat": (np.zeros(10), "holds an array of shape (10,), not (2, 5)"),
    "NaN": (np.full((2, 5), np.nan), "holds NaN or infinite values"),
    "too large": (np.full((2, 5), 1e60), "holds values too large for float32"),
    "words": (np.full((2, 5), "x"), "holds values of type <U1, not real numbers"),
    "complex": (np.zeros((2, 5), complex), "holds values of type complex128, not real numbers"),
    "text": (b"1, 2, 3", "is not a .npy file, as numpy.save writes it"),
    "an archive": (b"PK\x03\x04", "is not a .npy file"),
    "half a file": (b"\x93NUMPY\x01\x00", "is damaged: "),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_predict_reads_arrays_of_the_shape_of_the_training_only(name: str, tmp_path: Path) -> None:
    text = predict_program.predict((2, 5))
    head = (
        "import sys\nfrom types import SimpleNamespace\nsys.modules['model'] = SimpleNamespace(load=0, normalise=0)\n"
    )
    (tmp_path / "architecture.json").write_text("{}")
    names = {"__name__": "predict", "__file__": str(tmp_path / "predict.py")}
    exec(head + text, names)
    sys.modules.pop("model")
    content, said = ARRAYS[name]
    path = tmp_path / "x.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    if said is None:
        assert names["read"](path).tolist() == content.reshape(2, 5).tolist()
        return
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is looked at
        names["read"](path)
    assert said in names["reason"](caught.value)


@pytest.mark.parametrize("resize", [None, 20])
def test_the_metadata_of_onnx_suffice_to_prepare_a_deep_image(resize: int | None, tmp_path: Path) -> None:
    """P2: a program that knows Pillow and numpy follows the text, and gets the tensor of the training."""
    pytest.importorskip("onnxruntime")
    import onnxruntime

    done, data, files = exported("deep", tmp_path, resize, forms=["model.py", "model.onnx"])
    session = onnxruntime.InferenceSession(done.directory / "model.onnx")
    text = session.get_modelmeta().custom_metadata_map["preprocessing"]
    formula = re.search(r"byte = (round\(.*?\)\)), halves to even", text).group(1)
    side = int(re.search(r"resize it to (\d+) x", text).group(1))
    normal, mean, std = re.search(r"x = (.*?) with mean = (\[.*?\]) and std = (\[.*?\])", text).groups()
    values = np.asarray(Image.open(files[0]), dtype=np.float64)
    grey = Image.fromarray(eval(formula, {"round": np.rint, "value": values}).astype(np.uint8))
    byte = np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float64)
    if resize:
        height, width = map(int, re.search(r"middle (\d+) x (\d+);", text).groups())
        top = round((side - height) / 2)
        byte = byte[top : top + height, top : top + width]
    x = eval(normal, {"byte": byte, "mean": json.loads(mean)[0], "std": json.loads(std)[0]})
    expected = normalise(data.x_val[:1], data)[0, 0].numpy()
    np.testing.assert_allclose(x, expected, rtol=1e-5, atol=1e-6)
    (logits,) = session.run(["logits"], {"images": x[None, None].astype(np.float32)})
    assert logits.shape == (1, 2)


def test_another_reading_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What predict.py did at first: convert("L") clips 16 bits at 255."""
    text = predict_program.predict((1, 16, 16))
    clipped = text.replace("_eight_bits(image, white) if image.mode in DEEP else image", "image.convert('L')")
    assert clipped != text
    monkeypatch.setattr(bundle, "predict", lambda shape: clipped)
    with pytest.raises(RuntimeError, match="reads files otherwise than the training"):
        exported("deep", tmp_path)
    assert not (tmp_path / "out").exists()


def test_predict_holds_the_text_of_the_one_reading() -> None:
    text = predict_program.predict((3, 8, 8))
    compile(text, "predict.py", "exec")
    source = Path(pixels.__file__).read_text()
    assert source[source.index("# Modes of one byte") :].strip() in text
    assert not [
        name for name in ("senet_nas", "spaces", "search") if f"import {name}" in text or f"from {name}" in text
    ]
