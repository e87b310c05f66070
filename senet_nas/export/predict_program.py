"""The text of ``predict.py``, which classifies files: it holds the source of the reading that trained the network."""

import ast
import inspect
from types import ModuleType

from senet_nas.data import pixels
from senet_nas.data.folder_walk import ENDINGS
from senet_nas.export.record import takes_image_files

_PREDICT = '''"""Classes of files: python predict.py [--batch N] [--json] PATH [PATH ...]

A PATH is a file or a folder. Needs torch, safetensors, numpy{pillow}, and model.py, model.safetensors and
architecture.json beside it.
"""

import argparse
import errno
import json
import os
import sys
from pathlib import Path

import numpy as np
import torch
{imports}
from model import load, normalise

RECORD = json.loads((Path(__file__).parent / "architecture.json").read_text(encoding="utf-8"))
# Files that are read of a folder.
ENDINGS = {endings}


{read}

def files(paths):
    """The files that the paths name. A folder stands for its files that end in one of ENDINGS, at any depth."""
    for path in map(Path, paths):
        if not path.is_dir():
            yield path
            continue
        below = [p for p in sorted(path.rglob("*")) if p.suffix.lower() in ENDINGS and p.is_file()]
        seen = [p for p in below if not any(part.startswith(".") for part in p.relative_to(path).parts)]
        yield from seen or [path]


def batches(paths, size):
    """Lists of up to ``size`` pairs: a path, and its tensor or the error with which it could not be read."""
    batch = []
    for path in paths:
        try:
            if path.is_dir():
                raise FileNotFoundError(errno.ENOENT, f"holds no file that ends in {{', '.join(ENDINGS)}}")
            batch.append((path, read(path)))
        except Exception as error:  # each format has a reader of its own, which raises its own errors
            batch.append((path, error))
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def classified(network, batch):
    """For each pair of a batch: its path, its tensor or error, and the chance of each class; None without a tensor."""
    tensors = [x for _, x in batch if isinstance(x, torch.Tensor)]
    with torch.inference_mode():
        chances = iter(network(normalise(torch.stack(tensors))).softmax(1) if tensors else ())
    return [(path, x, next(chances) if isinstance(x, torch.Tensor) else None) for path, x in batch]


def say(path, chances):
    """Prints the three most probable classes of a file."""
    classes = RECORD["classes"]
    best = chances.topk(min(3, len(classes)))
    found = zip(best.values.tolist(), best.indices.tolist())
    print(f"{{path}}: {{', '.join(f'{{classes[k]}} {{100 * p:.1f}} %' for p, k in found)}}")


def say_json(path, chances):
    """Prints a file as a JSON object on one line: its class, and the probability of every class."""
    found = dict(zip(RECORD["classes"], chances.tolist()))
    print(json.dumps({{"file": str(path), "class": max(found, key=found.get), "probabilities": found}}), flush=True)


def main(words):
    """Prints the classes of each file, and an error for each file that cannot be read. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="predict.py", description=__doc__.split("\\n")[0])
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file, or a folder with files at any depth")
    parser.add_argument("--batch", type=int, default=32, metavar="N", help="files in one pass (default: 32)")
    parser.add_argument("--json", action="store_true", help="print a JSON object a line")
    wanted = parser.parse_args(words)
    if wanted.batch < 1:
        parser.error("--batch needs a number from 1 on")
    network = load()
    status = 0
    for batch in batches(files(wanted.paths), wanted.batch):
        for path, x, chances in classified(network, batch):
            if chances is None:
                print(f"{{path}}: {{reason(x)}}", file=sys.stderr)
                status = 1
                continue
            if pages(path) > 1:
                print(f"{{path}}: only the first of its {{pages(path)}} pages or frames is read", file=sys.stderr)
            (say_json if wanted.json else say)(path, chances)
    if status:
        print("{allowed}", file=sys.stderr)
    sys.stdout.flush()
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
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
        endings = tuple(sorted(ENDINGS))
        return _PREDICT.format(read=read, pillow=", Pillow", imports=_imports(pixels), allowed=_IMAGES, endings=endings)
    long = [n for n in input_shape if n != 1]
    read = _READ_ARRAY.format(shape=input_shape, long=long)
    allowed = _ARRAYS.format(shape=input_shape)
    return _PREDICT.format(read=read, pillow="", imports="", allowed=allowed, endings=(".npy",))


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
