"""The tables of docs/deployment.md are those of the committed results."""

import random

import pytest

from benchmarks import additive_latency, deployment_page, environment, int8_drop, json_lines
from spaces import Architecture


def test_the_page_shows_the_results_as_they_are():
    page = deployment_page.PAGE.read_text()
    assert deployment_page.filled(page, deployment_page.TABLES) == page


def test_a_page_without_a_place_for_a_table_is_an_error():
    with pytest.raises(ValueError, match="0 places for the table `deployment`"):
        deployment_page.filled("nothing", deployment_page.TABLES)


@pytest.mark.parametrize("name", ["deployment", "int8_drop"])
def test_results_say_on_what_and_when_they_were_measured(name):
    result = environment.read(name)
    assert {"date", "cpu", "cores", "torch"} <= set(result["environment"])


def test_plain_against_plain_stands_beside_every_network():
    cells = environment.read("deployment")["cells"]
    for network in {cell["network"] for cell in cells}:
        assert any(cell["placement"] == "plain" for cell in cells if cell["network"] == network)


def test_lines_that_a_kill_cut_are_measured_again(tmp_path):
    path = tmp_path / "work.jsonl"
    path.write_text('{"network": "a", "placement": "all", "form": "eager fp32"}\n{"network": "b", "plac')
    assert [line["network"] for line in json_lines.read(path)] == ["a"]


def test_the_excess_of_an_operator_is_over_plain_of_the_same_seed():
    def line(operator, seed, drop):
        form = {"drop": drop, "agreement": 99.0}
        return {"operator": operator, "seed": seed, "val_accuracy": 87.0, "int8": dict.fromkeys(int8_drop.FORMS, form)}

    se = "avg sigmoid@pre_addition"
    found = [line("plain", 0, 0.1), line("plain", 1, 0.3), line(se, 0, 0.3), line(se, 1, 0.5)]
    summed = int8_drop.summary(found)["forms"]["onnxruntime"]
    assert summed[se]["drop"][0] == pytest.approx(0.4)
    assert summed[se]["excess"] == [0.2, 0.2, 0.2]
    assert summed["plain"]["excess"] is None
    assert summed["plain"]["drop"][1] < 0.2 < summed["plain"]["drop"][2]


def additive_lines(cost, noise=0.0):
    """A line for each architecture of a form; ``cost`` gives the percent over plain for its SE units."""
    rng = random.Random(1)
    found = []
    for key in additive_latency.architectures():
        overhead = cost([se for se in Architecture.parse(key).blocks if se]) + rng.gauss(0, noise)
        times = {"overhead": overhead, "half_width": 0.5, "plain_ms": 1.0, "load": 1.0, "wall_seconds": 2.0}
        found.append({"form": "eager fp32", "architecture": key, **times})
    return found


def test_the_additive_model_is_judged_on_what_it_has_not_seen():
    per_squeeze = {"avg": 10.0, "max": 12.0, "std": 20.0}
    adds = additive_lines(lambda units: sum(per_squeeze[se.squeeze] for se in units), noise=0.2)
    found = additive_latency.summary(adds)
    assert (found["fitted"], found["unseen"]) == (24, 20)
    cell = found["forms"]["eager fp32"]
    assert cell["is_trusted"]
    assert cell["error"] < 1
    assert cell["tau"] > 0.9
    fuses = additive_latency.summary(additive_lines(lambda units: 60.0 * (len(units) % 2), noise=0.2))
    assert not fuses["forms"]["eager fp32"]["is_trusted"]
    assert fuses["forms"]["eager fp32"]["error"] > 2


def test_a_form_that_is_not_finished_is_not_judged():
    lines = additive_lines(lambda units: 1.0 + len(units))
    assert additive_latency.summary(lines[:-1])["forms"] == {}
    refused = {"form": "eager fp32", "architecture": lines[-1]["architecture"], "refused": "no"}
    assert additive_latency.summary([*lines[:-1], refused])["forms"] == {}
