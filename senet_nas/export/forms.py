"""The forms in which a network is exported. To add one, write how it is written and opened, and its row in FORMS."""

import runpy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from senet_nas.deploy import onnx_runtime
from senet_nas.deploy.runtime_table import RUNTIMES, missing
from senet_nas.export.model_code import code, program_code
from senet_nas.export.record import Record, properties, shape
from senet_nas.network.backbones.table import is_own
from senet_nas.network.outputs import tensors_of
from senet_nas.user_code import named
from spaces import UserError

Forward = Callable[[Tensor], Tensor]
PROGRAM = "model.pt2"
# Batch normalisation and reductions of another runtime round differently.
ONNX_TOLERANCE = 1e-4
# torch fuses some layers that people use, such as nn.TransformerEncoderLayer: that rounds otherwise than their parts.
OWN_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Form:
    """How to write a network that a record describes, and how to open what was written in a folder.

    ``tolerance`` is the largest allowed difference of a logit from the trained network's; where the largest logit is
    above 1, it is a share of that logit.
    """

    about: str
    write: Callable[[nn.Module, Record, Path], None]
    open: Callable[[Path], Forward]
    tolerance: float = 0.0
    packages: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that this form needs and that are not installed here."""
        return missing(self.packages)


def tolerance(name: str, record: Record) -> float:
    """The tolerance of a form for the network of a record: for one of the user's, its parts may round otherwise."""
    is_users = is_own(record["architecture"].partition("/")[0])
    return max(FORMS[name].tolerance, OWN_TOLERANCE if is_users else 0.0)


def check_installed(name: str) -> None:
    """Raises UserError if a package that a form needs is missing."""
    if absent := FORMS[name].missing:
        raise UserError(
            f"{name} needs {', '.join(absent)}, not installed here; nothing was written",
            hint="pip install 'senet-search[onnx]'",
        )


def _write_code(network: nn.Module, record: Record, path: Path) -> None:
    """The source of a network. If that of somebody else's cannot be written, a file that loads its program."""
    if not is_own(record["architecture"].partition("/")[0]):
        path.write_text(code(network, record), encoding="utf-8")
    elif problem := _code_problem(network, record, path):
        program = path.with_name(PROGRAM)
        if not program.exists():
            _write_program(network, record, program)
        path.write_text(program_code(record, problem), encoding="utf-8")


def _code_problem(network: nn.Module, record: Record, path: Path) -> str:
    """Writes the source of a network of somebody else; why it is not the network, or empty if it is."""
    x = torch.randn(2, *shape(record), generator=torch.Generator().manual_seed(0))
    try:
        path.write_text(code(network, record), encoding="utf-8")
        with torch.inference_mode():
            pairs = zip(tensors_of(network(x)), tensors_of(_open_code(path.parent)(x)), strict=True)
            same = all(torch.equal(ours, theirs) for ours, theirs in pairs)
    except Exception as error:  # torch.fx calls the user's code, which may throw anything
        return named(error)
    return "" if same else "its logits differ from those of the network"


def _open_code(folder: Path) -> Forward:
    opened: Forward = runpy.run_path(str(folder / "model.py"))["load"](folder)
    return opened


def _example(record: Record) -> Tensor:
    """Two inputs: a batch of one would become a constant."""
    return torch.zeros(2, *shape(record))


def _write_program(network: nn.Module, record: Record, path: Path) -> None:
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(network, (_example(record),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)


def _open_program(folder: Path) -> Forward:
    opened: Forward = torch.export.load(folder / PROGRAM).module()
    return opened


def _write_onnx(network: nn.Module, record: Record, path: Path) -> None:
    onnx_runtime.write_onnx(network, _example(record), path, properties(record))


def _open_onnx(folder: Path) -> Forward:
    session = onnx_runtime.open_session(folder / "model.onnx")

    def forward(x: Tensor) -> Any:
        found = [torch.from_numpy(value) for value in session.run(None, {"images": x.numpy()})]
        return found[0] if len(found) == 1 else found

    return forward


FORMS: dict[str, Form] = {
    "model.py": Form("plain PyTorch that loads the weights without this project", _write_code, _open_code),
    PROGRAM: Form("the same as a torch.export program, any batch size", _write_program, _open_program),
    "model.onnx": Form(
        "the same for ONNX Runtime, any batch size",
        _write_onnx,
        _open_onnx,
        tolerance=ONNX_TOLERANCE,
        packages=RUNTIMES["onnxruntime"].packages,
    ),
}
