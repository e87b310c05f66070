"""SE in a pretrained network changes nothing at first, to the last bit: every family, every position, own networks."""

import copy

import pytest
import torch
from torch import nn

from senet_nas.network import warm_start
from senet_nas.network.backbones import table
from senet_nas.network.build import build, fill, initialise, sites
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from spaces import SE, Architecture

# One network of each file of backbones, and the side of its images here. inception_resnet_v2 takes long to build: it
# passed this test when it was written.
SIDES = {
    "cifar_resnet8": 12,
    "cifar_preact_resnet20": 12,
    "signal_resnet8": 64,
    "resnet18": 32,
    "small_v1": 32,
    "small_senet": 32,
    "bn_inception": 64,
    "inception_v4": 75,
    "mobilenet_v1": 32,
    "inception_v3": 75,
    "vgg11_bn": 32,
    "densenet121": 32,
    "mobilenet_v2": 32,
    "mobilenet_v3_small": 32,
    "shufflenet_v2_x1_0": 32,
    "regnet_y_400mf": 32,
    "convnext_tiny": 32,
}
# Layer scale stands before the addition, and is no layer that can be doubled.
NOT_DOUBLED = {"convnext_tiny"}
OWN = """
from torch import nn


class Unit(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, c, 3, padding=1), nn.Conv2d(c, c, 3, padding=1)
        self.n, self.m = nn.BatchNorm2d(c), nn.BatchNorm2d(c)
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(x + self.m(self.b(self.act(self.n(self.a(x))))))


class Net(nn.Module):
    def __init__(self, in_channels, num_classes):
        super().__init__()
        self.head = nn.Linear(8, num_classes)
        self.stem = nn.Conv2d(in_channels, 8, 3)
        self.stages = nn.Sequential(Unit(8), Unit(8))

    def forward(self, x):
        return self.head(self.stages(self.stem(x)).mean((2, 3)))
"""


def filled(plain: nn.Module, architecture: Architecture) -> nn.Module:
    """The plain network with the SE of an architecture, which has random weights."""
    network = copy.deepcopy(plain)
    fill(network, architecture)
    for path, module in network.named_modules():
        if isinstance(module, SqueezeExcitation):
            initialise(module.to_empty(device="cpu"), 0, path)
    return network


def mixed(backbone: str, gate: str) -> Architecture:
    """SE in every unit, at one position after the other of those that it offers."""
    blocks = []
    for i, site in enumerate(sites(backbone)):
        offered = sorted(site.channels)
        blocks.append(SE.parse(f"avg:fc2:{gate}@{offered[i % len(offered)]}"))
    return Architecture(backbone, tuple(blocks))


def before_additions(backbone: str, gate: str) -> Architecture:
    block = SE.parse(f"avg:fc2:{gate}@pre_addition")
    return Architecture(backbone, tuple(block if "pre_addition" in s.channels else None for s in sites(backbone)))


def outputs(network: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    with torch.no_grad():
        torch.manual_seed(0)  # of dropout
        return [network.eval()(x), network.train()(x)]


def check(backbone: str, image: tuple[int, ...]) -> int:
    """Compares plain with SE everywhere; returns the number of SE that were tried."""
    plain = build(Architecture.plain(backbone, len(sites(backbone))), in_channels=image[0], num_classes=5)
    x = torch.randn(2, *image, generator=torch.Generator().manual_seed(1))
    tried = [mixed(backbone, "sigmoid2")]
    if warm_start.can_double(backbone):
        tried.append(before_additions(backbone, "sigmoid"))
    expected = outputs(copy.deepcopy(plain), x)
    for architecture in tried:
        network = filled(plain, architecture)
        warm_start.apply(network, architecture, "identity", image)
        for one, other in zip(outputs(network, x), expected, strict=True):
            assert one.isfinite().all()
            assert torch.equal(one, other), architecture
    return sum(se is not None for architecture in tried for se in architecture.blocks)


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The two families whose members are all large, with one unit in each stage."""
    monkeypatch.setitem(table.BACKBONES, "small_v1", table.Backbone("resnet_v1", {"layers": (1, 1, 1, 1)}))
    monkeypatch.setitem(table.BACKBONES, "small_senet", table.Backbone("senet", {"layers": (1, 1, 1, 1)}))
    yield
    sites.cache_clear()


def test_every_file_of_backbones_is_there():
    tried = {table._resolve(name)[0].file for name in SIDES}
    assert {row.file for row in table.BACKBONES.values()} - tried == {"inception_resnet_v2"}


@pytest.mark.parametrize("backbone", SIDES)
def test_every_family(backbone):
    usual = table.usual(backbone)
    sides = [SIDES[backbone]] * (1 if backbone.startswith("signal") else 2)
    assert check(backbone, (usual.channels, *sides)) >= len(sites(backbone))
    assert warm_start.can_double(backbone) == (backbone not in NOT_DOUBLED)


def test_a_network_of_the_users_own(tmp_path, monkeypatch):
    (tmp_path / "pretrained_own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert check("pretrained_own:Net", (1, 8, 8)) == 4


@pytest.mark.parametrize("name", ["resnet10t", "mobilenetv3_small_050"])
def test_networks_of_timm(name):
    pytest.importorskip("timm")
    assert check(f"timm:{name}", (3, 64, 64)) >= 4
