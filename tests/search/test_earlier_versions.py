"""Runs that an earlier version confirmed in rounds: they keep what they had, and a round under way ends as planned."""

import pytest

from search.results import earlier_rounds
from search.results.confirmations import origin, trainings_of
from search.results.evidence import observations_of
from search.results.paired_test import level_left
from search.results.proof_chances import likeliest
from search.state.confirmation_facts import ConfirmationFact, Sizes
from search.state.facts import Facts
from senet_nas.recipe import Seed
from tests.search.looping import RULES, drive, front, make, of_role, outcome, plans

SEARCHED = 48
# What the earlier version planned with 64 trainings: two finalists five times, plain six times.
SIZES = Sizes(finalists=2, each=5, plain=6, blocks=2)


def confirmed_in_a_round(path, gain=1.0, done=SIZES.total):
    """A run of 64 trainings whose round was planned as a whole, of which ``done`` trainings have finished."""
    loop, ledger = make(path, trainings=96)
    drive(loop, at_most=SEARCHED, gain=gain)
    rows = [(0, 6), (1, SIZES.each), (2, SIZES.each)]
    planned = [(ledger.entries[number], Seed(2 + i % 2, i // 2)) for number, each in rows for i in range(each)]
    fact = ConfirmationFact(SIZES, (1, 2), budget=64, of=64)
    ledger.plan(planned, role="confirm", origin=origin(1), facts=Facts(confirmations=(fact,)))
    for _ in range(done):
        assignment = loop.next()
        loop.finish(assignment.uid, outcome(assignment, gain=gain))
    ledger.close()
    return path


def proofs(ledger):
    return {p.id: (p.p_value, p.fresh_gain, p.verdict == "proven") for p in front(ledger).points}


@pytest.mark.parametrize("gain", [0.1, 1.0])
def test_a_finished_run_keeps_its_proofs_and_trains_nothing(tmp_path, gain):
    loop, ledger = make(confirmed_in_a_round(tmp_path / "ledger", gain), trainings=64)
    assert loop.is_complete
    assert loop.next() is None
    expected = earlier_rounds.compare([observations_of(trainings_of(ledger.trainings, 1))], RULES.min_gain)
    assert {c.proven for c in expected.values()} == {gain == 1.0}
    for number, comparison in expected.items():
        assert proofs(ledger)[f"a{number}"] == (comparison.p_value, comparison.gain, comparison.proven)
    assert not plans(ledger)
    assert len(ledger.trainings) == 64
    assert front(ledger).answer.kind == ("worth it" if gain == 1.0 else "undecided")


@pytest.mark.parametrize("done", [0, 1, 7, 15])
def test_a_round_under_way_ends_as_it_was_planned_and_is_tested_as_it_would_have_been(tmp_path, done):
    _, whole = make(confirmed_in_a_round(tmp_path / "whole"), trainings=64)
    loop, ledger = make(confirmed_in_a_round(tmp_path / "part", done=done), trainings=64)
    assert front(ledger).under_way
    assert {proof for _, _, proof in proofs(ledger).values()} == {False}
    assert not loop.is_complete
    drive(loop, gain=1.0)
    assert loop.is_complete
    assert [(t.architecture, t.seed, t.role) for t in ledger.trainings] == [
        (t.architecture, t.seed, t.role) for t in whole.trainings
    ]
    assert proofs(ledger) == proofs(whole)
    assert proofs(ledger)["a1"][2]
    assert not plans(ledger)


def test_an_extension_keeps_the_proofs_and_goes_on_with_the_level_account(tmp_path):
    path = confirmed_in_a_round(tmp_path / "ledger")
    loop, ledger = make(path, trainings=96, stops=False)
    before = proofs(ledger)
    drive(loop, gain=1.0)
    plan = plans(ledger)[0]
    assert (plan.budget, len(plan.candidates)) == (96, 8)  # half of what was added
    assert plan.level == pytest.approx(0.05 * (2 / 3) * (2 / 3))
    assert plan.level == pytest.approx(2 / 3 * level_left(1, []))
    assert plan.candidate not in (1, 2)  # these are proven
    assert {t.origin for t in of_role(ledger, "confirm")} == {origin(1), origin(2)}
    assert plan.first_block > 3
    after = proofs(ledger)
    assert {name: after[name] for name in ("a1", "a2")} == {name: before[name] for name in ("a1", "a2")}
    assert len(ledger.trainings) == 96


def test_an_extension_while_a_round_is_under_way_ends_the_round_first(tmp_path):
    loop, ledger = make(confirmed_in_a_round(tmp_path / "ledger", done=4), trainings=96, stops=False)
    drive(loop, at_most=SIZES.total - 4, gain=1.0)
    assert [t.state for t in trainings_of(ledger.trainings, 1)] == ["finished"] * SIZES.total
    assert len(ledger.trainings) == 64
    drive(loop, gain=1.0)
    assert len(ledger.trainings) == 96
    assert plans(ledger)[0].budget == 96


def test_what_was_not_proven_in_a_round_may_be_a_candidate_of_pairs(tmp_path):
    _, ledger = make(confirmed_in_a_round(tmp_path / "ledger", gain=0.1), trainings=96)
    found = {likeliest(ledger, RULES, lambda n, best=best: 16 * (n == best), 0.03).number for best in (1, 2)}
    assert found == {1, 2}


def test_a_round_without_finalists_left_all_of_the_level(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=20)
    drive(loop, at_most=20 - 10)
    ledger.note(Facts(confirmations=(ConfirmationFact(Sizes(0, 0, 0, 0), (), budget=20, of=20),)))
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=20)
    assert loop.is_complete  # an earlier version had settled it
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=40)
    drive(loop)
    assert plans(ledger)[0].level == pytest.approx(0.05 * 2 / 3)
    assert {t.origin for t in of_role(ledger, "confirm")} == {origin(2)}


@pytest.mark.parametrize(
    ("early", "covered", "budget", "search_is_over", "settled"),
    [
        ("", 64, 64, False, True),
        ("", 64, 65, False, False),
        ("", 64, 65, True, False),
        ("time", 64, 96, True, True),
        ("time", 64, 96, False, False),
        ("time", 64, 64, False, True),
        ("exhausted", 64, 96, False, True),  # of 96
        ("exhausted", 64, 97, False, False),
    ],
)
def test_a_run_that_an_earlier_version_settled_stays_so_until_it_gets_more(
    early, covered, budget, search_is_over, settled
):
    loop, ledger = make(trainings=budget)
    noted = ConfirmationFact(Sizes(1, 3, 3, 1), (1,), budget=covered, of=96, early=early)
    ledger.note(Facts(confirmations=(noted,)))
    assert loop._planner.is_settled(search_is_over=search_is_over) is settled
