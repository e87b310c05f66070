"""A run knows the ratios that its config asked for, also after it was closed and opened again."""

import json

import pytest

from search.results.evidence import Evidence
from search.state import schema
from search.state.facts import Facts
from search.state.ledger import Ledger
from spaces.errors import UserError
from spaces.placements import label
from tests.search import ledgers

WIDE = (64, 128, 256, 512)


@pytest.fixture
def space(make_space):
    return make_space(WIDE, reduction=(4, 24), position=("pre_addition",), squeeze=("avg",))


def enter_all(ledger, space):
    for member in space:
        ledger.enter(member, label(member, space.sites), ledgers.price())


def ratios(ledger):
    return [[se and se.ratio for se in entry.architecture.blocks] for entry in ledger.entries]


def widths(ledger):
    return {column[-1] for column in Evidence.of(ledger).features.columns if "width" in column[0]}


@pytest.mark.parametrize("read_only", [False, True])
def test_after_a_resume_every_entry_has_the_ratio_that_was_asked_for(space, tmp_path, read_only):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.note_space(space)
    enter_all(ledger, space)
    before = ratios(ledger), widths(ledger)
    ledger.close()
    resumed = Ledger(tmp_path / "ledger.sqlite", read_only=read_only)
    assert (ratios(resumed), widths(resumed)) == before
    assert widths(resumed) == {"r=4", "r=24"}
    assert [label(e.architecture, space.sites) for e in resumed.entries] == [e.label for e in resumed.entries]


def test_a_run_without_these_facts_is_read_by_nominal_ratios(space, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    enter_all(ledger, space)
    ledger.note_space(space)
    ledger._db.execute("DELETE FROM meta WHERE key = 'ratios'")
    ledger.close()
    older = Ledger(tmp_path / "ledger.sqlite")
    assert not any(ratio for found in ratios(older) for ratio in found)
    assert widths(older) == {"r=4", "r=24", "r=26", "r=32"}


def test_an_older_run_that_continues_learns_its_ratios(space, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledgers.enter(ledger, (0.0, 1.0), keys=[space[0].key, space[space.size - 1].key])
    ledger.note(Facts(sites=(), space_size=7))
    ledger.note_space(space)
    assert ledger.facts.space_size == 7  # what is noted stays
    assert ratios(ledger) == [[None] * 8, [None] * 8]  # its sites are not known
    ledger._db.execute("DELETE FROM meta WHERE key = 'sites'")
    ledger.close()
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.note_space(space)
    assert ratios(ledger)[1] == [24] * 8
    assert ledger.find(space[space.size - 1].key) is ledger.entries[1]


def test_a_space_is_noted_once(space, tmp_path):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.note_space(space)
    noted = ledger.facts
    assert noted.to_json()["ratios"] == {"reduction": [4, 24], "shared_by": "network"}
    ledger.note_space(space)
    assert ledger.facts == noted


@pytest.mark.parametrize("damaged", [{}, {"reduction": 4}, [4]])
def test_damaged_ratios_are_refused_by_name(space, tmp_path, damaged):
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.note_space(space)
    ledger._db.execute("UPDATE meta SET value = ? WHERE key = 'ratios'", (json.dumps(damaged),))
    schema.sign(ledger._db, "meta", "ratios")
    ledger.close()
    with pytest.raises(UserError, match=r"the ledger .* is damaged"):
        Ledger(tmp_path / "ledger.sqlite")
