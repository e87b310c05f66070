"""Files of weights as people have them; whatever else a file holds is an error that says what to do."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from senet_nas.network import warm_start, weight_file
from senet_nas.network.build import build
from spaces import Architecture, UserError

WEIGHTS = {"conv.weight": torch.ones(2, 2), "fc.bias": torch.zeros(3)}
HELD = {
    "a state dict": WEIGHTS,
    "a checkpoint": {"epoch": 3, "state_dict": WEIGHTS},
    "timm's": {"epoch": 3, "arch": "resnet18", "state_dict": WEIGHTS, "optimizer": {"lr": 0.1}},
    "DataParallel": {f"module.{name}": value for name, value in WEIGHTS.items()},
    "compiled, in DataParallel": {f"module._orig_mod.{name}": value for name, value in WEIGHTS.items()},
    "Lightning's": {"state_dict": {f"model.{name}": value for name, value in WEIGHTS.items()}},
    "averaged": {"state_dict": {name: value + 1 for name, value in WEIGHTS.items()}, "state_dict_ema": WEIGHTS},
    "OpenMMLab's": {
        "meta": {"epoch": 3},
        "state_dict": {"backbone.conv.weight": WEIGHTS["conv.weight"], "head.fc.bias": WEIGHTS["fc.bias"]},
    },
}


@pytest.mark.parametrize("kind", HELD)
@pytest.mark.parametrize("ending", [".pth", ".pt"])
def test_weights_are_found_in_what_torch_saved(tmp_path, kind, ending):
    torch.save(HELD[kind], tmp_path / f"w{ending}")
    found = weight_file.read(tmp_path / f"w{ending}").named_as(WEIGHTS)
    assert found.keys() == WEIGHTS.keys()
    assert all(torch.equal(found[name], WEIGHTS[name]) for name in WEIGHTS)


def test_safetensors_are_read(tmp_path):
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    assert weight_file.read(tmp_path / "w.safetensors").tensors.keys() == WEIGHTS.keys()


@pytest.mark.parametrize("prefix", ["model.", "backbone.", "module.head."])
def test_a_network_whose_own_names_begin_like_those_of_wrappers_keeps_them(tmp_path, prefix):
    named = {f"{prefix}{name}": value for name, value in WEIGHTS.items()}
    torch.save(named, tmp_path / "w.pth")
    assert weight_file.read(tmp_path / "w.pth").named_as(named).keys() == named.keys()


@pytest.mark.parametrize(("kind", "section"), [("averaged", "state_dict_ema"), ("a checkpoint", "")])
def test_a_section_is_named_where_there_are_several(tmp_path, kind, section):
    torch.save(HELD[kind], tmp_path / "w.pth")
    assert weight_file.read(tmp_path / "w.pth").section == section


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self):
        return Path("ran").touch, ()


def spoiled(path: Path) -> Path:
    if path.stem == "whole":
        torch.save(nn.Linear(2, 2), path)
    elif path.stem == "evil":
        torch.save({"a": Evil()}, path)
    elif path.stem == "numbers":
        torch.save({"accuracy": 3.0}, path)
    elif path.stem == "cut":
        path.write_bytes(b"PK\x03\x04")
    elif path.stem == "random":
        path.write_bytes(bytes(range(200, 255)))
    elif path.stem == "spoilt":
        path.write_bytes(b"\x80\x02\xcd\xcd")
    elif path.stem == "pointer":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif path.stem == "empty":
        path.touch()
    elif path.stem == "other":
        path.write_text("weights")
    return path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("whole.pth", "holds no weights: Python objects are not read"),
        ("evil.pth", "holds no weights: Python objects are not read"),
        ("numbers.pt", "holds no weights by name"),
        ("cut.pth", "holds no weights"),
        ("random.pth", "was not written by torch.save: it begins with b'\\xc8"),
        ("pointer.pth", "was not written by torch.save: it begins with b'version https://git-lfs"),
        ("empty.pth", "was not written by torch.save: it begins with b''"),
        ("spoilt.pth", "holds no weights: it is damaged"),
        ("cut.safetensors", "holds no weights: SafetensorError"),
        ("other.h5", "has the ending `.h5`; weights are in .safetensors or .pth"),
        ("missing.pth", "No such file or directory"),
        ("missing.safetensors", "No such file or directory"),
    ],
)
def test_what_holds_no_weights_is_named(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        weight_file.read(spoiled(tmp_path / name))
    assert name in caught.value.message
    assert message in caught.value.message
    assert caught.value.key == "model.weights"
    assert not Path("ran").exists()


@pytest.mark.parametrize(("num_classes", "drawn"), [(10, ()), (7, ("fc",))])
def test_a_network_begins_with_the_weights_of_a_file_and_says_which_layer_is_drawn_anew(tmp_path, num_classes, drawn):
    plain = Architecture.plain("cifar_resnet8", 3)
    theirs = build(plain, num_classes=10, block_seed=5)
    save_file(theirs.state_dict(), tmp_path / "w.safetensors")
    full = Architecture.parse("cifar_resnet8/" + "/".join(["avg:fc4:sigmoid@pre_addition"] * 3))
    network = build(full, num_classes=num_classes)
    file = str(tmp_path / "w.safetensors")
    assert warm_start.apply(network, full, "pretrained", (3, 8, 8), file).drawn == drawn
    if not drawn:
        x_NCHW = torch.randn(2, 3, 8, 8)
        with torch.no_grad():
            assert torch.equal(network.eval()(x_NCHW), theirs.eval()(x_NCHW))


def test_values_that_are_not_finite_are_refused(tmp_path):
    plain = Architecture.plain("cifar_resnet8", 3)
    weights = build(plain, num_classes=10).state_dict()
    weights["layer1.0.bn1.running_var"][2] = float("nan")
    save_file(weights, tmp_path / "w.safetensors")
    with pytest.raises(UserError, match=r"not finite: layer1\.0\.bn1\.running_var") as caught:
        warm_start.apply(build(plain, num_classes=10), plain, "pretrained", (3, 8, 8), str(tmp_path / "w.safetensors"))
    assert caught.value.key == "model.weights"
