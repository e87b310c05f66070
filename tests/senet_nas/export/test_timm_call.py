"""timm.json builds an exported placement in timm with the same logits, or the model card says why timm cannot."""

import json
from pathlib import Path

import pytest
import torch

from senet_nas.export import manifest, proof, record, timm_call
from senet_nas.export.bundle import export
from senet_nas.network.build import build, sites
from spaces.placements import place

timm = pytest.importorskip("timm")
DATA = {"mean": [0.3] * 3, "std": [0.2] * 3, "classes": ["zero", "one", "two"]}
MID = {"position": "mid"}
OTHERWISE = {"reduction": "4", "squeeze": "avgmax", "excitation": "fcnb", "gate": "hard_sigmoid"}
EXPRESSED = {
    "plain": ("resnet10t", "none", {}, "create_model('resnet10t', in_chans=3, num_classes=3)"),
    "all": ("resnet10t", "all", {}, "block_args=dict(attn_layer=attention)"),
    "two stages": ("resnet10t", "stages:2-3", OTHERWISE, "block_args=dict(attn_layer=attention)"),
    "one unit": ("resnet10t", "blocks:3.0", {"excitation": "eca"}, "block_args=dict(attn_layer=attention)"),
    "effective SE": (
        "resnet10t",
        "stages:3",
        {"operators": "ese"},
        "EffectiveSEModule(channels, gate_layer='sigmoid')",
    ),
    "plain of a network with SE": ("seresnet18", "none", {}, "block_args=dict(attn_layer=attention)"),
    "some of EfficientNet": ("tinynet_e", "stages:2-3", MID, "se_layer=attention"),
    "an inner place": ("resnext26ts", "stages:2", MID, "attn_layer=attention"),
    "as published": ("mobilenetv3_small_050", "published", {}, "create_model('mobilenetv3_small_050', in_chans=3"),
    "RegNet-Y of RegNet-X": ("regnetx_002", None, MID, "se_ratio=0.25"),
}
REFUSED = {
    "position": (
        "resnet10t",
        {"position": "post_addition"},
        "timm's resnet10t takes attention at pre_addition in unit 1.0, not at post_addition",
    ),
    "squeeze": (
        "resnet10t",
        {"squeeze": "dct"},
        "none of timm's layers that are tried computes `dct:fc4:sigmoid@pre_addition`",
    ),
    "gate": (
        "resnet10t",
        {"gate": "tanh"},
        "none of timm's layers that are tried computes `avg:fc4:tanh@pre_addition`",
    ),
    "family": ("convnext_atto", {}, "timm's convnext_atto does not take the attention of its blocks as an argument"),
    "patterns": (
        "resnet10t@layer1.*.bn2",
        {"position": "output"},
        "timm's resnet10t has other units if it gets attention",
    ),
}


def quarter_of_input(name):
    """SE of a quarter of the channels before each unit: what RegNet-Y has."""
    blocks = [f"avg:fc{round(site.channels['pre_unit'] / 4)}:sigmoid@mid" for site in sites(name)]
    return "/".join([name, *blocks])


def written(name: str, placement: str | None, values, folder: Path):
    """What the export of a network with random weights writes about timm: why it cannot, and the network itself."""
    backbone = f"timm:{name}"
    architecture = place(backbone, sites(backbone), placement or quarter_of_input(backbone), values)
    network = proof.frozen(build(architecture, num_classes=3))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # timm's begin with zeros, so that units would do nothing
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    about = record.describe(architecture, input_shape=(3, 64, 64), **DATA, extra={}, resize=None, white=255.0)
    proof.put(network, about, folder, forms=())
    return timm_call.write(network, about, folder), network


# The search for units takes seconds in these.
LARGE = ("an inner place", "RegNet-Y of RegNet-X", "some of EfficientNet")


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow) if c in LARGE else c for c in EXPRESSED])
def test_the_call_builds_the_network_with_the_same_shapes_and_logits(case, tmp_path):
    name, placement, values, call = EXPRESSED[case]
    why, network = written(name, placement, values, tmp_path)
    assert why == ""
    content = json.loads((tmp_path / "timm.json").read_text())
    assert call in content["code"]
    space = {}
    exec(content["code"], space)
    names = content["weights"]
    shapes = {names.get(key, key): value.numel() for key, value in network.state_dict().items()}
    assert {key: value.numel() for key, value in space["network"].state_dict().items()} == shapes
    x_NCHW = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected, found = network(x_NCHW), space["load"](tmp_path)(x_NCHW)
    assert type(space["network"]).__module__.startswith("timm.")
    assert (found - expected).abs().max() <= 1e-5 * max(1.0, expected.abs().max())


@pytest.mark.parametrize("case", REFUSED)
def test_what_timm_cannot_express_is_said(case, tmp_path):
    name, values, expected = REFUSED[case]
    why, _ = written(name, "all", values, tmp_path)
    assert why == expected
    assert not (tmp_path / "timm.json").exists()


def test_a_call_that_computes_something_else_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr(timm_call, "TOLERANCE", -1.0)
    why, _ = written("resnet10t", "all", {}, tmp_path)
    assert why == "timm's resnet10t computes something else with this attention"
    assert not (tmp_path / "timm.json").exists()


@pytest.mark.parametrize(("position", "is_written"), [("pre_addition", True), ("identity", False)])
def test_an_export_lists_the_call_or_says_why_there_is_none(position, is_written, tmp_path):
    backbone = "timm:resnet10t"
    architecture = place(backbone, sites(backbone), "all", {"position": position})
    network = build(architecture, num_classes=3)
    exported = export(network, architecture, tmp_path / "net", input_shape=(3, 64, 64), **DATA, forms=["model.py"])
    manifest.check(tmp_path / "net")
    listed = json.loads((tmp_path / "net" / "manifest.json").read_text())["files"]
    card = (tmp_path / "net" / "README.md").read_text()
    assert ("timm.json" in listed) == ("timm.json" in exported.files) == is_written
    assert ("There is no `timm.json`: timm's resnet10t takes attention at pre_addition" in card) != is_written
    assert "import timm" not in (tmp_path / "net" / "model.py").read_text()
