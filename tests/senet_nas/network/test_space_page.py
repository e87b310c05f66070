"""docs/space.md: its figures and its lists of names are those of the code."""

import re
from pathlib import Path

import pytest

from senet_nas.costs.overhead import price_list
from senet_nas.network.operators import GATES, SQUEEZES
from spaces.placements import place
from spaces.spec import EXCITATIONS

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
    assert all(f"`{name}`" in PAGE for name in (*SQUEEZES, *GATES))
    assert all(f"`{name}`" in PAGE or f"`{name[:-1]}3` .. `{name[:-1]}9`" in PAGE for name in EXCITATIONS)
