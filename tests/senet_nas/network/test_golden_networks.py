import json
from pathlib import Path

import pytest

from senet_nas.costs.overhead import price_list
from senet_nas.network.backbones.table import names
from senet_nas.network.build import sites
from senet_nas.network.published import NETWORKS, find
from spaces import UserError
from spaces.placements import PAPER, place
from tests.senet_nas.golden import of_backbone, of_network

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "networks.json").read_text())
slow = pytest.mark.slow
# The smaller ones; counting the others takes seconds each.
QUICK = [name for name, row in GOLDEN["backbones"].items() if row["params"] < 1.2e7 and not name.startswith("densenet")]

# Counted from the official prototxts, and by two public builds of them. SE-MobileNet and SE-VGG-16 are our own counts.
PUBLISHED = {
    "se_resnet18": 11_778_592,
    "se_resnet34": 21_958_868,  # timm's legacy_seresnet18 and 34
    "se_resnet50": 28_088_024,
    "se_resnet101": 49_326_872,
    "se_resnet152": 66_821_848,
    "se_resnext50_32x4d": 27_559_896,
    "se_resnext101_32x4d": 48_955_416,
    "senet154": 115_088_984,
    "se_bn_inception": 11_931_622,
    "se_mobilenet_v3_small": 2_542_856,
    "se_mobilenet_v3_large": 5_483_032,
    "se_regnet_y_1_6gf": 11_202_430,
    "se_cifar_preact_resnet110": 1_744_760,
    "se_cifar_preact_resnet164": 1_905_362,
    "se_cifar_wrn16_8": 11_049_290,
}
# Billions as the paper prints them, tables 2 and 8: with pooling and scaling.
GFLOPS = {
    "se_resnet50": 3.87, "se_resnet101": 7.60, "se_resnet152": 11.32, "se_resnext50_32x4d": 4.25,
    "se_resnext101_32x4d": 8.00, "se_bn_inception": 2.04,
}  # fmt: skip


def test_the_golden_file_holds_every_name() -> None:
    assert list(GOLDEN["backbones"]) == list(names())
    assert list(GOLDEN["networks"]) == list(NETWORKS)


@pytest.mark.parametrize("name", [name if name in QUICK else pytest.param(name, marks=slow) for name in names()])
def test_backbone_is_the_golden_one(name: str) -> None:
    assert json.loads(json.dumps(of_backbone(name))) == GOLDEN["backbones"][name]


@pytest.mark.parametrize("name", NETWORKS)
def test_network_is_the_golden_one(name: str) -> None:
    golden = GOLDEN["networks"][name]
    assert of_network(name) == golden
    assert (NETWORKS[name].params, NETWORKS[name].macs) == (golden["params"], golden["macs"])


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name: str) -> None:
    assert GOLDEN["networks"][name]["params"] == PUBLISHED[name]


@pytest.mark.parametrize("name", GFLOPS)
def test_macs_are_the_papers_to_what_it_prints(name: str) -> None:
    assert GOLDEN["networks"][name]["macs_paper"] / 1e9 == pytest.approx(GFLOPS[name], abs=0.011)


# Tables 10, 13 and 15, in millions, without biases: five of the ten are printed 0.1 above the exact count.
@pytest.mark.parametrize(("placement", "changed", "millions"), [
    ("all", {"reduction": "2"}, 45.7), ("all", {"reduction": "4"}, 35.7), ("all", {"reduction": "8"}, 30.7),
    ("all", {}, 28.1), ("all", {"reduction": "32"}, 26.9), ("none", {}, 25.6), ("stages:1", {}, 25.6),
    ("stages:2", {}, 25.7), ("stages:3", {}, 26.4), ("all", {"position": "mid"}, 25.8),
])  # fmt: skip
def test_ablations_have_the_size_that_the_paper_prints(
    placement: str, changed: dict[str, str], millions: float
) -> None:
    values = {**PAPER, "excitation": "fcnb", **changed}
    architecture = place("resnet50", sites("resnet50"), placement, values)
    assert round(price_list("resnet50").of(architecture)["params"] / 1e6, 1) == pytest.approx(millions, abs=0.101)


def test_a_network_is_found_by_its_name_its_key_and_as_a_placement() -> None:
    by_name = find("se_resnet18", "all", PAPER)
    assert by_name == find("resnet18", "se_resnet18", PAPER) == find(by_name.key, "none", PAPER)
    assert by_name == find("resnet18", "all", PAPER)


@pytest.mark.parametrize(("target", "placement", "message", "hint"), [
    ("se_resnet51", "all", "unknown backbone or network `se_resnet51`", "did you mean `se_resnet50`?"),
    ("resnet34", "se_resnet18", "is a placement over resnet18, not over resnet34", "senet-search profile se_resnet18"),
    ("cifar_resnet21", "all", "no member of its family", "cifar_resnet20"),
])  # fmt: skip
def test_a_wrong_name_says_what_is_right(target: str, placement: str, message: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        find(target, placement, PAPER)
    assert message in caught.value.message
    assert hint in caught.value.hint
