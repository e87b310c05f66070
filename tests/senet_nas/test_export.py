import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from senet_nas.build import build
from senet_nas.export import export, load
from spaces import Architecture, UserError

ARCHITECTURE = Architecture.parse("cifar_resnet8/avgmax:fc4:sigmoid@pre_addition/-/std:fc8nb:hard_sigmoid@identity")
DATA: dict[str, Any] = {"input_shape": (1, 8, 8), "mean": [0.3], "std": [0.2], "classes": ["zero", "one", "two"]}


def trained(architecture: Architecture = ARCHITECTURE, channels: int = 1) -> nn.Module:
    """A network whose running statistics and weights have moved, in the memory format of training."""
    network = build(architecture, in_channels=channels, num_classes=3).to(memory_format=torch.channels_last)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        network(torch.randn(16, channels, 32, 32, generator=generator))
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export") / "best"
    export(trained(), ARCHITECTURE, target, **DATA, extra={"run": "demo"})
    return target


def test_record_says_what_the_network_is_and_wants(folder: Path) -> None:
    record = json.loads((folder / "architecture.json").read_text())
    assert record["architecture"] == ARCHITECTURE.key
    assert [site["se"] or "-" for site in record["sites"]] == ARCHITECTURE.key.split("/")[1:]
    assert [site["site"] for site in record["sites"]] == ["1.0", "2.0", "3.0"]
    assert record["preprocessing"]["size"] == [8, 8]
    assert record["preprocessing"]["mean"] == [0.3]
    assert record["classes"] == ["zero", "one", "two"]
    assert record["extra"] == {"run": "demo"}


def test_weights_are_those_of_the_network(folder: Path) -> None:
    state = trained().state_dict()
    weights = load_file(folder / "model.safetensors")
    assert set(weights) == set(state)
    assert all(torch.equal(weights[name], state[name]) for name in state)


# Run as a stranger would: in the folder of the export, with nothing of ours, nor torchvision, to import.
STRANGER = """
import sys
for name in ("senet_nas", "spaces", "search", "torchvision"):
    sys.modules[name] = None
import torch
sys.path.insert(0, sys.argv[1])
from model import load, normalise
network = load()
assert not network.training
images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
torch.save(network(normalise(images)), sys.argv[2])
"""


def test_code_runs_without_this_project(folder: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-I", "-B", "-c", STRANGER, str(folder), str(tmp_path / "logits.pt")]
    subprocess.run(arguments, check=True, cwd=tmp_path)
    images = torch.arange(2 * 64, dtype=torch.uint8).view(2, 1, 8, 8)
    expected = trained().eval().to(memory_format=torch.contiguous_format)((images / 255 - 0.3) / 0.2)
    assert torch.equal(torch.load(tmp_path / "logits.pt"), expected)


def test_load_builds_the_network_again(folder: Path) -> None:
    ours, x_NCHW = trained().eval().to(memory_format=torch.contiguous_format), torch.randn(2, 1, 8, 8)
    with torch.inference_mode():
        assert torch.equal(load(folder)(x_NCHW), ours(x_NCHW))


def test_training_can_go_on_after_an_export(tmp_path: Path) -> None:
    network = trained().train()
    done = export(network, ARCHITECTURE.key, tmp_path / "best", **DATA)
    assert done.differences == {"model.py": 0}
    assert set(done.files) == {path.name for path in done.directory.iterdir()}
    assert set(done.files) == {"architecture.json", "model.py", "model.safetensors"}
    assert network.training
    assert network.conv1.weight.requires_grad


def test_onnx_agrees_for_any_batch_size(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    network = trained()
    done = export(network, ARCHITECTURE, tmp_path / "best", **DATA, onnx=True)
    assert set(done.files) == {path.name for path in done.directory.iterdir()}
    assert done.differences["model.py"] == 0
    assert done.differences["model.onnx"] <= 1e-4
    session = runtime.InferenceSession(tmp_path / "best" / "model.onnx")
    x_NCHW = torch.randn(7, 1, 8, 8)
    (logits,) = session.run(["logits"], {"images": x_NCHW.numpy()})
    with torch.inference_mode():
        torch.testing.assert_close(torch.from_numpy(logits), network.eval()(x_NCHW), rtol=0, atol=1e-4)


def test_a_network_of_torchvision_is_exported_without_it(tmp_path: Path) -> None:
    architecture = Architecture.parse("resnet18/-/-/-/-/-/max:fc16:sigmoid@post_addition/-/-")
    data = {**DATA, "input_shape": (3, 33, 40), "mean": [0.5] * 3, "std": [0.25] * 3}
    assert export(trained(architecture, channels=3), architecture, tmp_path / "best", **data).differences == {
        "model.py": 0
    }
    assert "torchvision" not in (tmp_path / "best" / "model.py").read_text()


def test_missing_packages_are_named_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else known(name))
    with pytest.raises(UserError, match="ONNX needs onnxruntime") as caught:
        export(trained(), ARCHITECTURE, tmp_path / "best", **DATA, onnx=True)
    assert caught.value.hint == "pip install 'senet-search[onnx]'"
    assert not list(tmp_path.iterdir())


def test_nothing_is_left_where_the_proof_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules[export.__module__]
    code = module.code
    monkeypatch.setattr(module, "code", lambda *given: code(*given).replace("x / 6", "x / 6.01"))
    with pytest.raises(RuntimeError, match="differs from the trained one"):
        export(trained(), ARCHITECTURE, tmp_path / "best", **DATA)
    assert not list(tmp_path.iterdir())


def test_a_network_that_gives_no_numbers_is_not_exported(tmp_path: Path) -> None:
    network = trained()
    nn.init.constant_(network.fc.bias, float("nan"))
    with pytest.raises(RuntimeError, match="nan"):
        export(network, ARCHITECTURE, tmp_path / "best", **DATA)


def test_a_network_of_another_architecture_is_not_exported(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="state_dict"):
        export(trained(), "cifar_resnet8/-/-/-", tmp_path / "best", **DATA)
    assert not list(tmp_path.iterdir())


def test_an_export_is_replaced_only_by_force(tmp_path: Path) -> None:
    target = tmp_path / "best"
    target.mkdir()
    export(trained(), ARCHITECTURE, target, **DATA)
    with pytest.raises(UserError, match="is not empty"):
        export(trained(), ARCHITECTURE, target, **DATA)
    (target / "notes.txt").write_text("old")
    export(trained(), ARCHITECTURE, target, **DATA, force=True)
    assert sorted(path.name for path in target.iterdir()) == ["architecture.json", "model.py", "model.safetensors"]
    assert list(tmp_path.iterdir()) == [target]


def test_force_spares_what_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UserError, match="holds other files than an export"):
        export(trained(), ARCHITECTURE, tmp_path, **DATA, force=True)
    with pytest.raises(UserError, match="is a file"):
        export(trained(), ARCHITECTURE, tmp_path / "thesis.tex", **DATA)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_written_is_the_environments_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write") as caught:
        export(trained(), ARCHITECTURE, tmp_path / "file" / "best", **DATA)
    assert caught.value.code == 4


def test_a_damaged_export_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"architecture\.json is missing"):
        load(tmp_path)
    (tmp_path / "architecture.json").write_text((folder / "architecture.json").read_text())
    (tmp_path / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-9])
    with pytest.raises(UserError, match="is damaged"):
        load(tmp_path)
