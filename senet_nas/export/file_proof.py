"""The proof that ``predict.py`` reads the files of the data as the training did. It runs in a process of its own."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from senet_nas.export.forms import Forward
from senet_nas.export.proof import normalised
from senet_nas.export.record import Record

# Another process may round the sums of a layer differently.
TOLERANCE = 1e-4
_PROGRAM = """
import sys
folder, out, threads, *paths = sys.argv[1:]
sys.path.insert(0, folder)
import torch
from safetensors.torch import save_file
torch.set_num_threads(int(threads))
import predict
pixels = torch.stack([predict.read(path) for path in paths])
inputs = predict.normalise(pixels)
with torch.inference_mode():
    save_file({"pixels": pixels, "inputs": inputs, "logits": predict.load()(inputs)}, out)
"""


def compare(folder: Path, network: Forward, record: Record, images: Tensor, files: Sequence[Path]) -> dict[str, Any]:
    """What ``predict.py`` in ``folder`` makes of image files, beside the training's uint8 ``images`` of the same files.

    Returns the number of files and the largest differences of pixels, inputs and logits. Raises RuntimeError unless
    pixels and inputs are equal to the last bit, and the classes those of ``network``.
    """
    found = _read(folder, files)
    inputs = normalised(images, record)
    with torch.inference_mode():
        logits = network(inputs)
    largest = max(1.0, logits.abs().max().item())
    differences = {
        "pixels": (found["pixels"].int() - images.int()).abs().max().item(),
        "inputs": (found["inputs"] - inputs).abs().max().item(),
        "logits": (found["logits"] - logits).abs().max().item(),
    }
    if not torch.equal(found["pixels"], images) or not torch.equal(found["inputs"], inputs):
        raise RuntimeError(f"predict.py reads files otherwise than the training, by {differences}; nothing was written")
    if not differences["logits"] <= TOLERANCE * largest:  # "not <=" because a difference may be nan
        raise RuntimeError(f"predict.py finds other classes than the network, by {differences}; nothing was written")
    return {"read": len(files), "differences": differences}


def _read(folder: Path, files: Sequence[Path]) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "read.safetensors"
        # -P: no module of the working directory is imported. -B: no cache is left in the export.
        command = [sys.executable, "-P", "-B", "-c", _PROGRAM, str(folder), str(out), str(torch.get_num_threads())]
        paths = [str(path.absolute()) for path in files]
        done = subprocess.run([*command, *paths], capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            why = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise RuntimeError(f"predict.py fails on files of the data: {why}; nothing was written")
        return load_file(out)
