"""The files beside an exported network: ``predict.py``, which classifies files, and ``README.md``, its model card."""

import ast
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

from senet_nas.data import pixels
from senet_nas.export.record import Record, shape, takes_image_files
from spaces.text import interval, plural

if TYPE_CHECKING:
    from senet_nas.export.proof import Measured

NAMED_CLASSES = 20  # the card names this many classes
BYTE = 255.0  # white of image files of one byte per value

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
            print(f"{{path}}: {{reason(error)}}", file=sys.stderr)
            status = 1
            continue
        if pages(path) > 1:
            print(f"{{path}}: only the first of its {{pages(path)}} pages or frames is read", file=sys.stderr)
        with torch.inference_mode():
            chances = network(normalise(x[None])).softmax(1)[0]
        best = chances.topk(min(3, len(classes)))
        found = zip(best.values.tolist(), best.indices.tolist())
        print(f"{{path}}: {{', '.join(f'{{classes[k]}} {{100 * p:.1f}} %' for p, k in found)}}")
    if status:
        print("{allowed}", file=sys.stderr)
    return status


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1:]))
'''
_READ_IMAGE = '''# -- the reading of images that trained the network, copied --------------------

{pixels}

# -- end of the copy ----------------------------------------------------------


def read(path):
    """An image file as in training, uint8 (C, H, W): upright, the shorter side resized, the centre cut out."""
    wants = RECORD["preprocessing"]
    height, width = wants["size"]
    side = wants.get("resize") or max(height, width)
    x_HWC = read_pixels(path, side, channels=wants["channels"], white=wants["range"][1])
    top = round((side - height) / 2)
    left = round((side - width) / 2)
    x_HWC = x_HWC[top : top + height, left : left + width]
    return torch.from_numpy(x_HWC.transpose(2, 0, 1).copy())


def pages(path):
    """The number of pages or frames of an image file."""
    return frames(path)
'''
_READ_ARRAY = '''class UnreadableArray(ValueError):
    """The file holds something else than an input of the network; the message says what."""


def read(path):
    """An array of a .npy file in the shape of the training, {shape}; axes of length 1 may be left out."""
    with open(path, "rb") as file:
        if file.read(6) != b"\\x93NUMPY":
            raise UnreadableArray("is not a .npy file, as numpy.save writes it")
    x = np.load(path, allow_pickle=False)
    if x.dtype.kind not in "biuf":
        raise UnreadableArray(f"holds values of type {{x.dtype}}, not real numbers")
    if [n for n in x.shape if n != 1] != {long}:
        raise UnreadableArray(f"holds an array of shape {{x.shape}}, not {shape}")
    if not np.isfinite(x).all():
        raise UnreadableArray("holds NaN or infinite values")
    if np.abs(x.astype(np.float64)).max() > np.finfo(np.float32).max:
        raise UnreadableArray("holds values too large for float32")
    return torch.from_numpy(x.astype(np.float32)).reshape({shape})


def pages(path):
    """A .npy file holds one array."""
    return 1


def reason(error):
    """Why a file could not be read, in a few words."""
    if isinstance(error, UnreadableArray):
        return str(error)
    lines = str(error).splitlines() or [type(error).__name__]
    return getattr(error, "strerror", None) or f"is damaged: {{lines[0]}}"
'''
# What `predict.py` says of the files that it takes, after it refused one.
_IMAGES = "Allowed are image files that Pillow reads, such as PNG, JPEG, TIFF, BMP, GIF and WebP, grey or in colour."
_ARRAYS = "Allowed are .npy files that hold one array of real numbers of shape {shape} each."


def predict(input_shape: tuple[int, ...]) -> str:
    """The text of ``predict.py`` for inputs (C, H, W) or (C, L)."""
    if takes_image_files(input_shape):
        read = _READ_IMAGE.format(pixels=_definitions(pixels))
        return _PREDICT.format(read=read, pillow=", Pillow", imports=_imports(pixels), allowed=_IMAGES)
    long = [n for n in input_shape if n != 1]
    read = _READ_ARRAY.format(shape=input_shape, long=long)
    return _PREDICT.format(read=read, pillow="", imports="", allowed=_ARRAYS.format(shape=input_shape))


def kind(input_shape: tuple[int, ...]) -> str:
    """What ``predict.py`` reads."""
    return "image files" if takes_image_files(input_shape) else "arrays in .npy files"


def card(record: Record, body: str, files: Mapping[str, str]) -> str:
    """The text of ``README.md``. ``body`` is markdown about what was measured; ``files`` describes each file."""
    with_se = [f"{place['site']} `{place['se']}`" for place in record["sites"] if place["se"]]
    title = record["architecture"].split("/")[0]
    parts = [
        f"# {title} with Squeeze-and-Excitation" if with_se else f"# {title}, plain",
        f"SE in {len(with_se)} of {plural(len(record['sites']), 'unit')}"
        + (f": {'; '.join(with_se)}." if with_se else "."),
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
    files = []
    if found.files:
        files = [
            "",
            f"`predict.py` reads {plural(found.files['read'], 'validation file')} to the same input tensor as the "
            "training, to the last bit, and finds the classes that the network finds.",
        ]
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
    return "\n".join([*lines, *files])


# -- inside -----------------------------------------------------------------------------------------------------------


def _imports(module: ModuleType) -> str:
    """The imports of a module that ``predict.py`` does not have anyway."""
    nodes = [
        node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    lines = [ast.unparse(node) for node in nodes]
    return "".join(f"{line}\n" for line in lines if f"\n{line}\n" not in _PREDICT)


def _definitions(module: ModuleType) -> str:
    """The source of a module after its docstring and imports."""
    text = inspect.getsource(module)
    imports = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(text.splitlines()[imports[-1].end_lineno :]).strip()


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
    white = wants["range"][1]
    deep = f" Image files with more than 8 bits are scaled so that {white:,.0f} becomes 255." if white != BYTE else ""
    return (
        f"Input of every form: {plural(channels, 'channel')}, {size}{cropped}; normalised floats, "
        f"`{wants['formula']}` with scale {wants['scale']:.6g}, "
        f"mean {_numbers(wants['mean'])}, std {_numbers(wants['std'])}.{deep}"
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
