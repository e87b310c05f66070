"""The breakdown of a network, as text and as a drawing."""

import json
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from search.cli.app import cli
from senet_nas.costs import diagram
from senet_nas.costs.breakdown import show
from senet_nas.costs.priced import price
from senet_nas.costs.profile import profile
from senet_nas.network.build import build
from spaces.errors import UserError

KEY = "cifar_resnet8/avg:fc4:sigmoid@mid/-/std:eca3:hard_sigmoid2@identity"
IMAGES = {"image_size": 32, "channels": 3, "classes": 10}


def shown(target: str, placement: str = "all"):
    return show(price(target, placement, {"reduction": "4"}, None, **IMAGES))


def test_every_site_has_its_price_and_they_add_up():
    found = shown(KEY)
    first, none, last = found.units
    assert (str(first.se), first.channels, first.places, first.usual, first.ratio) == (
        "avg:fc4:sigmoid@mid",
        16,
        1024,
        148,
        4,
    )
    assert (none.se, none.costs, none.labels) == (None, {"params": 0, "macs": 0}, [])
    assert (last.costs, last.labels) == ({"params": 3, "macs": 192}, ["std eca3", "hard_sigmoid2"])
    for cost in ("params", "macs"):
        assert found.costs[cost] == found.plain[cost] + first.costs[cost] + last.costs[cost]
    assert found.costs["params"] == sum(p.numel() for p in build(KEY, num_classes=10).parameters())


def test_units_that_are_alike_share_a_line():
    lines = shown("cifar_resnet20").lines()
    assert lines[0] == "all stages: avg r=4 pre_addition   (images 3x32x32, 10 classes; SE in 9 of 9 units)"
    assert [line.split()[:3] for line in lines if "each" in line] == [[f"{n}.0", "..", f"{n}.2"] for n in (1, 2, 3)]
    assert lines[-1].startswith("cifar_resnet20/avg:fc4:sigmoid@pre_addition/")


@pytest.mark.parametrize(
    ("target", "image", "classes"),
    [
        ("cifar_resnet8", (3, 32, 32), 10),
        ("se_cifar_wrn16_8", (3, 32, 32), 10),
        ("signal_resnet8", (1, 500), 4),
        ("resnet18", (3, 224, 224), 1000),
        ("se_inception_resnet_v2", (3, 299, 299), 1000),
    ],
)
def test_unless_said_otherwise_it_is_priced_for_the_data_it_was_made_for(target, image, classes):
    priced = price(target, "all", {}, 1)
    for found in (show(priced), profile(priced)):
        assert (found.image, found.classes) == (image, classes)
    assert show(price(target, "all", {}, 1, classes=7)).classes == 7


@pytest.mark.parametrize("target", [KEY, "cifar_resnet56", "resnet50"])
def test_the_drawing_has_a_mark_for_each_se_and_a_name_for_each_unit(target):
    found = shown(target)
    root = ElementTree.fromstring(diagram.svg(found))
    marks = [rect for rect in root.findall(".//{*}rect") if rect.find("{*}title") is not None]
    texts = [text.text for text in root.findall(".//{*}text")]
    assert len(marks) == sum(unit.se is not None for unit in found.units)
    assert {unit.name for unit in found.units} <= set(texts)
    width, height = float(root.get("width")), float(root.get("height"))
    assert all(float(text.get("x")) < width and float(text.get("y")) < height for text in root.findall(".//{*}text"))


def test_marks_stand_where_se_acts():
    marks = {}
    for position in diagram.COLOURS.keys() - {"output"}:
        root = ElementTree.fromstring(diagram.svg(shown(f"cifar_resnet8/avg:fc4:sigmoid@{position}/-/-")))
        [mark] = [rect for rect in root.findall(".//{*}rect") if rect.find("{*}title") is not None]
        marks[position] = (float(mark.get("x")), float(mark.get("y")))
    assert sorted(marks, key=lambda p: marks[p]) == ["pre_unit", "identity", "mid", "pre_addition", "post_addition"]
    assert marks["identity"][1] < min(y for position, (_, y) in marks.items() if position != "identity")


def test_the_command_prints_json_and_writes_the_drawing(tmp_path):
    words = ["show", "cifar_resnet8", "--placement", "last", "--reduction", "4", "--image-size", "32"]
    done = CliRunner().invoke(cli, [*words, "--json", "--svg", str(tmp_path / "net.svg")])
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert (answer["command"], [unit["se"] for unit in answer["units"]][:2]) == ("show", [None, None])
    assert (tmp_path / "net.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("resnet51", "unknown backbone or network `resnet51`"),
        ("cifar_resnet8/-", "which has 3 sites"),
        ("resnet18/x", "is not an SE block"),
    ],
)
def test_what_cannot_be_shown_says_why(target, message):
    with pytest.raises(UserError, match=message):
        shown(target)


def test_a_ratio_that_divides_no_width_is_shown_as_it_was_asked_for():
    found = show(price("resnet18", "all", {"reduction": "24"}, None, **IMAGES))
    assert found.words == "all stages: avg r=24 pre_addition"
    assert {unit.ratio for unit in found.units} == {24}
    assert {label for unit in found.units for label in unit.labels} == {"avg r=24"}
    by_key = show(price(found.architecture, "all", {}, None, **IMAGES))  # a key holds widths alone: nominal ratios
    assert {unit.ratio for unit in by_key.units} == {32, 26, 24}
    assert by_key.costs == found.costs
