"""A network as an ONNX file, and the session that runs it: the same for an export and for timing."""

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from spaces import UserError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def missing(packages: tuple[str, ...] = PACKAGES) -> tuple[str, ...]:
    """Those of the packages that are not installed here."""
    return tuple(name for name in packages if importlib.util.find_spec(name) is None)


def check_installed(what: str, packages: tuple[str, ...] = PACKAGES) -> None:
    """Raises UserError if a package that ``what`` needs is missing."""
    if absent := missing(packages):
        raise UserError(
            f"{what} needs {', '.join(absent)}, not installed here; nothing was written",
            hint="pip install 'senet-search[onnx]'",
        )


def write_onnx(network: nn.Module, example: Tensor, path: Path, properties: Mapping[str, str] | None = None) -> None:
    """Writes a network for any batch size, with ``properties`` as metadata of the file.

    ``example`` is (2, C, *spatial): torch would fix a batch size of one.
    """
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
    if properties:
        import onnx

        model = onnx.load(path)
        onnx.helper.set_model_props(model, dict(properties))
        onnx.save(model, path)


def open_session(path: Path) -> "InferenceSession":
    """A session on the CPU with as many threads as torch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
