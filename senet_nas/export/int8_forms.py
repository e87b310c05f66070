"""The INT8 forms of an export: written by each runtime's own quantiser, and proven on images against the network."""

import copy
import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from senet_nas.deploy.deployed import Wanted
from senet_nas.deploy.deploying import deploy
from senet_nas.deploy.paired_images import classes, paired
from senet_nas.deploy.precisions import INT8
from senet_nas.deploy.runtime_table import RUNTIMES, with_precision
from senet_nas.export.proof import Labelled, normalised
from senet_nas.export.record import Record, shape
from senet_nas.quantised import Refused

# What the files are called, before the end that the runtime reads.
NAME = "model_int8"
ABOUT = {
    f"{NAME}.onnx": "static INT8 for ONNX Runtime, by its own quantiser, any batch size",
    f"{NAME}.xml": "static INT8 for OpenVINO, quantised by NNCF, any batch size",
    f"{NAME}.bin": "the weights of `model_int8.xml`",
}
# The packages whose versions decide how a runtime quantises.
QUANTISERS = {"onnxruntime": ("onnxruntime",), "openvino": ("openvino", "nncf")}


def write(network: nn.Module, record: Record, folder: Path, calibration: Tensor, labelled: Labelled) -> dict[str, Any]:
    """Writes the INT8 form of every runtime that is installed and has one.

    ``calibration``: training images as files hold them; ``labelled``: the images of the proof. Returns by runtime the
    files, what calibrated them, and how the classes agree with those of the network, with intervals of 95 %; or why the
    runtime refuses the network.
    """
    x, y_N = labelled
    truth_N = classes(network, x, lambda part: normalised(part, record))
    wanted = Wanted(shape(record), INT8, batch=0, calibration=normalised(calibration, record))
    found: dict[str, Any] = {}
    for runtime in with_precision(INT8):
        if RUNTIMES[runtime].missing:
            continue
        try:
            deployed = deploy(copy.deepcopy(network), runtime, wanted)
        except Refused as refused:
            found[runtime] = {"refused": str(refused)}
            continue
        for end, content in deployed.files.items():
            (folder / f"{NAME}{end}").write_bytes(content)
        given_N = classes(deployed.open(0), x, lambda part: normalised(part, record))
        found[runtime] = {
            "files": [f"{NAME}{end}" for end in deployed.files],
            "calibration": _described(calibration),
            "quantiser": {package: version(package) for package in QUANTISERS[runtime]},
            "images": paired(truth_N, given_N, y_N).to_dict(),
        }
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """What was proven, a sentence for each runtime."""
    return [_line(runtime, each) for runtime, each in found.items()]


def _line(runtime: str, found: Mapping[str, Any]) -> str:
    if "refused" in found:
        return f"INT8: {found['refused']}"
    images = found["images"]
    return (
        f"INT8 for {runtime}: the same class as the network on {images['agreement']:.2f} % "
        f"[{images['agreement_low']:.2f}, {images['agreement_high']:.2f}] of {images['n']:,} validation images; it "
        f"loses {images['drop']:+.2f} points of accuracy [{images['drop_low']:+.2f}, {images['drop_high']:+.2f}]. "
        f"Calibrated on {found['calibration']['images']} training images."
    )


def _described(calibration: Tensor) -> dict[str, Any]:
    """How many images calibrated, and their digest: the same images calibrate the same ranges."""
    content = calibration.contiguous().numpy().tobytes()
    return {"images": len(calibration), "sha256": hashlib.sha256(content).hexdigest()}
