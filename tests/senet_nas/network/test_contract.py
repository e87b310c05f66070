"""What every SE block at every position of every kind of unit must do: the tables say which there are.

A covering design keeps it fast: every two options meet somewhere. `make test-slow` runs the full product.
"""

import functools
import itertools

import pytest
import torch
from torch import nn

from senet_nas.costs.overhead import count, price_list
from senet_nas.network.backbones.table import names
from senet_nas.network.build import build
from senet_nas.network.excitations import EXCITATIONS as FORMS
from senet_nas.network.operators import GATES
from senet_nas.network.squeeze_excitation import SqueezeExcitation
from senet_nas.network.squeezes import SQUEEZES
from spaces import Architecture, UserError
from spaces.spelling import FORMS as SPELT
from tests.senet_nas.covering import (
    EXCITATIONS,
    OF_CHANNELS,
    OTHERS,
    blocks,
    covering,
    operators,
    packed,
    positions,
    spelt,
)

# One backbone of each kind of unit.
BACKBONES = ("cifar_resnet8", "cifar_preact_resnet20", "resnet18", "resnet50", "mobilenet_v1")
COUNTS = ("params", "macs", "macs_paper")
MEMORY = (torch.contiguous_format, torch.channels_last)
slow = pytest.mark.slow


def every(backbone: str) -> list[Architecture]:
    """Networks that hold the full product."""
    pairs = [*itertools.product(OF_CHANNELS, EXCITATIONS), *operators()]
    product = itertools.product(pairs, GATES, positions(backbone))
    return packed(backbone, [spelt(*pair, *row) for pair, *row in product])


SAMPLE = {name: covering(name) for name in BACKBONES}
NETWORKS = [
    pytest.param(architecture, id=f"{backbone}-{number}")
    for backbone, architectures in SAMPLE.items()
    for number, architecture in enumerate(architectures)
]
ROWS = blocks()


@functools.cache
def prices(backbone: str):
    return price_list(backbone, in_channels=1, num_classes=7, image_size=33)


def fitting(squeeze: str, excitation: str) -> bool:
    """Whether an excitation takes what a squeeze leaves."""
    return SQUEEZES[squeeze].leaves in FORMS[spelt(squeeze, excitation, "sigmoid", "mid").form].takes


def images(number: int, memory: torch.memory_format = torch.contiguous_format) -> torch.Tensor:
    return torch.randn(number, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(memory_format=memory)


def test_every_operator_has_a_place_in_the_design() -> None:
    assert {spelt("avg", name, "sigmoid", "mid").form for name in (*EXCITATIONS, *OTHERS)} == set(FORMS) == set(SPELT)
    for networks in SAMPLE.values():
        found = [se for network in networks for se in network.blocks if se]
        for one, two in itertools.combinations(("squeeze", "excitation", "gate", "position"), 2):
            met = {(getattr(se, one), getattr(se, two)) for se in found}
            both = itertools.product({a for a, _ in met}, {b for _, b in met})
            fits = [(a, b) for a, b in both if (one, two) != ("squeeze", "excitation") or fitting(a, b)]
            assert met == set(fits)
        assert {se.squeeze for se in found} == set(SQUEEZES)
        assert {se.gate for se in found} == set(GATES)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_closed_form_is_what_is_counted(architecture: Architecture) -> None:
    price = prices(architecture.backbone).of(architecture)
    assert {key: price[key] for key in COUNTS} == count(build(architecture, in_channels=1, num_classes=7), (1, 33, 33))


@pytest.mark.parametrize("architecture", NETWORKS)
def test_trains_in_both_precisions_and_layouts_and_judges_one_image(architecture: Architecture) -> None:
    for number, dtype in enumerate((torch.float32, torch.bfloat16)):
        network = build(architecture, num_classes=4).to(dtype).to(memory_format=MEMORY[number])
        logits = network(images(2, MEMORY[number]).to(dtype))
        nn.functional.cross_entropy(logits.float(), torch.tensor([0, 3])).backward()
        assert logits.shape == (2, 4)
        assert logits.isfinite().all()
        missing = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        assert not missing
        with torch.inference_mode():
            assert network.eval()(images(1, MEMORY[1 - number]).to(dtype)).isfinite().all()


@pytest.mark.parametrize("row", ROWS, ids=":".join)
@pytest.mark.parametrize("spatial", [(9,), (4, 5), (2, 3, 4)], ids=["signal", "image", "volume"])
def test_a_block_is_the_same_in_every_layout_precision_and_number_of_dimensions(
    row: tuple[str, str, str], spatial: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    if len(spatial) < FORMS[spelt(*row, "mid").form].least_axes:
        with pytest.raises(UserError, match="needs at least 2 spatial dimensions"):
            SqueezeExcitation(12, spelt(*row, "mid"), len(spatial))
        return
    block, x = SqueezeExcitation(12, spelt(*row, "mid"), len(spatial)).eval(), torch.randn(2, 12, *spatial)
    y = block(x)
    assert y.shape == x.shape
    if len(spatial) == 2:
        y_NHWC = block(x.to(memory_format=torch.channels_last))
        assert y_NHWC.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(y_NHWC, y)
    torch.testing.assert_close(block(x[:1]), y[:1])
    torch.testing.assert_close(block.bfloat16()(x.bfloat16()).float(), y, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("row", ROWS, ids=":".join)
def test_a_block_is_exported_with_any_batch_size(row: tuple[str, str, str]) -> None:
    block, x_NCHW = SqueezeExcitation(12, spelt(*row, "mid")).eval(), torch.randn(3, 12, 4, 5)
    program = torch.export.export(block, (x_NCHW[:2],), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    torch.testing.assert_close(program.module()(x_NCHW), block(x_NCHW))


@pytest.mark.parametrize("backbone", ["cifar_resnet8", pytest.param("resnet18", marks=slow)])
def test_a_network_is_exported(backbone: str) -> None:
    network, x_NCHW = build(covering(backbone)[-1], num_classes=4).eval(), images(2)
    program = torch.export.export(network, (x_NCHW,))
    torch.testing.assert_close(program.module()(x_NCHW), network(x_NCHW))


def test_field_embeddings_are_channels_of_places() -> None:
    """FiBiNET (arXiv 1905.09433) gates fields: (N, F, E), one factor for each field."""
    block, x_NFE = SqueezeExcitation(7, spelt("avg", "fc3", "relu", "output")), torch.randn(4, 7, 16)
    s_NF = block.gate(block.fc2(block.fc1(x_NFE.mean(2)).relu()))
    torch.testing.assert_close(block(x_NFE), x_NFE * s_NF.unsqueeze(2))


@slow
@pytest.mark.parametrize("backbone", BACKBONES)
def test_the_full_product(backbone: str) -> None:
    for architecture in every(backbone):
        test_closed_form_is_what_is_counted(architecture)
        test_trains_in_both_precisions_and_layouts_and_judges_one_image(architecture)


@slow
@pytest.mark.parametrize("backbone", sorted(set(names()) - set(BACKBONES)))
def test_every_backbone_is_priced_as_it_is_counted(backbone: str) -> None:
    image = (3, 32, 32) if backbone.startswith("cifar") else (3, 128, 128)
    listed = price_list(backbone, num_classes=7, image_size=image[1])
    for architecture in covering(backbone):
        price = listed.of(architecture)
        assert {key: price[key] for key in COUNTS} == count(build(architecture, num_classes=7), image)
