"""Two files that go along with a network: a program that classifies files with it, and a card that tells about it."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from senet_nas.export.proof import Measured

_PREDICT = '''"""Classes of files: python predict.py FILE [FILE ...]

Needs torch, safetensors, numpy{pillow}, and model.py, model.safetensors and architecture.json beside it.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
{imports}
from model import load, normalise

RECORD = json.loads((Path(__file__).parent / "architecture.json").read_text(encoding="utf-8"))


{read}

def main(paths):
    """Prints the classes of each file, and what is wrong with those that cannot be read. Returns the exit status."""
    network, classes, status = load(), RECORD["classes"], 0
    for path in paths:
        try:
            x = read(path)
        except Exception as error:  # whoever reads a format throws what it likes
            why = getattr(error, "strerror", None) or f"cannot be read ({{type(error).__name__}})"
            print(f"{{path}}: {{why}}", file=sys.stderr)
            status = 1
            continue
        with torch.inference_mode():
            chances = network(normalise(x[None])).softmax(1)[0]
        best = chances.topk(min(3, len(classes)))
        words = ", ".join(f"{{classes[k]}} {{100 * p:.1f}} %" for p, k in zip(best.values.tolist(), best.indices.tolist()))
        print(f"{{path}}: {{words}}")
    return status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
'''
_READ_IMAGE = '''def read(path):
    """An image file as in training, uint8 (C, H, W): upright, the shorter side resized, the centre cut out."""
    height, width = RECORD["preprocessing"]["size"]
    side = RECORD["preprocessing"].get("resize")
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image).convert("{mode}")
        fitted = ImageOps.fit(upright, (side or width, side or height), Image.Resampling.BILINEAR)
    left, top = round((fitted.width - width) / 2), round((fitted.height - height) / 2)
    fitted = fitted.crop((left, top, left + width, top + height))
    x_HWC = np.atleast_3d(np.asarray(fitted, dtype=np.uint8))
    return torch.from_numpy(x_HWC.transpose(2, 0, 1).copy())
'''
_READ_ARRAY = '''def read(path):
    """An array of a .npy file in the shape of training, {shape}."""
    x = np.load(path, allow_pickle=False)
    if x.size != {size}:
        raise OSError(0, f"an array of shape {{x.shape}}, not {shape}")
    return torch.from_numpy(x.astype(np.float32)).reshape({shape})
'''


def kind(shape: tuple[int, ...]) -> str:
    """The files that ``predict.py`` reads: images for inputs (C, H, W) with 1 or 3 channels, arrays for others."""
    return "image files" if len(shape) == 3 and shape[0] in (1, 3) else "arrays in .npy files"


def predict(shape: tuple[int, ...]) -> str:
    """The text of ``predict.py``."""
    if kind(shape) == "image files":
        read = _READ_IMAGE.format(mode="L" if shape[0] == 1 else "RGB")
        return _PREDICT.format(read=read, pillow=", Pillow", imports="from PIL import Image, ImageOps\n")
    return _PREDICT.format(read=_READ_ARRAY.format(shape=shape, size=math.prod(shape)), pillow="", imports="")


def card(record: Mapping[str, Any], body: str, files: Mapping[str, str]) -> str:
    """The text of ``README.md``: what it is, what was measured (``body``, markdown), how to use it, what it wants."""
    with_se = [f"{place['site']} `{place['se']}`" for place in record["sites"] if place["se"]]
    wants = record["preprocessing"]
    size = " x ".join(str(side) for side in wants["size"])
    images = ", ".join(str(side) for side in ("N", wants["channels"], *wants["size"]))
    dtype = "images: uint8" if len(wants["size"]) == 2 else "signals: float32"
    classes = record["classes"]
    shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
    return "\n".join([
        f"# {record['architecture'].split('/')[0]}" + (" with Squeeze-and-Excitation" if with_se else ", plain"), "",
        f"SE in {len(with_se)} of {len(record['sites'])} units" + (f": {'; '.join(with_se)}." if with_se else "."), "",
        *([body, ""] if body else []),
        "## Use", "", "```python", "from model import load, normalise", "",
        f"logits = load()(normalise(images))  # {dtype} ({images})", "```", "",
        f"`python predict.py FILE ...` prints the classes of {kind((wants['channels'], *wants['size']))}.", "",
        f"Input: {wants['channels']} channel{'s' * (wants['channels'] > 1)}, {size}{_cut(wants)}; `{wants['formula']}` with scale {wants['scale']:.6g}, "
        f"mean {_numbers(wants['mean'])}, std {_numbers(wants['std'])}.",
        f"Output: logits of {len(classes)} classes: {shown}.", "",
        "## Files", "", *(f"* `{name}`: {about}" for name, about in files.items()), "",
        "`manifest.json` lists every file with its SHA-256.", "",
    ])  # fmt: skip


def _cut(wants: Mapping[str, Any]) -> str:
    side = wants.get("resize")
    return f", the middle of images whose shorter side is {side}" if side else ""


def measured(found: "Measured") -> str:
    """What was measured of the files, as a table in markdown; nothing where nothing was."""
    if not found.differences:
        return ""
    rows = [
        f"| `{name}` | {value:.1g} | {_percent(found, name)} | {_time(found, name)} |"
        for name, value in found.differences.items()
    ]
    where = ", ".join(f"{key} {value}" for key, value in found.timed_on.items())
    said = (
        f"Time is of one pass in turns with the same form of the plain network, median and 95 % interval; on {where}."
    )
    return "\n".join([
        "Measured on these files:", "", "| | largest difference to the trained network | validation accuracy | time |",
        "|---|---|---|---|", *rows, *(["", said] if found.latency else ()),
    ])  # fmt: skip


def _percent(found: "Measured", name: str) -> str:
    return f"{found.accuracy[name]:.2f} %" if name in found.accuracy else "-"


def _time(found: "Measured", name: str) -> str:
    if name not in found.latency:
        return "-"
    timed = found.latency[name]
    low, high = (100 * (bound - 1) for bound in (timed.low, timed.high))
    return f"{timed.candidate_ms:.3g} ms, {timed.overhead:+.1f} % over plain [{low:+.1f}, {high:+.1f}]"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
