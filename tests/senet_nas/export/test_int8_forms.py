"""INT8 forms of an export: written where a runtime has them, and proven against the network on images."""

import json

import pytest
import torch
from torch import nn

from senet_nas.deploy import runtime_table
from senet_nas.deploy.onnx_runtime import opened
from senet_nas.export import int8_forms, manifest
from senet_nas.export.bundle import export
from senet_nas.export.proof import normalised
from senet_nas.network.build import build

KEY = "cifar_resnet8/-/-/avg:fc4:sigmoid@pre_addition"
DATA = {"input_shape": (1, 8, 8), "mean": [0.4], "std": [0.3], "classes": ["a", "b", "c"], "forms": ["model.py"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An export with INT8, and the images that it was proven on."""
    torch.manual_seed(0)
    network = build(KEY, in_channels=1, num_classes=3).eval()
    x = torch.randint(0, 256, (200, 1, 8, 8), dtype=torch.uint8)
    with torch.inference_mode():
        y_N = network((x / 255 - 0.4) / 0.3).argmax(1)
    folder = tmp_path_factory.mktemp("exports") / "taken"
    return export(network, KEY, folder, **DATA, labelled=(x, y_N), calibration=x[:64]), x, y_N


def test_every_file_is_there_described_and_in_the_manifest(written):
    found, _, _ = written
    assert set(int8_forms.ABOUT) <= set(found.files) == {path.name for path in found.directory.iterdir()}
    manifest.check(found.directory)
    assert "static INT8" in found.files["model_int8.onnx"]


def test_each_is_proven_and_says_on_what_it_was_calibrated(written):
    found, _, _ = written
    measured = json.loads((found.directory / "manifest.json").read_text())["measured"]["int8"]
    assert set(measured) == {"onnxruntime", "openvino"}
    for proof in measured.values():
        assert proof["images"]["n"] == 200
        assert proof["images"]["right"] == 200
        assert proof["images"]["agreement"] > 90
        assert proof["images"]["agreement_low"] < proof["images"]["agreement"]
        assert proof["calibration"]["images"] == 64
        assert len(proof["calibration"]["sha256"]) == 64
        assert proof["quantiser"]
    card = (found.directory / "README.md").read_text()
    assert "INT8 for onnxruntime: the same class as the network on" in card
    assert "Calibrated on 64 training images." in card


def test_what_was_proven_is_what_the_file_computes(written):
    """Opened from the disk, as a user does."""
    found, x, y_N = written
    record = json.loads((found.directory / "architecture.json").read_text())
    classes_N = opened(found.directory / "model_int8.onnx")(normalised(x, record)).argmax(1)
    images = found.int8["onnxruntime"]["images"]
    assert int((classes_N == y_N).sum()) == images["same"]


def test_without_a_runtime_its_form_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime_table.importlib.util, "find_spec", lambda name: None)
    x = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    y_N = torch.zeros(4, dtype=torch.long)
    record = {"preprocessing": {"channels": 1, "size": [8, 8], "mean": [0.5], "std": [0.5]}}
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3)).eval()
    assert int8_forms.write(network, record, tmp_path, x, (x, y_N)) == {}
    assert not list(tmp_path.iterdir())


def test_a_network_that_is_refused_has_the_reason_in_place_of_files(tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3] if x.sum() > 0 else -x.flatten(1)[:, :3]

    x = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
    record = {"preprocessing": {"channels": 1, "size": [8, 8], "mean": [0.5], "std": [0.5]}}
    found = int8_forms.write(Odd().eval(), record, tmp_path, x, (x, torch.zeros(4, dtype=torch.long)))
    assert set(found) == {"onnxruntime", "openvino"}
    assert all(line.startswith("INT8: refused by ") for line in int8_forms.lines(found))
    assert not list(tmp_path.iterdir())
