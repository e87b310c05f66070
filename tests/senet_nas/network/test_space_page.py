"""docs/space.md: its figures and its lists of names are those of the code."""

import re
from pathlib import Path

import pytest

from senet_nas.costs.overhead import price_list, se_cost
from senet_nas.network.operators import GATES
from spaces.architecture import SE
from spaces.placements import place
from spaces.spelling import EXCITATIONS, OPERATORS
from tests.senet_nas.covering import OF_CHANNELS

PAGE = (Path(__file__).parents[3] / "docs" / "space.md").read_text()
ROW = re.compile(r"\| \d* ?\| `--(\w+) ([\w:]+)` \| [\d.]+ \| ([\d.]*) ?\| ([\d,]+) \| \+([\d.]+) % \|")
ROWS = ROW.findall(PAGE)


def test_every_row_of_the_table_is_read() -> None:
    assert len(ROWS) == PAGE.count("| `--") == 15


@pytest.mark.parametrize(("option", "value", "paper", "params", "overhead"), ROWS)
def test_parameters_are_those_of_the_paper(option: str, value: str, paper: str, params: str, overhead: str) -> None:
    prices = price_list("resnet50", image_size=64)
    placement = value if option == "placement" else "all"
    price = prices.of(place("resnet50", prices.sites, placement, {"excitation": "fcnb", option: value}))
    assert f"{price['params']:,}" == params
    assert f"{price['params_overhead']:.2f}" == overhead
    assert not paper or price["params"] / 1e6 == pytest.approx(float(paper), abs=0.12)


def test_every_name_is_explained() -> None:
    assert all(f"`{name}`" in PAGE for name in (*OF_CHANNELS, *GATES, *OPERATORS))
    assert all(f"`{name}`" in PAGE or f"`{name[:-1]}3` .. `{name[:-1]}9`" in PAGE for name in EXCITATIONS)


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name != "se"])
def test_the_costs_of_operators_are_those_of_the_page(operator: str) -> None:
    """The formulas of the table, with numbers for its letters."""
    (row,) = re.findall(rf"^\| `{operator}` \|.*$", PAGE, re.MULTILINE)[-1:]
    params, macs = row.split("|")[4:6]
    width = {"coord": "axes4", "spatial": "conv7", "simam": "none", "ese": "ese"}[operator]
    squeeze = "avg" if operator == "ese" else operator
    cost = se_cost(12, (3, 5), SE.parse(f"{squeeze}:{width}:sigmoid@mid"))
    assert (value(params), value(macs)) == (cost["params"], cost["macs"])


@pytest.mark.parametrize(("data", "sides"), [("signals", (15,)), ("images", (3, 5)), ("volumes", (5, 3, 1))])
def test_the_costs_of_spatial_are_those_of_the_page_for_all_dimensions(data: str, sides: tuple[int, ...]) -> None:
    ((params, macs),) = re.findall(rf"^\| {data} \| [7x]+ \| (.*) \| (.*) \|$", PAGE, re.MULTILINE)
    cost = se_cost(12, sides, SE.parse("spatial:conv7:sigmoid@mid"))
    assert (value(params), value(macs)) == (cost["params"], cost["macs"])


def value(formula: str) -> int:
    text = re.sub(r"(?<=[\w)])(?=[A-Za-z(])|·", "*", formula.strip().replace("²", "**2"))
    return int(eval(text, {"C": 12, "h": 4, "H": 3, "W": 5, "L": 15}))
