"""The files beside an exported network: ``predict.py``, which classifies files, and ``README.md``, its model card."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from senet_nas.export.record import Record, shape
from spaces.text import interval, plural

if TYPE_CHECKING:
    from senet_nas.export.proof import Measured

NAMED_CLASSES = 20  # the card names this many classes

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
    """Prints the classes of each file, and an error for each file that cannot be read. Returns the exit status."""
    network = load()
    classes = RECORD["classes"]
    status = 0
    for path in paths:
        try:
            x = read(path)
        except Exception as error:  # each format has a reader of its own, which raises its own errors
            why = getattr(error, "strerror", None) or f"cannot be read ({{type(error).__name__}})"
            print(f"{{path}}: {{why}}", file=sys.stderr)
            status = 1
            continue
        with torch.inference_mode():
            chances = network(normalise(x[None])).softmax(1)[0]
        best = chances.topk(min(3, len(classes)))
        found = zip(best.values.tolist(), best.indices.tolist())
        print(f"{{path}}: {{', '.join(f'{{classes[k]}} {{100 * p:.1f}} %' for p, k in found)}}")
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
    left = round((fitted.width - width) / 2)
    top = round((fitted.height - height) / 2)
    fitted = fitted.crop((left, top, left + width, top + height))
    x_HWC = np.atleast_3d(np.asarray(fitted, dtype=np.uint8))
    return torch.from_numpy(x_HWC.transpose(2, 0, 1).copy())
'''
_READ_ARRAY = '''def read(path):
    """An array of a .npy file in the shape that the network was trained on, {shape}."""
    x = np.load(path, allow_pickle=False)
    if x.size != {size}:
        raise OSError(0, f"an array of shape {{x.shape}}, not {shape}")
    return torch.from_numpy(x.astype(np.float32)).reshape({shape})
'''


def kind(input_shape: tuple[int, ...]) -> str:
    """What ``predict.py`` reads: image files for inputs (C, H, W) with 1 or 3 channels, otherwise arrays."""
    if len(input_shape) == 3 and input_shape[0] in (1, 3):
        return "image files"
    return "arrays in .npy files"


def predict(input_shape: tuple[int, ...]) -> str:
    """The text of ``predict.py`` for inputs (C, H, W) or (C, L)."""
    if kind(input_shape) == "image files":
        read = _READ_IMAGE.format(mode="L" if input_shape[0] == 1 else "RGB")
        return _PREDICT.format(read=read, pillow=", Pillow", imports="from PIL import Image, ImageOps\n")
    read = _READ_ARRAY.format(shape=input_shape, size=math.prod(input_shape))
    return _PREDICT.format(read=read, pillow="", imports="")


def card(record: Record, body: str, files: Mapping[str, str]) -> str:
    """The text of ``README.md``. ``body`` is markdown about what was measured; ``files`` describes each file."""
    with_se = [f"{place['site']} `{place['se']}`" for place in record["sites"] if place["se"]]
    title = record["architecture"].split("/")[0]
    parts = [
        f"# {title} with Squeeze-and-Excitation" if with_se else f"# {title}, plain",
        f"SE in {len(with_se)} of {len(record['sites'])} units" + (f": {'; '.join(with_se)}." if with_se else "."),
        body,
        _usage(record),
        f"{_input(record)}\n{_output(record)}",
        "## Files",
        "\n".join(f"* `{name}`: {about}" for name, about in files.items()),
        "`manifest.json` lists every file with its SHA-256.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def measured(found: "Measured") -> str:
    """A markdown table of what was measured of the files; empty if nothing was."""
    if not found.differences:
        return ""
    rows = [
        f"| `{name}` | {value:.1g} | {_percent(found, name)} | {_time(found, name)} |"
        for name, value in found.differences.items()
    ]
    lines = [
        "Measured on these files:",
        "",
        "| | largest difference to the trained network | validation accuracy | time |",
        "|---|---|---|---|",
        *rows,
    ]
    if found.latency:
        where = ", ".join(f"{key} {value}" for key, value in found.timed_on.items())
        lines += [
            "",
            "Time is of one pass in turns with the same form of the plain network, median and 95 % interval; on "
            f"{where}.",
        ]
    return "\n".join(lines)


# -- inside -----------------------------------------------------------------------------------------------------------


def _usage(record: Record) -> str:
    images = ", ".join(["N", *(str(side) for side in shape(record))])
    dtype = "images: uint8" if len(shape(record)) == 3 else "signals: float32"
    return f"""## Use

```python
from model import load, normalise

logits = load()(normalise(images))  # {dtype} ({images})
```

`python predict.py FILE ...` prints the classes of {kind(shape(record))}."""


def _input(record: Record) -> str:
    wants = record["preprocessing"]
    channels = wants["channels"]
    size = " x ".join(str(side) for side in wants["size"])
    resize = wants.get("resize")
    cropped = f", the middle of images whose shorter side is {resize}" if resize else ""
    return (
        f"Input: {plural(channels, 'channel')}, {size}{cropped}; "
        f"`{wants['formula']}` with scale {wants['scale']:.6g}, "
        f"mean {_numbers(wants['mean'])}, std {_numbers(wants['std'])}."
    )


def _output(record: Record) -> str:
    classes = record["classes"]
    shown = ", ".join(classes[:NAMED_CLASSES]) + (", ..." if len(classes) > NAMED_CLASSES else "")
    return f"Output: logits of {len(classes)} classes: {shown}."


def _percent(found: "Measured", name: str) -> str:
    return f"{found.accuracy[name]:.2f} %" if name in found.accuracy else "-"


def _time(found: "Measured", name: str) -> str:
    if name not in found.latency:
        return "-"
    timed = found.latency[name]
    low = 100 * (timed.low - 1)
    high = 100 * (timed.high - 1)
    return f"{timed.candidate_ms:.3g} ms, {timed.overhead:+.1f} % over plain {interval(low, high, '+.1f')}"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
