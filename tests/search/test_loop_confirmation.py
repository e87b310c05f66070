"""Confirmations of a whole search: what is in the ledger when, with any number of slots, and after a kill."""

import shutil
from contextlib import closing
from dataclasses import replace

import pytest

from search.planning.optuna_study import Proposer
from search.results.confirmations import confirmations, trainings_of
from search.results.paired_test import looks, looks_at
from search.state.ledger import Ledger
from search.state.records import Outcome
from tests.search.looping import Slots, drive, front, make, of_role, outcome, plans, rows

SEARCHED = 32  # of 64
WRITES = ("plan", "start", "finish", "note", "wait")


def frozen(ledger):
    """The plan as it was before its first training."""
    return replace(plans(ledger)[0], planned=0, ended="")


def looks_of(ledger):
    return confirmations(ledger.facts, ledger.trainings, 0.05).in_pairs[0].looks


def test_half_of_the_budget_confirms_one_candidate_in_pairs_with_fresh_blocks():
    loop, ledger = make(trainings=64)
    drive(loop)
    (plan, nobody) = plans(ledger)
    fresh = of_role(ledger, "confirm")
    assert (len(plan.candidates), plan.looks, plan.planned, plan.ended) == (16, (4, 8, 12, 16), 16, "unproven")
    assert (nobody.candidates, nobody.ended) == ((), "nobody")
    assert [t.architecture for t in fresh] == [plan.candidate, 0] * 16
    assert [str(t.seed) for t in fresh[::2]] == [f"{block}.0" for block in range(1, 17)]
    assert [t.seed.block for t in fresh[1::2]] == [t.seed.block for t in fresh[::2]]
    assert {t.seed.block for t in ledger.trainings[:SEARCHED]} == {0}
    assert [t.role for t in ledger.trainings[SEARCHED:]] == ["confirm"] * 32
    assert {t.origin for t in fresh} == {"confirmation 1"}


def test_the_whole_plan_is_in_the_file_before_its_first_training_begins(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, at_most=SEARCHED)
    assert plans(ledger) == ()
    begun = loop.next()
    with closing(Ledger(tmp_path / "ledger", read_only=True)) as seen:
        (plan,) = seen.facts.pair_plans
        assert (len(plan.candidates), plan.looks, plan.budget) == (16, looks_at(16), 64)
        assert plan.level == pytest.approx(0.05 * 2 / 3)
        assert seen.get(begun.uid).role == "confirm"
        assert [t.state for t in of_role(seen, "confirm")] == ["running", *["waiting"] * 7]
    before = frozen(ledger)
    loop.finish(begun.uid, outcome(begun))
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, outcome(assignment))
        assert frozen(ledger) == before


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize(
    ("slots", "counts"), [(1, (4, 8, 12, 16)), (2, (4, 8, 12, 16)), (8, (4, 8, 12, 16)), (16, (8, 16))]
)
def test_trainings_of_a_look_are_planned_together_and_nothing_is_tested_in_between(slots, counts, last_first):
    """With 16 slots eight pairs run side by side, so looks are eight pairs apart."""
    loop, ledger = make(trainings=64, slots=slots)
    driver = Slots(loop, slots, last_first)
    taken = [(0, 0)]
    while driver.fill():
        was_open = len(of_role(ledger, "confirm"))
        assert was_open in {0, *(2 * count for count in counts)}
        driver.end_one()
        if was_open:
            ended = sum(t.state == "finished" for t in of_role(ledger, "confirm"))
            taken.append((ended, len(looks_of(ledger))))
            assert len(of_role(ledger, "confirm")) == was_open  # the next look is planned once this one has ended
    assert plans(ledger)[0].looks == counts
    assert [n for n, number in taken if number > dict(taken).get(n - 1, 0)] == [2 * count for count in counts]
    assert [look.pairs for look in looks_of(ledger)] == list(counts)


def test_with_any_number_of_slots_a_plan_and_its_data_give_the_same_verdict():
    found = []
    for slots in (1, 2, 8):
        loop, ledger = make(trainings=64)
        drive(loop, at_most=SEARCHED)
        driver = Slots(loop, slots, reversed=True)
        while driver.fill():
            driver.end_one()
        found.append((plans(ledger), rows(ledger), looks_of(ledger), front(ledger).verdict))
    assert found[1] == found[0]
    assert found[2] == found[0]


def test_the_search_aims_at_a_proof_until_a_candidate_is_frozen(monkeypatch):
    """And never where the budget is too small for one."""
    aims = []

    def ask(self, *given, wants_proof, real=Proposer.ask, **more):
        aims.append(wants_proof)
        return real(self, *given, wants_proof=wants_proof, **more)

    monkeypatch.setattr(Proposer, "ask", ask)
    loop, ledger = make(trainings=64, stops=False)
    drive(loop, gain=3.0)
    searched = [t.number < SEARCHED for t in of_role(ledger, "search")]
    assert aims == searched
    assert {True, False} == set(aims)
    aims.clear()
    drive(make(trainings=11)[0])
    assert set(aims) == {False}


class Killed(Exception):
    pass


def killed_at(ledger, number, before):
    """The ledger, whose write of this number is the last: killed before it, or after it."""
    count = -1

    def killing(write):
        def written(*args, **more):
            nonlocal count
            count += 1
            if count == number and before:
                raise Killed
            done = write(*args, **more)
            if count == number:
                raise Killed
            return done

        return written

    for name in WRITES:
        setattr(ledger, name, killing(getattr(ledger, name)))


def end_of(ledger):
    facts = ledger.facts
    return plans(ledger), rows(ledger), looks_of(ledger), front(ledger).to_dict(), facts.settled, facts.answer


@pytest.mark.parametrize("gain", [0.1, 0.5])
def test_killed_at_any_write_of_a_confirmation_it_ends_with_the_same_plan_looks_and_verdict(tmp_path, gain):
    """Ends in a failure after all looks and a search of the rest, or in a proof."""
    loop, ledger = make(tmp_path / "before", trainings=16)
    drive(loop, at_most=8, gain=gain)
    ledger.close()

    def continued(path):
        loop, ledger = make(path, trainings=16)
        drive(loop, gain=gain)
        with closing(ledger):
            return end_of(ledger)

    expected = continued(shutil.copy(tmp_path / "before", tmp_path / "whole"))
    assert expected[0][0].ended == ("unproven" if gain == 0.1 else "proven")
    for number in range(1000):
        path = shutil.copy(tmp_path / "before", tmp_path / f"killed {number}")
        loop, ledger = make(path, trainings=16)
        killed_at(ledger, number, before=number % 2 == 0)
        try:
            drive(loop, gain=gain)
        except Killed:
            ledger.close()
            assert continued(path) == expected
        else:
            break
    assert number > 3 * 6  # start, start, finish of each training at least


# -- what follows a confirmation --------------------------------------------------------------------------------------


def test_after_a_proof_a_run_stops_says_what_is_left_and_an_extension_searches_on(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, gain=3.0)
    (plan,) = plans(ledger)
    assert (plan.ended, plan.planned) == ("proven", 8)  # at the second look of four
    assert len(ledger.trainings) == 32 + 16
    assert loop.is_complete
    found = front(ledger)
    assert found.recommended == f"a{plan.candidate}"
    assert found.answer.kind == "worth it"
    assert found.ending.startswith("The run stopped after 48 of 64 trainings")
    assert "--trainings +N" in found.ending
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64)  # the same command again
    assert loop.is_complete
    assert loop.next() is None
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=96)
    drive(loop, at_most=1, gain=3.0)
    assert front(ledger).ending == ""  # it has not stopped
    drive(loop, gain=3.0)
    first, second = plans(ledger)
    assert first == plan
    later = ledger.trainings[48:]
    assert [t.role for t in later[:32]] == ["baseline"] * 7 + ["search"] * 25  # 96 - 48, less half of 32 for the proof
    (block,) = {t.seed.block for t in later[:32]}
    assert block > 8  # the pairs are in blocks 1 to 8
    assert {t.origin for t in later[32:]} == {"confirmation 2"}
    assert second.candidate != plan.candidate
    assert (second.budget, len(second.candidates), second.ended) == (96, 8, "proven")
    assert second.level == pytest.approx(0.05 * 2 / 3)  # a proof returns what it got


def test_with_stop_budget_a_proof_gives_the_rest_to_the_search():
    loop, ledger = make(trainings=64, stops=False)
    drive(loop, gain=3.0)
    (plan,) = plans(ledger)
    assert (plan.ended, plan.planned) == ("proven", 8)
    assert [t.role for t in ledger.trainings[48:]].count("search") >= 8
    assert not of_role(ledger, "confirm")[16:]
    assert len(ledger.trainings) == 64
    assert front(ledger).ending == ""
    assert (ledger.facts.settled.reason, ledger.facts.settled.trainings) == ("used", 64)


def confirmed_in_turn(*fresh, **more):
    """All placements gain a point in the search. What candidates gain in their confirmations is in ``fresh``."""
    loop, ledger = make(trainings=64, **more)
    while (assignment := loop.next()) is not None:
        is_fresh = ledger.get(assignment.uid).role == "confirm"
        gain = fresh[min(len(plans(ledger)), len(fresh)) - 1] if is_fresh else 1.0
        loop.finish(assignment.uid, outcome(assignment, gain=gain))
    return ledger


def test_what_a_failed_candidate_left_goes_to_the_next():
    ledger = confirmed_in_turn(-3.0, 1.0)
    first, second = plans(ledger)
    assert (first.planned, first.ended, second.ended) == (4, "futile", "proven")
    assert second.candidate != first.candidate
    assert len(second.candidates) == (64 - 32 - 2 * 4) // 2
    assert second.level == pytest.approx((0.05 - first.level) * 2 / 3)
    assert second.first_block == first.first_block + 4
    fresh = of_role(ledger, "confirm")
    assert [t.origin for t in fresh] == ["confirmation 1"] * 8 + ["confirmation 2"] * 2 * second.planned
    assert front(ledger).recommended == f"a{second.candidate}"


def test_what_no_candidate_wants_goes_to_the_search():
    ledger = confirmed_in_turn(-3.0, stops=False)
    *failed, nobody = plans(ledger)
    assert {plan.ended for plan in failed} == {"futile"}
    assert (nobody.ended, nobody.level) == ("nobody", 0.0)
    used = 32 + 2 * sum(plan.planned for plan in failed)
    assert used <= 64 - 8
    assert {t.role for t in ledger.trainings[32:used]} == {"confirm"}
    assert {t.role for t in ledger.trainings[used:]} == {"baseline", "search"}
    assert len(ledger.trainings) == 64
    assert front(ledger).recommended == "a0"


def test_a_failed_training_spoils_its_pair_only():
    loop, ledger = make(trainings=64)
    drive(loop, at_most=SEARCHED, gain=0.5)
    number = 0
    while (assignment := loop.next()) is not None:
        number += 1
        fails = number in (3, 8)  # the candidate of the second pair, plain of the fourth
        loop.finish(assignment.uid, Outcome(failure="diverged") if fails else outcome(assignment, gain=0.5))
    (plan,) = plans(ledger)
    of_pairs = trainings_of(ledger.trainings, 1)
    gains = [
        c.metrics["val_accuracy"] - p.metrics["val_accuracy"]
        for i, (c, p) in enumerate(zip(of_pairs[::2], of_pairs[1::2], strict=True))
        if i not in (1, 3)
    ]
    assert [of_pairs[2].state, of_pairs[7].state] == ["failed", "failed"]
    taken = looks_of(ledger)
    assert [look.pairs for look in taken] == [count - 2 for count in plan.looks[: len(taken)]]
    for look in taken:
        assert look.gain == pytest.approx(sum(gains[: look.pairs]) / look.pairs)
    assert plan.ended == "proven"
    assert taken == looks([gains[0], None, gains[1], None, *gains[2:]], plan.looks, plan.level, 0.05)
