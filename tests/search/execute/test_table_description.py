"""All mistakes of the file beside a table are listed at once, each with its place."""

import json

import pytest

from search.config import ConfigError
from search.execute.table_description import check_about, read_about, sites_of
from search.setup.experiment_setup import load, prepare
from spaces.errors import BAD_INPUT, UserError

SITE = {"name": "1.0", "stage": 1, "channels": {"identity": 8}}
GOOD = {"backbone": "net", "sites": [SITE], "space": {"reduction": [4], "position": ["identity"]}, "by": "us"}
NEEDED = ("backbone", "sites", "space")


@pytest.fixture
def described(tmp_path):
    def write(about):
        table = tmp_path / "table.csv"
        table.with_name("table.csv.json").write_text(about if isinstance(about, str) else json.dumps(about, indent=1))
        return table

    return write


def problems(table, needed=NEEDED):
    with pytest.raises(ConfigError) as caught:
        check_about(table, read_about(table), needed)
    assert caught.value.code == BAD_INPUT
    return caught.value.problems


def test_a_good_description_passes(described):
    table = described(GOOD)
    check_about(table, read_about(table), NEEDED)
    (site,) = sites_of(table, read_about(table))
    assert (site.name, site.stage, site.channels) == ("1.0", 1, {"identity": 8})


def test_all_mistakes_are_listed_with_their_lines(described):
    sites = [
        {"name": 1, "stage": 0, "channels": {"identiti": 8}},
        {"name": "a", "stage": 1, "channel": {"identity": 8}},
        {"name": "a", "stage": True, "channels": {"identity": -8}},
        "1.0",
    ]
    found = problems(described({"sites": sites, "space": {"ratio": [16], "gate": ["sigmod"]}}))
    keys = {(problem.key, problem.message.partition(";")[0]) for problem in found}
    assert keys == {
        ("", "`backbone` is missing"),
        ("sites.0.name", "a name is text"),
        ("sites.0.stage", "a stage is a whole number from 1 up"),
        ("sites.0.channels.identiti", "unknown position `identiti`"),
        ("sites.1", "`channels` is missing"),
        ("sites.2.name", "a second site `a`"),
        ("sites.2.stage", "a stage is a whole number from 1 up"),
        ("sites.2.channels.identity", "channels are a whole number from 1 up"),
        ("sites.3", "not a site"),
        ("space.ratio", "unknown key"),
        ("space.gate.0", "unknown gate `sigmod`"),
    }
    lines = [problem.line for problem in found if problem.key]
    assert 0 not in lines
    assert lines == sorted(lines)
    hints = {problem.key: problem.hint for problem in found}
    assert hints["sites.0.channels.identiti"] == "did you mean `identity`?"
    assert hints["sites.1"] == "rename `channel`"


@pytest.mark.parametrize("sites", [[], {}, "1.0", 3, [[]], [None]])
def test_what_is_no_list_of_sites_is_named(described, sites):
    assert problems(described({**GOOD, "sites": sites}))[0].key.startswith("sites")


@pytest.mark.parametrize("backbone", [3, "", "a/b", ["net"]])
def test_what_is_no_backbone_is_named(described, backbone):
    assert problems(described({**GOOD, "backbone": backbone}))[0].key == "backbone"


def test_text_that_is_not_json_is_named_with_its_place(described):
    with pytest.raises(UserError, match=r"table\.csv\.json:2:1 is not JSON"):
        read_about(described('{"sites": [],\n}'))


def test_a_search_shows_the_mistakes_as_those_of_a_config(described, tmp_path):
    table = described({"sites": [{"name": "1.0", "stage": 0}]})
    table.write_text("architecture,seed,val_accuracy\nnet/-,0,90\n")
    config = tmp_path / "c.yaml"
    config.write_text(f"data: digits\nmodel: {{backbone: net}}\nevaluate: table:{table}\n")
    with pytest.raises(ConfigError) as caught:
        prepare(load(config))
    assert {problem.key for problem in caught.value.problems} == {"sites.0", "sites.0.stage"}
    assert all(problem.file == f"{table}.json" for problem in caught.value.problems)


def test_a_table_without_a_description_cannot_be_benchmarked(tmp_path):
    with pytest.raises(UserError, match=r"has no table\.csv\.json beside it") as caught:
        check_about(tmp_path / "table.csv", {}, NEEDED)
    assert '"backbone"' in caught.value.hint
