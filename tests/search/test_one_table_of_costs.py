"""A cost that is added to the table of costs, and nowhere else, is found wherever costs are read or shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = "import tests.search.made_up_measure; from tests.search.places_of_a_measure import main; main()"


@pytest.fixture(scope="module")
def found():
    """What each place says of a made-up cost called scalings."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_counted_and_adds_up(found):
    assert found["channels"] == 16 + 32 + 64
    assert found["priced"]["scalings"] == 1000 + found["channels"]
    assert found["priced"]["scalings_overhead"] == pytest.approx(found["channels"] / 10)


def test_a_limit_on_it_holds(found):
    assert found["excess"] == pytest.approx(found["channels"] / 10 - 5)
    assert found["over the limit"][0] is True
    assert found["over the limit"][-1] is False


def test_points_and_files_hold_it(found):
    assert found["point"]["scalings"] == found["priced"]["scalings"]
    assert found["json"]["scalings_overhead"] == found["priced"]["scalings_overhead"]
    assert found["csv"][-3:] == ["scalings", "scalings_overhead", "verdict"]


def test_tables_and_drawings_show_it(found):
    assert "scaled" in found["terminal"]
    assert "made-up scalings over plain, %" in found["page"]
    assert "made-up scalings over plain, percent" in found["page"]
    assert "made-up scalings over plain, %" in found["markdown"]
    assert found["axis"] == "made-up scalings over plain, percent"


def test_profile_prints_it(found):
    line = next(line for line in found["profile"].splitlines() if line.startswith("scaled"))
    assert line.split() == ["scaled", "1,112", "plain", "1,000", "+11.200", "%"]


def test_show_prints_it_for_the_network_and_for_each_unit(found):
    lines = found["show"].splitlines()
    assert "1,112 scaled, +11.200 % over plain's 1,000" in lines
    units = [line for line in lines if line.startswith("  ")]
    assert [f" {n} scaled  on " in line for n, line in zip((16, 32, 64), units, strict=True)] == [True] * 3
    answer = found["show json"]
    assert (answer["scalings_plain"], answer["scalings"]) == (1000, 1112)
    assert answer["scalings_overhead"] == pytest.approx(11.2)
    assert [unit["scalings"] for unit in answer["units"]] == [16, 32, 64]


def test_the_drawing_of_a_network_has_a_line_for_it_above_the_units(found):
    root = ElementTree.fromstring(found["drawing"])
    heights = {text.text: int(text.get("y")) for text in root.findall(".//{*}text")}
    assert heights["1,112 scaled, +11.200 % over plain's 1,000"] < heights["1.0"] - 11
    assert "MACs, 16 scaled</title>" in found["drawing"]


def test_mlflow_gets_it(found):
    assert found["figures"]["scalings_overhead"] == found["priced"]["scalings_overhead"]
    assert "scalings_overhead" in found["front table"]
    assert "Gain over plain (points) against made-up scalings (percent)" in found["view"]
    assert "metrics.`scalings_overhead`" in found["view"]


@pytest.mark.parametrize("command", ["export", "train"])
def test_commands_take_a_limit_on_it(found, command):
    assert "--max-scalings PERCENT" in found[command]
    assert "Take at most PERCENT more made-up scalings." in found[command]


def test_a_rule_obeys_a_limit_on_it(found):
    assert 0 < found["chosen"] <= 2.0


def test_a_config_may_name_it_and_its_reference_describes_it(found):
    assert "`scalings`" in found["reference"]
    assert "scalings (channels that are scaled for one sample)" in found["reference"]
    assert '"scalings"' in found["schema"]
    assert "did you mean `scalings`?" in found["wrong"]
    assert "scalings" in found["list"].split()
