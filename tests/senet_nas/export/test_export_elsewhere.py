"""Exports compute the same without this project: with its imports blocked, and in a new environment."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from senet_nas.export.bundle import export
from senet_nas.export.forms import ONNX_TOLERANCE
from senet_nas.network.backbones.table import BACKBONES, usual
from senet_nas.network.build import build, sites
from spaces.placements import place

# One network of each file of backbones, the smallest, with the side of its inputs: what it needs not to vanish.
FAMILIES = {
    "cifar_resnet8": 32,
    "cifar_preact_resnet20": 32,
    "signal_resnet8": 100,
    "resnet18": 64,
    "resnet50_v1": 64,
    "senet154_plain": 64,
    "bn_inception": 64,
    "inception_v4": 96,
    "inception_resnet_v2": 96,
    "mobilenet_v1": 64,
    "inception_v3": 96,
    "vgg11_bn": 32,
    "densenet121": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_small": 64,
    "efficientnet_b0": 64,
    "shufflenet_v2_x1_0": 64,
    "regnet_y_400mf": 64,
    "convnext_tiny": 64,
}

STRANGER = """
import importlib.util, json, pathlib, sys
folder, blocked = pathlib.Path(sys.argv[1]), sys.argv[2:]
for name in blocked:
    sys.modules[name] = None
for name in ("senet_nas", "spaces", "search"):
    assert name in blocked or importlib.util.find_spec(name) is None, f"{name} is here"
import onnxruntime, torch
from safetensors.torch import load_file
sys.path.insert(0, str(folder))
from model import load
given = load_file(folder.parent / "given.safetensors")
x, expected = given["x"], given["expected"]
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
with torch.inference_mode():
    found = {
        "model.py": load()(x),
        "model.pt2": torch.export.load(folder / "model.pt2").module()(x),
        "model.onnx": torch.from_numpy(session.run(None, {"images": x.numpy()})[0]),
    }
print(json.dumps({name: [(y - expected).abs().max().item(), torch.equal(y.argmax(1), expected.argmax(1))]
                  for name, y in found.items()}))
"""


def taken_home(backbone: str, where: Path) -> Path:
    """An export of a backbone with SE at every site, beside inputs in a batch of five and the logits for them."""
    channels, side = usual(backbone).channels, FAMILIES[backbone]
    shape = (channels, side) if backbone.startswith("signal") else (channels, side, side)
    listed = sites(backbone)
    position = next(iter(listed[0].channels))
    architecture = place(backbone, listed, "all", {"position": position, "reduction": "4"}, min_hidden=1)
    network = build(architecture, in_channels=channels, num_classes=5)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        network(torch.randn(4, *shape, generator=generator))  # running statistics that are not 0 and 1
        x = torch.randn(5, *shape, generator=generator)
        save_file({"x": x, "expected": network.eval()(x)}, where / "given.safetensors")
    about = {"mean": [0.5] * channels, "std": [0.25] * channels, "classes": list("abcde")}
    return export(network, architecture, where / "best", input_shape=shape, **about).directory


def agrees(python: str | Path, folder: Path, blocked: Sequence[str] = ()) -> float:
    """Runs every form in another interpreter: no difference for those of torch, a rounding for ONNX, the same classes.

    Returns the largest difference of ONNX Runtime.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    arguments = [str(python), "-I", "-B", "-c", STRANGER, str(folder), *blocked]
    found = subprocess.run(arguments, capture_output=True, text=True, check=False, cwd=folder, env=environment)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout)
    assert [said["model.py"], said["model.pt2"]] == [[0, True], [0, True]]
    assert said["model.onnx"][0] <= ONNX_TOLERANCE
    assert said["model.onnx"][1]
    return float(said["model.onnx"][0])


def test_there_is_a_network_of_every_family() -> None:
    files = {BACKBONES[name].file for name in FAMILIES if name in BACKBONES}
    assert files | {"cifar_resnet", "cifar_preact_resnet", "signal_resnet"} == {
        backbone.file for backbone in BACKBONES.values()
    }


@pytest.mark.parametrize("backbone", ["cifar_resnet8", "resnet18"])
def test_without_this_project_every_form_computes_the_same(backbone: str, tmp_path: Path) -> None:
    agrees(sys.executable, taken_home(backbone, tmp_path), blocked=("senet_nas", "spaces", "search", "torchvision"))


@pytest.fixture(scope="module")
def new_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of a new environment that holds what the exported files say they need: gigabytes, so not kept."""
    where = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", where], check=True)
    needed = [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "safetensors", "numpy", "onnxruntime")]
    python = where / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *needed], check=True)
    yield python
    shutil.rmtree(where)


@pytest.mark.slow
@pytest.mark.parametrize("backbone", FAMILIES)
def test_in_a_new_environment_every_form_computes_the_same(
    backbone: str, tmp_path: Path, new_environment: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property(
        "onnx", agrees(new_environment, taken_home(backbone, tmp_path))
    )  # docs/exporting.md has the figures
