"""A network as an ONNX file, and the session that runs it: the same for an export and for timing."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from senet_nas.deploy.deployed import Deployed, Forward, Wanted
from senet_nas.deploy.precisions import INT8

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

INPUT = "images"


def deploy(network: nn.Module, wanted: Wanted) -> Deployed:
    """The network as an ONNX file for any batch size; in INT8 as ONNX Runtime's own quantiser writes it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(network.float().to(memory_format=torch.contiguous_format), wanted.example(), path)
        if wanted.precision == INT8:
            quantise(path, path, wanted)
        content = path.read_bytes()
    return Deployed(lambda batch: opened(content, wanted.threads), len(content), {".onnx": content})


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
            input_names=[INPUT],
            output_names=["logits"],
            dynamic_shapes=({0: "batch"},),
            verbose=False,
        )
    if properties:
        import onnx

        model = onnx.load(path)
        onnx.helper.set_model_props(model, dict(properties))
        onnx.save(model, path)


def quantise(path: Path, to: Path, wanted: Wanted) -> None:
    """Writes the static INT8 form of an ONNX file: int8 weights for each channel, uint8 activations."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    batches = iter(wanted.calibration_batches())

    class Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime is not annotated
        def get_next(self) -> dict[str, Any] | None:
            batch = next(batches, None)
            return None if batch is None else {INPUT: batch.numpy()}

    with tempfile.TemporaryDirectory() as folder, _quiet():
        clean = Path(folder) / "clean.onnx"
        quant_pre_process(path, clean, skip_symbolic_shape=True)
        quantize_static(
            clean,
            to,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def open_session(model: Path | bytes, threads: int | None = None) -> "InferenceSession":
    """A session on the CPU, by default with as many threads as torch uses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or torch.get_num_threads()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def opened(model: Path | bytes, threads: int | None = None) -> Forward:
    """The forward pass of an ONNX file."""
    session = open_session(model, threads)
    return lambda x: torch.from_numpy(session.run(None, {INPUT: x.contiguous().numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """The quantiser writes advice for its own callers to the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
