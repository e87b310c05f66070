"""plugins.txt builds an exported placement in a ResNet with OpenMMLab's rules for plugins, or says why it cannot.

OpenMMLab is not installed here: the rules (mmcv's ``build_plugin_layer``, mmdetection's ``Bottleneck``) are spelt out.
"""

import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import resnet

from senet_nas.export import plugins, proof, record
from senet_nas.network.build import build, sites
from spaces.placements import place

DATA = {"mean": [0.3], "std": [0.2], "classes": ["zero", "one"]}
EXPRESSED = {
    "behind the branch": ("resnet50", "stages:2-3", {}, "depth=50"),
    "inside, grouped": ("resnext50_32x4d", "all", {"position": "mid", "squeeze": "gem"}, "groups=32, base_width=4"),
    "learned squeezes": ("resnet50", "stages:3-4", {"squeeze": "attention", "excitation": "eca"}, "depth=50"),
}
REFUSED = {
    "basic": ("resnet18", "all", {}, "OpenMMLab's ResNet takes plugins in bottlenecks only, from 50 layers on"),
    "part": ("resnet50", "blocks:1.1", {}, "plugins of OpenMMLab are the same in all units of a stage, and stage 1 is"),
    "place": ("resnet50", "all", {"position": "identity"}, "plugins of OpenMMLab have no position for identity"),
    "other": ("mobilenet_v2", "all", {"position": "mid"}, ""),
    "plain": ("resnet50", "none", {}, ""),
}


class Bottleneck(resnet.Bottleneck):
    """torchvision's, with plugins behind its second and third convolution, norm and activation included."""

    plugins: dict[str, str]

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = getattr(self, self.plugins.get("after_conv2", ""), torch.nn.Identity())(y)
        y = self.bn3(self.conv3(y))
        y = getattr(self, self.plugins.get("after_conv3", ""), torch.nn.Identity())(y)
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(y + shortcut)


def theirs(config, registry):
    """The network of a ``backbone`` of a config, with a classifier as torchvision's."""
    arguments = {"groups": config.get("groups", 1), "width_per_group": config.get("base_width", 64)}
    network = resnet.ResNet(Bottleneck, [3, 4, 6, 3], num_classes=2, **arguments)
    network.conv1 = torch.nn.Conv2d(config["in_channels"], 64, 7, stride=2, padding=3, bias=False)
    for number, stage in enumerate((network.layer1, network.layer2, network.layer3, network.layer4)):
        for unit in stage:
            unit.plugins = {}
            for plugin in config["plugins"]:
                assert len(plugin["stages"]) == 4
                if plugin["stages"][number]:
                    kind = registry[plugin["cfg"]["type"]]
                    channels = (
                        unit.conv2.out_channels if plugin["position"] == "after_conv2" else unit.conv3.out_channels
                    )
                    unit.add_module(kind._abbr_, kind(in_channels=channels))
                    unit.plugins[plugin["position"]] = kind._abbr_
    return network


def written(backbone, placement, values, folder):
    architecture = place(backbone, sites(backbone), placement, values)
    network = proof.frozen(build(architecture, in_channels=1, num_classes=2))
    about = record.describe(architecture, input_shape=(1, 64, 64), **DATA, extra={}, resize=None, white=255.0)
    proof.put(network, about, folder, forms=())
    return plugins.write(network, about, folder), network


@pytest.mark.parametrize("case", EXPRESSED)
def test_the_lines_build_the_network_and_its_weights_load_by_their_names(case, tmp_path, monkeypatch):
    backbone, placement, values, written_as = EXPRESSED[case]
    why, network = written(backbone, placement, values, tmp_path)
    assert why == ""
    text = (tmp_path / "plugins.txt").read_text()
    assert written_as in text
    registry = {}
    register = SimpleNamespace(register_module=lambda: lambda kind: registry.setdefault(kind.__name__, kind))
    monkeypatch.setitem(sys.modules, "mmengine", SimpleNamespace())
    monkeypatch.setitem(sys.modules, "mmengine.registry", SimpleNamespace(MODELS=register))
    space = {}
    exec(text, space)
    built = theirs(space["backbone"], registry)
    built.load_state_dict(load_file(tmp_path / "model.safetensors"))
    x_NCHW = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        torch.testing.assert_close(built.eval()(x_NCHW), network(x_NCHW))


@pytest.mark.parametrize("case", REFUSED)
def test_what_plugins_cannot_express_is_said(case, tmp_path):
    why, _ = written(*REFUSED[case][:3], tmp_path)
    assert why.startswith(REFUSED[case][3])
    assert bool(why) == bool(REFUSED[case][3])
    assert not (tmp_path / "plugins.txt").exists()
