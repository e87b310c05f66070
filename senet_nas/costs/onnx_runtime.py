"""A network as an ONNX file, and the session that runs it: one way for the export and for its latency."""

import importlib.util
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spaces import UserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def missing(packages: tuple[str, ...] = PACKAGES) -> tuple[str, ...]:
    """The packages that are not installed here."""
    return tuple(name for name in packages if importlib.util.find_spec(name) is None)


def check_installed(what: str, packages: tuple[str, ...] = PACKAGES) -> None:
    """Raises UserError if a package that ``what`` needs is missing."""
    if absent := missing(packages):
        raise UserError(
            f"{what} needs {', '.join(absent)}, not installed here; nothing was written",
            hint="pip install 'senet-search[onnx]'",
        )


def write_onnx(network: nn.Module, example: Tensor, path: Path) -> None:
    """Write a network for batches of any size. ``example`` (2, C, *spatial): a batch of one would become a constant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=True,
            external_data=False,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )


def open_session(path: Path) -> "InferenceSession":
    """A session on the CPU with as many threads as torch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
