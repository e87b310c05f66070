"""OpenVINO as a runtime: the network in its IR format, in INT8 as NNCF quantises it. It imports both where it runs.

OpenVINO and NNCF report their use to their makers unless a file of the user's home says no. Here they never do: both
keep silent in CI, so the variable that says so is set for as long as they are imported and called.
"""

import io
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from senet_nas.deploy.deployed import Deployed, Forward, Wanted
from senet_nas.deploy.precisions import INT8

if TYPE_CHECKING:
    from openvino import Model

CI = "CI"
# OpenVINO's names of the number formats in which it computes. Of an INT8 model, what was not quantised stays in fp32.
COMPUTES = {"fp32": "f32", "bf16": "bf16", INT8: "f32"}


def deploy(network: nn.Module, wanted: Wanted) -> Deployed:
    """The network as an OpenVINO model for any batch size; in INT8 quantised by NNCF."""
    with _silent():
        model = _converted(network, wanted)
        if wanted.precision == INT8:
            model = _quantised(model, wanted)
        files = _files(model)
    return Deployed(lambda batch: opened(files, wanted, batch), sum(map(len, files.values())), files)


def opened(files: Mapping[str, bytes], wanted: Wanted, batch: int) -> Forward:
    """The forward pass of the files of a model for batches of a size; 0 is any size."""
    import openvino

    core = openvino.Core()
    model = core.read_model(files[".xml"], files[".bin"])
    model.reshape([batch or -1, *wanted.shape])
    settings = {
        "INFERENCE_NUM_THREADS": wanted.threads,
        "PERFORMANCE_HINT": "LATENCY",
        # A pinned thread waits if another program is on its core: on a busy machine that made one call in ten 20 times
        # as slow.
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_PRECISION_HINT": COMPUTES[wanted.precision],
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    return lambda x: torch.from_numpy(request.infer([x.contiguous().numpy()])[0].copy())


def _converted(network: nn.Module, wanted: Wanted) -> "Model":
    import openvino

    batch = torch.export.Dim("batch", min=1)
    network = network.float().to(memory_format=torch.contiguous_format)
    program = torch.export.export(network, (wanted.example(),), dynamic_shapes=({0: batch},))
    return openvino.convert_model(program)


def _quantised(model: "Model", wanted: Wanted) -> "Model":
    import nncf

    batches = [batch.numpy() for batch in wanted.calibration_batches()]
    nncf.set_log_level(logging.ERROR)
    # MIXED: asymmetric ranges of activations, which hard-swish needs; weights are symmetric.
    return nncf.quantize(model, nncf.Dataset(batches), preset=nncf.QuantizationPreset.MIXED, subset_size=len(batches))


def _files(model: "Model") -> dict[str, bytes]:
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(model, path, compress_to_fp16=False)
        return {suffix: path.with_suffix(suffix).read_bytes() for suffix in (".xml", ".bin")}


@contextmanager
def _silent() -> Iterator[None]:
    """Without reports to the makers, and without progress bars and warnings about other people's code."""
    before = os.environ.get(CI)
    logs = logging.root.manager.disable
    os.environ[CI] = "true"
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logs)
        os.environ.pop(CI)
        if before is not None:
            os.environ[CI] = before
