"""An exported network in MLflow's registry: loaded by its alias it computes the same, and nothing of it is pickled."""

import json
import os
import subprocess
import sys

import mlflow
import numpy as np
import pytest
import torch

from search.track import registry
from senet_nas.export import bundle, record
from senet_nas.network.build import build
from spaces import UserError

KEY = "cifar_resnet8/-/avg:fc4:sigmoid@pre_addition/-"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taken") / "network"
    network = build(KEY, in_channels=1, num_classes=3).eval()
    bundle.export(network, KEY, folder, input_shape=(1, 8, 8), mean=[0.3], std=[0.2], classes="abc", forms=["model.py"])
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    runs = tmp_path_factory.mktemp("store") / "runs"
    runs.mkdir()
    return registry.Store(f"sqlite:///{runs / 'mlflow.db'}", runs, "digits")


def test_it_is_loaded_by_its_alias_and_takes_what_every_form_takes(exported, store, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tags = {"senet.architecture": KEY, "senet.gain": "0.4"}
    first = registry.register(exported, "where-se", "champion", store, training="t", tags=tags)
    second = registry.register(exported, "where-se", "champion", store, training="t", tags=tags)
    assert (first.version, second.version, second.uri) == ("1", "2", "models:/where-se@champion")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias("where-se", "champion").version == 2
    assert client.get_model_version("where-se", "2").tags == tags
    inputs = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        logits = bundle.load(exported)(inputs).numpy()
        for load in (mlflow.pyfunc.load_model, mlflow.pytorch.load_model):
            found = load(second.uri)
            answer = found.predict(inputs.numpy()) if hasattr(found, "predict") else found(inputs).numpy()
            assert np.allclose(answer, logits, atol=1e-5)
    metadata = mlflow.models.get_model_info(second.uri).metadata
    assert metadata == record.properties(record.read(exported))
    assert json.loads(metadata["mean"]) == [0.3]
    assert json.loads(metadata["classes"]) == ["a", "b", "c"]
    signature = mlflow.models.get_model_info(second.uri).signature
    assert [tuple(spec.shape) for spec in signature.inputs] == [(-1, 1, 8, 8)]
    files = [path for path in store.runs.rglob("*") if path.is_file() and "models" in path.parts]
    assert any(path.name == "model.pt2" for path in files)
    assert not [path for path in files if path.suffix in (".pkl", ".pickle", ".pth", ".pt")]


def test_the_command_line_of_mlflow_predicts_with_it(exported, store, tmp_path):
    """As docs/exporting.md shows it: `mlflow models predict` where MLflow and torch are, without this project."""
    made = registry.register(exported, "by-command", "champion", store, training="t", tags={})
    inputs = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    (tmp_path / "inputs.json").write_text(json.dumps({"inputs": inputs.tolist()}))
    there = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "mlflow", "models", "predict"]
    command += ["-m", made.uri, "--env-manager", "local", "-i", "inputs.json", "-o", "logits.json"]
    subprocess.run(
        command, check=True, capture_output=True, cwd=tmp_path, env={**there, "MLFLOW_TRACKING_URI": store.uri}
    )
    answer = json.loads((tmp_path / "logits.json").read_text())["predictions"]
    with torch.inference_mode():
        assert np.allclose(answer, bundle.load(exported)(inputs).numpy(), atol=1e-5)


def test_what_mlflow_wrote_is_checked_on_real_images(exported, store, monkeypatch):
    import mlflow.pytorch

    class Other(torch.nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, :3]

    monkeypatch.setattr(mlflow.pytorch, "load_model", lambda path: Other())
    images = torch.randint(0, 256, (4, 1, 8, 8), dtype=torch.uint8)
    with pytest.raises(UserError, match="differs from the trained network"):
        registry.register(exported, "other", "champion", store, training="t", tags={}, images=images)


def test_a_store_that_is_not_there_is_told_in_a_line_and_the_export_stays(exported, tmp_path):
    away = registry.Store("http://127.0.0.1:9", tmp_path, "digits")
    with pytest.raises(UserError, match="cannot register `where-se` in MLflow at http://127") as told:
        registry.register(exported, "where-se", "champion", away, training="t", tags={})
    assert told.value.code == 4
    assert str(exported) in told.value.hint


def test_a_tampered_export_is_not_registered(exported, store, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    with pytest.raises(UserError, match=r"model\.safetensors"):
        registry.register(copy, "where-se", "champion", store, training="t", tags={})
