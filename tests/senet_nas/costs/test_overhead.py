import dataclasses
import pickle

import pytest
import torch

from senet_nas.costs.measures import MEASURES, counted
from senet_nas.costs.overhead import count, price_list, se_cost
from senet_nas.network.build import build, skeleton
from spaces import Architecture, UserError
from spaces.placements import place
from tests.senet_nas.covering import spelt

KEYS = ("params", "macs", "macs_paper")


# Hu et al., arXiv 1709.01507: 25.6 M -> 28.1 M (table 2), no biases: 28.07 M (table 10), stages 2-4: "~4 %".
@pytest.mark.parametrize(
    ("placement", "excitation", "params", "overhead"),
    [
        ("none", "fc", 25_557_032, 0.0),
        ("all", "fc", 28_088_024, 9.903),
        ("all", "fcnb", 28_071_976, 9.840),
        ("stages:1-3", "fcnb", 25_557_032 + 942_080, 3.686),
        ("stages:1-3", "fc", 26_508_632, 3.723),
    ],
)
def test_parameters_of_resnet50_are_those_of_the_paper(
    placement: str, excitation: str, params: int, overhead: float
) -> None:
    prices = price_list("resnet50")
    price = prices.of(place("resnet50", prices.sites, placement, {"excitation": excitation}))
    assert price["params"] == params
    assert price["params_overhead"] == pytest.approx(overhead, abs=1e-3)


@pytest.mark.parametrize(("backbone", "params"), [("resnet101", 49_326_872), ("resnext50_32x4d", 27_559_896)])
def test_parameters_of_released_networks(backbone: str, params: int) -> None:
    prices = price_list(backbone, image_size=64)
    assert prices.of(place(backbone, prices.sites, "all"))["params"] == params


def test_multiply_adds_of_resnet50() -> None:
    prices = price_list("resnet50")
    price = prices.of(place("resnet50", prices.sites, "all"))
    assert prices.plain["macs"] == prices.plain["macs_paper"] == 4_089_184_256
    assert price["macs"] - prices.plain["macs"] == 2_514_944
    pooled = sum(n * c * side**2 for n, c, side in [(3, 256, 56), (4, 512, 28), (6, 1024, 14), (3, 2048, 7)])
    assert price["macs_paper"] - price["macs"] == 2 * pooled
    assert price["macs_overhead"] == pytest.approx(100 * 2_514_944 / 4_089_184_256)


def test_prices_add_up() -> None:
    prices = price_list("cifar_resnet8", image_size=16)
    one = [place("cifar_resnet8", prices.sites, f"stages:{stage}", {"reduction": "4"}) for stage in (1, 2, 3)]
    full = place("cifar_resnet8", prices.sites, "all", {"reduction": "4"})
    for key in (*KEYS, *(measure.overhead for measure in counted())):
        plain = prices.of(Architecture.plain("cifar_resnet8", 3))[key]
        assert prices.of(full)[key] - plain == pytest.approx(sum(prices.of(a)[key] - plain for a in one))


def test_every_measure_is_priced_and_plain_is_free() -> None:
    prices = price_list("cifar_resnet8", image_size=8)
    price = prices.of(Architecture.plain("cifar_resnet8", 3))
    assert all(price[measure.column] > 0 and price[measure.overhead] == 0 for measure in counted())
    assert all(measure.unit and measure.description for measure in MEASURES.values())


def test_cost_of_one_block() -> None:
    assert se_cost(10, (5, 5), spelt("avg", "fc2", "sigmoid", "identity")) == {
        "params": 52,
        "macs": 40,
        "macs_paper": 540,
    }
    assert se_cost(10, (5, 5), spelt("avg", "fc2nb", "sigmoid", "identity"))["params"] == 40
    assert se_cost(10, (5, 5), spelt("std", "eca3", "tanh", "mid")) == {"params": 3, "macs": 30, "macs_paper": 530}
    assert se_cost(10, (5, 5), spelt("gem", "diag", "relu", "mid")) == {"params": 11, "macs": 10, "macs_paper": 510}
    assert se_cost(10, (5, 5), spelt("attention", "diag", "relu", "mid")) == {
        "params": 20,
        "macs": 260,
        "macs_paper": 760,
    }


def test_counting_leaves_the_network_as_it_is() -> None:
    network = build("cifar_resnet8/-/avg:fc4:sigmoid@identity/-").train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    count(network, (3, 16, 16))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert not network.layer2[0].identity._forward_pre_hooks


def test_a_network_without_memory_can_be_counted() -> None:
    assert count(skeleton("resnet18", 3, 1000), (3, 224, 224))["params"] == 11_689_512


def test_prices_are_frozen_and_travel() -> None:
    prices = price_list("cifar_resnet8", image_size=8)
    assert pickle.loads(pickle.dumps(prices)) == prices
    with pytest.raises(dataclasses.FrozenInstanceError):
        prices.backbone = "resnet18"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet18/-/-/-", "is not an architecture of cifar_resnet8"),
        ("cifar_resnet8/-", "has 1 fields"),
        ("cifar_resnet8/-/-/mean:fc4:sigmoid@identity", "unknown squeeze"),
    ],
)
def test_what_has_no_price_says_why(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        price_list("cifar_resnet8", image_size=8).of(Architecture.parse(text))
