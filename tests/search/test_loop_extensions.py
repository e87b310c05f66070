"""A run that is extended: what is confirmed again, and with how much of the level."""

from collections import Counter
from dataclasses import replace

import pytest

from search.results.paired_test import smallest_provable
from senet_nas.recipe import Seed
from tests.search.looping import drive, finished, front, make, of_role, plans


def extended(path, budgets, **how):
    """The ledger of a run that has used each of the budgets in turn."""
    for trainings in budgets:
        loop, ledger = make(path, trainings=trainings, stops=False)
        drive(loop, **how)
        assert Counter(t.state for t in ledger.trainings) == {"finished": trainings}
        if trainings != budgets[-1]:
            ledger.close()
    return ledger


def test_an_extended_run_goes_on_and_confirms_half_of_what_was_added(tmp_path):
    ledger = extended(tmp_path / "ledger", (24, 64))
    with_candidate = [plan for plan in plans(ledger) if plan.candidates]
    assert [(plan.budget, len(plan.candidates)) for plan in with_candidate] == [(24, 6), (64, 10)]
    numbers = {t.origin for t in of_role(ledger, "confirm")}
    assert numbers == {f"confirmation {1 + plans(ledger).index(plan)}" for plan in with_candidate}


def test_the_level_is_one_account_over_all_extensions(tmp_path):
    """What fails is spent; each gets two thirds of what is left."""
    ledger = extended(tmp_path / "ledger", (24, 64, 104), gain=0.1)
    left = 0.05
    failed = [plan for plan in plans(ledger) if plan.candidates]
    assert len(failed) >= 3
    for plan in failed:
        assert plan.ended in ("unproven", "futile")
        assert plan.level == pytest.approx(left * 2 / 3)
        left -= plan.level
    assert sum(plan.level for plan in plans(ledger)) < 0.05


def test_small_extensions_add_up_to_a_confirmation(tmp_path):
    """Half of the last eight trainings alone would be two pairs, half of all sixteen since the first proof is four."""
    ledger = extended(tmp_path / "ledger", (24, 28, 32, 40), gain=3.0)
    assert [(plan.budget, len(plan.candidates)) for plan in plans(ledger)] == [(24, 6), (28, 0), (32, 0), (40, 4)]


def test_confirmations_without_a_candidate_spend_nothing_of_the_level(tmp_path):
    ledger = extended(tmp_path / "ledger", (8, 10, 24, 28, 64), gain=3.0)
    found = front(ledger)
    latest = plans(ledger)[-1]
    assert [bool(plan.candidates) for plan in plans(ledger)] == [False, False, True, False, True]
    with_candidate = [plan for plan in plans(ledger) if plan.candidates]
    assert {plan.level for plan in with_candidate} == {latest.level}  # proofs return theirs
    assert latest.level == pytest.approx(0.05 * 2 / 3)
    provable = [smallest_provable(found.sigma, plan.looks, plan.level, 0.05) for plan in with_candidate]
    assert len(set(provable)) == 2  # one has fewer pairs
    assert found.provable == min(provable)


def test_a_proven_placement_is_not_confirmed_again(tmp_path):
    ledger = extended(tmp_path / "ledger", (24, 64, 104), gain=3.0)
    proven = [plan.candidate for plan in plans(ledger) if plan.ended == "proven"]
    assert len(proven) >= 3
    assert len(set(proven)) == len(proven)


def test_a_table_keeps_seeds_of_plain_for_the_confirmation():
    """As many pairs as it holds seeds: of ten of plain the two blocks of the search have one each."""
    held = [Seed(number) for number in range(10)]
    loop, ledger = make(trainings=96, seeds=lambda architecture: held)
    drive(loop, gain=1.0)
    plan = plans(ledger)[0]
    candidate = [t for t in ledger.trainings if t.architecture == plan.candidate and t.role != "confirm"]
    assert len(plan.candidates) == 10 - max(2, len(candidate))
    fresh = of_role(ledger, "confirm")
    assert [t.architecture for t in fresh] == [plan.candidate, 0] * plan.planned
    seeds = Counter((t.architecture, t.seed) for t in ledger.trainings)
    assert set(seeds.values()) == {1}
    assert front(ledger).confirmed


def test_a_budget_that_was_lowered_interrupts_a_confirmation_and_a_larger_one_continues_it(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, at_most=40, gain=0.1)
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=44)
    drive(loop, gain=0.1)
    (plan,) = plans(ledger)
    assert (finished(ledger), plan.planned, plan.ended) == (40, 4, "")
    assert (ledger.facts.settled.reason, loop.is_complete) == ("used", True)
    assert front(ledger).power.startswith("The budget was used before all pairs of the confirmation had ended")
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, gain=0.1)
    assert plans(ledger)[0] == replace(plan, planned=16, ended="unproven")
    assert finished(ledger) == 64
