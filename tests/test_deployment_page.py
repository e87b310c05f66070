"""The tables of docs/deployment.md are those of the committed results."""

import pytest

from benchmarks import deployment_page, environment, int8_drop, json_lines


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
