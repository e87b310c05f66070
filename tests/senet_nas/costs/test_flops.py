"""What we count, what torch.utils.flop_counter counts, and what the layers' shapes say: the same to the digit.

On the meta device, so nothing is computed. A cheap backbone of each kind of unit; `make test-slow` runs every name.
"""

import itertools
import math

import pytest
import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.flop_counter import FlopCounterMode

from senet_nas.costs.overhead import made_for, price_list
from senet_nas.network.backbones.table import names
from senet_nas.network.build import fill, sites, skeleton
from senet_nas.network.operators import GATES
from spaces import Architecture
from tests.senet_nas.covering import EXCITATIONS, OF_CHANNELS, operators, spelt

SIDE, CLASSES = 96, 7
CHEAP = {
    "cifar_resnet8",
    "cifar_preact_resnet20",
    "signal_resnet8",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "resnet50_v1",
    "bn_inception",
    "mobilenet_v1",
    "inception_v3",
    "vgg11_bn",
    "mobilenet_v3_small",
    "efficientnet_b0",
    "shufflenet_v2_x1_0",
    "regnet_y_400mf",
    "convnext_tiny",
}
NAMES = [name if name in CHEAP else pytest.param(name, marks=pytest.mark.slow) for name in names()]


def everywhere(backbone: str) -> Architecture:
    """SE at every site, with each operator in turn."""
    n_axes = made_for(skeleton(backbone, 3, CLASSES))
    pairs = [*zip(OF_CHANNELS, itertools.cycle(EXCITATIONS), strict=False), *operators(n_axes)]
    rows = ((*pair, gate) for pair, gate in zip(itertools.cycle(pairs), itertools.cycle(GATES), strict=False))
    places = [list(site.channels) for site in sites(backbone)]
    blocks = [spelt(*row, found[i % len(found)]) for i, (found, row) in enumerate(zip(places, rows, strict=False))]
    return Architecture(backbone, tuple(blocks))


def flops(network: nn.Module) -> int:
    """Two for each multiply-add, as torch counts them."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.empty(1, 3, *[SIDE] * made_for(network), device="meta"))
    return counter.get_total_flops()


def from_shapes(network: nn.Module, x: torch.Tensor) -> int:
    """Multiply-adds of convolutions and linear layers: each element of an output is one product over its inputs."""
    found = []

    def note(layer: nn.Module, _: object, y: torch.Tensor) -> None:
        found.append(y.numel() * math.prod(layer.weight.shape[1:]))

    handles = [m.register_forward_hook(note) for m in network.modules() if isinstance(m, _ConvNd | nn.Linear)]
    with torch.no_grad():
        network.eval()(x)
    for handle in handles:
        handle.remove()
    return sum(found)


@pytest.mark.parametrize("name", NAMES)
def test_multiply_adds_are_those_of_torch_and_of_the_shapes(name: str) -> None:
    prices, architecture = price_list(name, num_classes=CLASSES, image_size=SIDE), everywhere(name)
    network = skeleton(name, 3, CLASSES)
    x = torch.empty(1, 3, *[SIDE] * made_for(network), device="meta")
    assert 2 * prices.plain["macs"] == flops(network) == 2 * from_shapes(network, x)
    fill(network, architecture)
    price = prices.of(architecture)
    assert 2 * price["macs"] == flops(network)
    assert price["params"] == sum(p.numel() for p in network.parameters())


def test_multiply_adds_of_a_batch_are_those_of_its_images() -> None:
    network = skeleton("cifar_resnet8", 3, CLASSES)
    one, five = (from_shapes(network, torch.empty(n, 3, SIDE, SIDE, device="meta")) for n in (1, 5))
    assert five == 5 * one
