"""A search with a limit of time, on a clock that a test sets."""

from dataclasses import replace

import pytest

from search.results.confirmations import confirmations
from search.results.paired_test import FEWEST_PAIRS
from search.state.facts import Facts
from search.state.records import Progress
from search.state.shared_facts import SharedNetworkFact
from tests.search.looping import Clock, drive, front, make, of_role, outcome, plans


def in_pairs(ledger):
    """The looks of the latest confirmation."""
    return confirmations(ledger.facts, ledger.trainings, 0.05).in_pairs[-1].looks


def timed(loop, clock, until=1e9, seconds=2.0, **how):
    """Drives a loop whose trainings take ``seconds`` each, until the clock says so."""
    while clock.now < until and (assignment := loop.next()) is not None:
        clock.now += seconds
        loop.finish(assignment.uid, outcome(assignment, **how))


@pytest.mark.parametrize(("confirm", "searched"), [(0.5, 25), (0.25, 39), (0.6, 20)])
def test_half_of_the_time_or_what_was_asked_for_belongs_to_the_confirmation(confirm, searched):
    """39 rather than 38: the baselines of the second block were planned together."""
    clock = Clock()
    loop, ledger = make(trainings=1000, seconds=100.0, clock=clock, confirm=confirm)
    timed(loop, clock)
    assert len(of_role(ledger, "baseline", "search")) == searched
    plan = plans(ledger)[0]
    assert len(plan.candidates) == int(searched * confirm / (1 - confirm)) // 2
    assert plan.covers == searched + 2 * len(plan.candidates)
    assert clock.now <= 102
    assert loop.is_complete


def test_after_a_failure_the_next_candidate_gets_what_is_left_of_the_time_not_of_the_budget():
    """The budget is 1,000 trainings; the time is enough for 50."""
    clock = Clock()
    loop, ledger = make(trainings=1000, seconds=100.0, clock=clock)
    timed(loop, clock, until=50.0, gain=1.0)
    assert not plans(ledger)
    while (assignment := loop.next()) is not None:
        clock.now += 2
        loop.finish(assignment.uid, outcome(assignment, gain=-3.0 if len(plans(ledger)) == 1 else 1.0))
    first, second = plans(ledger)
    assert first.ended == "futile"
    assert len(second.candidates) == len(first.candidates) - first.planned
    assert second.covers == first.covers
    assert len(ledger.trainings) <= 50


def test_the_end_of_the_time_adds_a_look_and_more_time_continues_the_same_plan(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1000.0, clock=clock)
    drive(loop, at_most=32 + 2 * 9 + 1, gain=0.1)  # the tenth pair is not whole
    clock.now = 1000.0
    assert loop.next() is None
    (plan,) = plans(ledger)
    assert (plan.looks, plan.planned, plan.ended) == ((4, 8, 12, 16), 12, "")
    assert loop.is_complete
    before = in_pairs(ledger)
    loop.conclude()
    (concluded,) = plans(ledger)
    assert concluded == replace(plan, looks=(4, 8, 9, 12, 16), until=None)
    assert [look.pairs for look in in_pairs(ledger)] == [4, 8, 9]
    assert in_pairs(ledger)[:2] == before  # a look that was taken stays what it was
    assert ledger.facts.answer.more is not None
    loop.conclude()
    assert plans(ledger) == (concluded,)  # once
    loop.close()
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=10_000.0)
    drive(loop, gain=0.1)
    assert replace(plans(ledger)[0], planned=0, ended="") == replace(concluded, planned=0, ended="")
    taken = in_pairs(ledger)
    assert [look.pairs for look in taken] == [4, 8, 9, 12, 16]
    assert taken[:2] == before
    assert {t.origin for t in of_role(ledger, "confirm")} == {"confirmation 1"}


def test_a_run_whose_time_is_over_says_so_and_continues_with_more(tmp_path):
    """Here the time ends in the middle of a confirmation, whose pairs follow before anything else."""
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1000.0, clock=clock)
    drive(loop, at_most=32 + 2 * 4 + 1, gain=0.1)
    assert front(ledger).ending == ""
    clock.now = 1000.0
    assert loop.next() is None
    loop.conclude()
    assert (ledger.facts.settled.reason, ledger.facts.settled.trainings) == ("time", 41)
    stopped = front(ledger)
    assert stopped.ending.startswith("The run stopped after 41 of 64 trainings, because the time for them is over")
    assert "with more it continues" in stopped.power
    loop.close()
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1100.0)  # the time of the search stays over
    assert not loop.is_complete
    drive(loop, gain=0.1)
    assert (plans(ledger)[0].planned, plans(ledger)[0].ended) == (16, "unproven")


def test_a_search_that_the_time_ended_before_anything_was_frozen_freezes_with_more(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1000.0, clock=clock)
    drive(loop, at_most=20, gain=1.0)
    clock.now = 1000.0
    loop.conclude()
    assert not plans(ledger)
    loop.close()
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1500.0)
    drive(loop, gain=1.0)
    assert plans(ledger)[0].ended == "proven"


def test_before_the_end_of_the_time_nothing_is_concluded():
    clock = Clock()
    loop, ledger = make(trainings=64, seconds=200.0, clock=clock)
    timed(loop, clock, until=150.0, seconds=3.0)
    before = ledger.facts
    loop.conclude()
    assert ledger.facts == before


def test_a_look_of_fewer_than_three_pairs_is_not_added():
    clock = Clock()
    loop, ledger = make(trainings=64, seconds=1000.0, clock=clock, slots=16)
    drive(loop, at_most=32 + 2 * (FEWEST_PAIRS - 1) + 1)
    clock.now = 1000.0
    (before,) = plans(ledger)
    loop.conclude()
    assert plans(ledger) == (replace(before, until=None),)
    assert before.looks == (8, 16)


def test_time_is_counted_over_all_sessions(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    clock.now = 7.0  # Ray takes its time to start; that does not count
    assignment = loop.next()
    clock.now = 67.0
    loop.finish(assignment.uid, outcome(assignment))
    ledger.close()  # killed: close() of the loop is never called
    clock.now = 0.0
    loop, _ = make(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    assert loop.next() is not None
    clock.now = 41.0
    assert loop.next() is None


def test_when_the_time_is_over_the_run_is_complete_even_with_trainings_waiting():
    clock = Clock()
    loop, ledger = make(trainings=1000, seconds=100.0, clock=clock)
    assignment = loop.next()
    clock.now = 200.0
    loop.finish(assignment.uid, outcome(assignment))
    assert loop.next() is None
    assert any(t.state == "waiting" for t in ledger.trainings)
    assert loop.is_complete


def test_a_search_that_the_time_ended_goes_on_where_it_is_given_more(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=200, seconds=1000.0, clock=clock)
    for _ in range(10_000):
        if (assignment := loop.next()) is None:
            break
        clock.now += 10
        loop.finish(assignment.uid, outcome(assignment))
    loop.close()
    assert loop.is_complete
    used = len(ledger.trainings)
    assert used < 105
    ledger.close()
    for trainings, seconds in ((200, 1000.0), (used + 24, 10_000.0), (200, 10_000.0)):
        loop, ledger = make(tmp_path / "ledger", trainings=trainings, seconds=seconds)
        drive(loop)
        loop.close()
        assert loop.is_complete
        assert len(ledger.trainings) == (used if seconds == 1000.0 else trainings)
        ledger.close()


def test_an_extension_that_the_time_ends_takes_no_more_than_its_budget(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=128)
    drive(loop)
    ledger.note(Facts(seconds=760.0))
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=152, seconds=1000.0, clock=clock)
    drive(loop)
    assert loop.is_complete
    assert len(ledger.trainings) <= 152


def test_what_was_interrupted_when_the_time_was_over_is_not_given_up(tmp_path):
    clock = Clock()
    loop, ledger = make(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    begun = loop.next()
    clock.now = 200.0
    assert not loop.is_complete
    loop.stop()
    loop.close()
    assert not loop.is_complete
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=1000, seconds=100.0, clock=clock)
    again = loop.next()
    assert again.uid == begun.uid
    loop.finish(again.uid, outcome(again))
    assert loop.next() is None
    assert loop.is_complete


SHARED = SharedNetworkFact(3, 9, 3.4)


@pytest.mark.parametrize("shared", [None, SHARED])
def test_a_kill_gives_no_time_back(tmp_path, shared):
    """Time was noted when a training ended, so one that was killed again and again had no limit."""
    spent = []
    for _ in range(3):
        clock = Clock()
        loop, ledger = make(tmp_path / "ledger", trainings=64, seconds=1000.0, clock=clock, shared=shared)
        uid = loop.next().uid
        for epoch in (1, 2):
            clock.now += 100.0
            loop.report(uid, Progress(epoch))
        spent.append(ledger.facts.seconds)
        ledger.close()  # without a word to the loop, as after kill -9
    assert spent == [200.0, 400.0, 600.0]


def test_time_is_noted_now_and_then_while_trainings_go_on():
    clock = Clock()
    loop, ledger = make(trainings=64, seconds=1000.0, clock=clock)
    uid = loop.next().uid
    noted = []
    for epoch in range(100):
        clock.now += 0.5
        loop.report(uid, Progress(epoch))
        noted.append(ledger.facts.seconds)
    assert len(set(noted)) == 100 // 4 + 1
