"""The one table of runtimes: what runs a network, in which number formats, and which packages that takes.

Imports no torch, so that a config is checked without. To add a runtime, write its function and its row here; the
contract suite ``tests/senet_nas/deploy/test_runtime_table.py`` then runs over it.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from senet_nas.deploy.precisions import CPU, CUDA, INT8
from spaces.errors import ENVIRONMENT, UserError, unknown

if TYPE_CHECKING:
    from torch import nn

    from senet_nas.deploy.deployed import Deployed, Wanted

DEFAULT_RUNTIME = "eager"


@dataclass(frozen=True)
class Runtime:
    """What runs a network, from :func:`deploy`; ``precisions`` are those that it knows, ``devices`` where it runs here.

    ``writes_files``: it runs from files that are written once, instead of the network in memory; ``any_batch``: one
    form takes batches of any size. ``extra`` names the extra of this project that installs its ``packages``.
    """

    about: str
    precisions: tuple[str, ...]
    deploy: "Callable[[nn.Module, Wanted], Deployed]"
    devices: tuple[str, ...] = (CPU, CUDA)
    writes_files: bool = False
    any_batch: bool = True
    packages: tuple[str, ...] = ()
    extra: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """The packages that it needs and that are not installed here."""
        return missing(self.packages)


def missing(packages: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the packages that are not installed here."""
    return tuple(name for name in packages if importlib.util.find_spec(name) is None)


def named(name: str) -> Runtime:
    """The row of a runtime. Raises UserError for a name that the table lacks."""
    if name not in RUNTIMES:
        raise unknown("latency.runtime", name, RUNTIMES)
    return RUNTIMES[name]


def check(name: str, precision: str, key: str = "latency.runtime") -> None:
    """Raises UserError if a runtime does not know a precision, or is not installed here (ENVIRONMENT)."""
    runtime = named(name)
    if precision not in runtime.precisions:
        raise UserError(
            f"{name} does not compute in {precision} here",
            hint=f"it knows {', '.join(runtime.precisions)}; {INT8} runs in {', '.join(with_precision(INT8))}",
            key=key,
        )
    if absent := runtime.missing:
        raise UserError(
            f"{name} needs {', '.join(absent)}, not installed here",
            hint=f"pip install 'senet-search[{runtime.extra}]'",
            key=key,
            code=ENVIRONMENT,
        )


def pairs(*, installed: bool = True) -> Iterator[tuple[str, str]]:
    """Every runtime with every precision that it knows; ``installed``: only those whose packages are here."""
    for name, runtime in RUNTIMES.items():
        if not installed or not runtime.missing:
            yield from ((name, precision) for precision in runtime.precisions)


def with_precision(precision: str) -> list[str]:
    """The runtimes that compute in a precision."""
    return [name for name, runtime in RUNTIMES.items() if precision in runtime.precisions]


def _eager(network: "nn.Module", wanted: "Wanted") -> "Deployed":
    from senet_nas.deploy import torch_runtimes

    return torch_runtimes.eager(network, wanted)


def _compile(network: "nn.Module", wanted: "Wanted") -> "Deployed":
    from senet_nas.deploy import torch_runtimes

    return torch_runtimes.compiled(network, wanted)


def _cudagraph(network: "nn.Module", wanted: "Wanted") -> "Deployed":
    from senet_nas.deploy import torch_runtimes

    return torch_runtimes.cudagraph(network, wanted)


def _onnxruntime(network: "nn.Module", wanted: "Wanted") -> "Deployed":
    from senet_nas.deploy import onnx_runtime

    return onnx_runtime.deploy(network, wanted)


def _openvino(network: "nn.Module", wanted: "Wanted") -> "Deployed":
    from senet_nas.deploy import openvino_runtime

    return openvino_runtime.deploy(network, wanted)


_TORCH = ("fp32", "bf16", "fp16")

# Add a runtime here.
RUNTIMES: Mapping[str, Runtime] = {
    "eager": Runtime("PyTorch as it is", _TORCH, _eager),
    "compile": Runtime("torch.compile", _TORCH, _compile),
    "cudagraph": Runtime("a CUDA graph", _TORCH, _cudagraph, devices=(CUDA,), any_batch=False),
    "onnxruntime": Runtime(
        "ONNX Runtime on the CPU",
        ("fp32", INT8),
        _onnxruntime,
        devices=(CPU,),
        writes_files=True,
        packages=("onnx", "onnxscript", "onnxruntime"),
        extra="onnx",
    ),
    "openvino": Runtime(
        "OpenVINO on the CPU",
        ("fp32", "bf16", INT8),
        _openvino,
        devices=(CPU,),
        writes_files=True,
        packages=("openvino", "nncf"),
        extra="openvino",
    ),
}
