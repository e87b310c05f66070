"""The table of targets: every row can speak, names its source, and is silent about what it is not about."""

import re

import pytest

from senet_nas.costs import target_lint
from senet_nas.costs.overhead import price_list
from senet_nas.deploy.targets import FIXED, RULES, described, findings, targets
from spaces import SE, Architecture, Space, SpaceSpec, UserError

SQUEEZES = ("avg", "max", "avgmax", "std", "l2", "gem", "attention", "dct")
GATES = ("sigmoid", "hard_sigmoid", "sigmoid2", "hard_sigmoid2", "tanh", "relu")
UNITS = [
    (f"{squeeze} {gate} {side}", SE.parse(f"{squeeze}:fc4:{gate}@pre_addition"), (side, side))
    for squeeze in SQUEEZES
    for gate in GATES
    for side in (7, 129, 300)
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.target}: {rule.what}"[:60])
def test_every_row_is_about_something_and_says_who_reported_it_when(rule):
    assert any(rule.matches(se, sides) for _, se, sides in UNITS)
    assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", rule.source.date)
    assert "." in rule.source.address
    assert rule in [finding.rule for finding in findings(UNITS, rule.target)]
    assert rule.source.date in described()[rule.target][[r for r in RULES if r.target == rule.target].index(rule)]


@pytest.mark.parametrize(
    ("target", "se", "side", "known"),
    [
        ("rk3566", "avg:fc4:sigmoid@pre_addition", 129, True),
        ("rk3566", "avg:fc4:sigmoid@pre_addition", 128, False),
        ("rk3566", "max:fc4:sigmoid@pre_addition", 300, False),
        ("edgetpu", "avg:fc4:sigmoid@pre_addition", 256, True),
        ("edgetpu", "avg:fc4:sigmoid@pre_addition", 255, False),
        ("nvidia-dla", "avg:fc4:hard_sigmoid@pre_addition", 7, True),
        ("nvidia-dla", "avg:fc4:sigmoid@pre_addition", 7, False),
        ("tflite-gpu", "std:fc4:sigmoid@pre_addition", 7, True),
        ("tflite-gpu", "avg:fc4:tanh@pre_addition", 7, True),
        ("tflite-gpu", "avg:fc4:sigmoid@pre_addition", 7, False),
        ("amd-dpu", "avg:fc4:hard_sigmoid@pre_addition", 7, False),
        ("apple-ane", "max:fc4:relu@pre_addition", 7, True),
    ],
)
def test_a_target_knows_what_was_reported_and_nothing_more(target, se, side, known):
    found = findings([("1.0", SE.parse(se), (side, side))], target)
    assert any(finding.rule.effect != FIXED for finding in found) == known


@pytest.mark.parametrize(
    ("target", "squeeze", "known"),
    [("tensorrt", "avg", True), ("tensorrt", "max", False), ("nvidia-dla", "max", True), ("amd-dpu", "avg", False)],
)
def test_a_target_that_was_reported_to_need_fixed_sizes_says_so_whatever_the_size(target, squeeze, known):
    found = findings([("1.0", SE.parse(f"{squeeze}:fc4:sigmoid@pre_addition"), (7, 7))], target)
    lines = [finding.line() for finding in found if finding.rule.effect == FIXED]
    assert bool(lines) == known
    assert all(line.startswith(f"{target} needs fixed sizes for SE at 1.0: ") for line in lines)


def test_a_finding_names_the_first_sites_and_counts_the_others():
    units = [(f"1.{i}", SE.parse("avg:fc4:tanh@pre_addition"), (8, 8)) for i in range(8)]
    (finding,) = findings(units, "tflite-gpu")
    assert "at 1.0, 1.1, 1.2, 1.3, 1.4, 1.5 and 2 more elsewhere: TANH" in finding.line()
    assert finding.to_dict()["sites"] == [f"1.{i}" for i in range(8)]


def test_an_unknown_target_is_an_error_with_the_nearest_name():
    with pytest.raises(UserError, match="unknown target `edge-tpu`") as error:
        findings([], "edge-tpu")
    assert "edgetpu" in error.value.hint


def test_the_side_of_a_map_is_that_of_the_site_and_the_image():
    se = "avg:fc2:sigmoid@pre_addition"
    whole = Architecture.parse(f"cifar_resnet8/{se}/{se}/{se}")
    prices = price_list("cifar_resnet8", in_channels=3, num_classes=10, image_size=260)
    (finding,) = target_lint.of_architectures([whole], prices, ["rk3566"])
    assert finding.sites == ("1.0", "2.0")  # 260 and 130; the last unit has maps of 65


def test_a_space_is_judged_by_all_that_it_may_place():
    prices = price_list("cifar_resnet8", in_channels=1, num_classes=10, image_size=16)
    space = Space("cifar_resnet8", prices.sites, SpaceSpec(squeeze=("avg", "std"), gate=("sigmoid", "hard_sigmoid")))
    found = target_lint.of_space(space, prices, targets())
    assert {finding.rule.target for finding in found} == {
        "apple-ane",
        "mobile",
        "tensorrt",
        "edgetpu",
        "nvidia-dla",
        "tflite-gpu",
        "amd-dpu",
        "openvino-int8",
    }
    plain = Architecture.plain("cifar_resnet8", 3)
    assert target_lint.of_architectures([plain], prices, targets()) == []
