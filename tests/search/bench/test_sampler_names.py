"""What may be typed for a sampler, and what a problem must have for it."""

import json

import pytest
from click.testing import CliRunner

from search.bench.runner import bench
from search.bench.sampler_names import whole_name
from search.cli.app import cli
from spaces import UserError
from tests.search.bench.searcher_names import MODELS, SEARCHERS
from tests.search.bench.small_tables import rows, write

CURVES, NONE = "synthetic:113:0.4::strong", "synthetic:113:0.4"
FASHION = "benchmarks/tables/fashion113.csv.gz"


@pytest.mark.parametrize("name", SEARCHERS)
def test_every_searcher_has_its_own_name(name):
    assert whole_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("auto+short+curve", "auto+curve+short"),
        ("auto+shared+curve", "auto+curve+shared"),
        ("tpe+shared+short+curve", "tpe+curve+short+shared"),
        (" auto + shared+curve ", "auto+curve+shared"),
    ],
)
def test_additions_stand_in_any_order(text, name):
    assert whole_name(text) == name


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("auto+short", "+short needs +curve, because a training that pauses shows losses", "auto+curve+short"),
        ("auto+shared+short", "+short needs +curve", "auto+curve+short+shared"),
        ("tpee+shared+curve", "unknown sampler `tpee`", "tpe+curve+shared"),
        ("auto+curves+shared", "unknown addition `+curves`; allowed: +curve, +short, +shared", "auto+curve+shared"),
        ("tpee+shrt", "unknown sampler `tpee`", "tpe+curve+short"),
        ("auto+curve+curve+shared", "has an addition twice", "auto+curve+shared"),
        ("reference+curve", "reference takes no additions", "reference"),
    ],
)
def test_what_is_proposed_keeps_all_that_was_asked_for(text, says, hint):
    with pytest.raises(UserError) as caught:
        whole_name(text)
    assert says in caught.value.message
    assert hint in caught.value.hint.replace("`", " ").replace("?", " ").split()
    assert whole_name(hint) == hint


@pytest.mark.parametrize("text", ["auto+qqqq", "qqqq+curve", "auto+", "+curve", ""])
def test_nothing_is_proposed_for_a_part_that_is_like_nothing(text):
    with pytest.raises(UserError, match="unknown") as caught:
        whole_name(text)
    assert caught.value.hint == ""


@pytest.mark.parametrize("model", [model for model in MODELS if "+curve" in model and "+shared" not in model])
def test_curves_are_refused_where_there_are_no_losses(tmp_path, model):
    table = write(tmp_path, [{n: v for n, v in row.items() if n != "train_loss"} for row in rows()])
    for problem in (NONE, str(table)):
        with pytest.raises(UserError) as caught:
            bench(problem, ["random", f"random{model}"], [8], 1, 1)
        assert f"`random{model}` takes loss curves, and {problem} has no losses" in caught.value.message
        assert "synthetic:113:0.4::strong" in caught.value.hint
        assert "a table with the column `train_loss`" in caught.value.hint


def test_a_reference_is_refused_before_the_first_search(monkeypatch):
    monkeypatch.setattr("search.bench.runner.trial", None)
    with pytest.raises(UserError, match="only a synthetic problem has a reference"):
        bench(FASHION, ["random", "reference"], [8], 1, 1)


def test_a_shared_network_must_leave_enough_of_the_budget():
    """It costs 5.4 trainings, and a budget of 4 ended in a division by zero."""
    with pytest.raises(UserError, match="of which the shared network costs 6, is too small") as caught:
        bench(FASHION, ["random+shared"], [9, 32], 1, 1)
    assert caught.value.hint == "the smallest is 10"
    assert bench(FASHION, ["random+shared"], [10], 1, 1).cells[0].used == 4


@pytest.mark.parametrize(
    ("samplers", "trainings", "searches", "says"),
    [
        ([], [32], 1, "a benchmark needs a sampler"),
        (["random"], [], 1, "a benchmark needs a budget"),
        (["random"], [32, 0], 1, "a budget of 0 trainings is too small"),
        (["random"], [3], 1, "a budget of 3 trainings is too small"),
        (["random"], [32], 0, "0 searches cannot be summed up"),
        (["random", "random"], [32], 1, "the sampler random is named twice"),
        (["random+curve+shared", "random+shared+curve"], [32], 1, r"the sampler random\+curve\+shared is named twice"),
        (["random"], [32, 16, 32], 1, "the budget 32 is named twice"),
    ],
)
def test_each_fault_of_what_is_asked_for_has_a_sentence_of_its_own(samplers, trainings, searches, says):
    with pytest.raises(UserError, match=says) as caught:
        bench(CURVES, samplers, trainings, searches, 1)
    assert caught.value.hint


def typed(*words):
    return CliRunner().invoke(cli, ["bench", NONE, "--searches", "1", "--trainings", "8", *words])


def test_names_may_stand_apart():
    found = typed("--sampler", "random, tpe", "--json")
    assert [cell["sampler"] for cell in json.loads(found.stdout)["cells"]] == ["random", "tpe"]


@pytest.mark.parametrize("text", ["", "random,", "random,,tpe"])
def test_a_list_with_an_empty_name_is_told_with_an_example(text):
    found = typed("--sampler", text)
    assert found.exit_code == 2
    assert f"`{text}` is not a list of names; write for example auto,tpe" in found.stderr
