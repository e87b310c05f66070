"""The three answers of a whole search, when it stops for them, and what an extension makes of it."""

import itertools

import pytest

from search.results.compute import compute
from search.results.objectives import Objective
from search.results.result import Rules
from search.state.records import Outcome
from spaces import Architecture
from tests.search.looping import (
    OBJECTIVES,
    Slots,
    accuracy,
    drive,
    finished,
    front,
    is_plain,
    make,
    of_role,
    outcome,
    plans,
    price,
)


def test_where_all_placements_are_far_below_it_is_likely_not_worth_it_and_stops():
    loop, ledger = make(trainings=128)
    drive(loop, gain=-1.0)
    found = front(ledger)
    assert found.answer.kind == "likely not worth it"
    assert found.answer.probability >= 0.99
    assert (found.recommended, found.answer.more) == ("a0", None)
    assert found.verdict.startswith("Likely not worth it: with a probability of 99")
    assert not of_role(ledger, "confirm")
    settled = ledger.facts.settled
    assert (settled.reason, settled.budget, settled.trainings) == ("answered", 128, len(ledger.trainings))
    assert len(ledger.trainings) < 64
    assert f"The run stopped after {len(ledger.trainings)} of 128 trainings" in found.ending
    assert loop.is_complete


def test_it_stops_at_a_probability_of_99_percent_not_at_95():
    """Each answer that was noted before the last is below 0.99; some of them were answers already."""
    loop, ledger = make(trainings=128)
    noted = {}
    while (assignment := loop.next()) is not None:
        before = ledger.facts.answer
        if before is not None:
            noted[before.trainings] = before.p_not_worth
        loop.finish(assignment.uid, outcome(assignment, gain=-0.35))
    asked = sorted(noted)
    early = [noted[n] for n in asked]
    assert ledger.facts.answer.p_not_worth >= 0.99
    assert all(p < 0.99 for p in early)
    assert any(p >= 0.95 for p in early)
    assert min(b - a for a, b in itertools.pairwise(asked)) == 8


def test_with_stop_budget_it_uses_all_and_says_the_same():
    loop, ledger = make(trainings=64, stops=False)
    drive(loop, gain=-1.0)
    assert finished(ledger) == 64
    found = front(ledger)
    assert (found.answer.kind, found.ending) == ("likely not worth it", "")


def test_an_extension_of_an_answered_run_trains_again_and_asks_again(tmp_path):
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, gain=-1.0)
    used = len(ledger.trainings)
    first = ledger.facts.answer
    assert used < 64
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    assert loop.is_complete
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=96)
    assert not loop.is_complete
    drive(loop, gain=-1.0)
    assert len(ledger.trainings) >= used + 8
    assert ledger.facts.answer.trainings == len(ledger.trainings) > first.trainings
    assert ledger.facts.settled.budget == 96


@pytest.mark.parametrize("gain", [-1.0, 3.0])
def test_an_answered_run_uses_the_rest_of_its_budget_once_it_is_told_to(tmp_path, gain):
    """`search.stop` may change while a run is stopped."""
    loop, ledger = make(tmp_path / "ledger", trainings=64)
    drive(loop, gain=gain)
    assert finished(ledger) < 64
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=64, stops=False)
    assert not loop.is_complete
    drive(loop, gain=gain)
    assert finished(ledger) == 64
    assert loop.is_complete
    assert front(ledger).ending == ""


def test_another_gain_that_is_worthwhile_is_asked_for_again(tmp_path):
    """`search.worthwhile` may change while a run is stopped: upwards the answer stays, downwards it may not."""
    loop, ledger = make(tmp_path / "ledger", trainings=128)
    drive(loop, gain=-0.35)
    used = finished(ledger)
    assert (ledger.facts.settled.reason, used < 128) == ("answered", True)
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=128, worthwhile=0.5)
    assert not loop.is_complete
    drive(loop, gain=-0.35)
    assert (finished(ledger), ledger.facts.answer.worthwhile, loop.is_complete) == (used, 0.5, True)
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=128, worthwhile=1e-6)
    drive(loop, gain=-0.35)
    assert ledger.facts.answer.worthwhile == 1e-6
    assert finished(ledger) > used
    assert loop.is_complete


@pytest.mark.parametrize("gain", [0.1, 3.0])
def test_a_run_that_used_its_budget_or_has_its_proof_only_notes_the_answer_for_another_gain(tmp_path, gain):
    loop, ledger = make(tmp_path / "ledger", trainings=24)
    drive(loop, gain=gain)
    used, settled = finished(ledger), ledger.facts.settled
    ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=24, worthwhile=5.0)
    assert loop.is_complete
    loop.conclude()
    assert (ledger.facts.answer.worthwhile, ledger.facts.answer.p_not_worth > 0.9) == (5.0, True)
    assert (finished(ledger), ledger.facts.settled) == (used, settled)


def test_without_noise_between_seeds_a_confirmation_is_given_up_and_nothing_is_promised():
    """The pairs of the first look show that there is none."""
    loop, ledger = make(trainings=40)
    while (assignment := loop.next()) is not None:
        loop.finish(assignment.uid, Outcome({"val_accuracy": 90.0 if is_plain(assignment.architecture) else 91.0}))
    found = front(ledger)
    assert finished(ledger) == 40
    assert [(plan.planned, plan.ended) for plan in plans(ledger)] == [(3, "futile"), (0, "nobody")]
    assert (found.answer.kind, found.answer.more) == ("undecided", None)
    assert found.confirmations[0].endswith(
        "in 3 of 10 planned pairs with plain: +1.00 points, the same in each pair: "
        "given up, because a proof had become unlikely."
    )
    assert "so nothing can be proven: check that the seed is used" in found.power


def test_an_answer_of_the_whole_space_is_overtaken_by_a_proof():
    """Whoever asks for `stop: budget` may find more."""
    loop, ledger = make(trainings=64)
    drive(loop, gain=3.0)
    found = front(ledger)
    assert (found.answer.kind, found.answer.probability) == ("worth it", 0.0)
    assert found.verdict.startswith("Worth it: ")


def test_what_is_neither_is_undecided_and_says_how_many_more_trainings_would_decide_it():
    loop, ledger = make(trainings=40)
    drive(loop, gain=0.1)
    found = front(ledger)
    assert found.answer.kind == "undecided"
    assert 0 < found.answer.probability < 0.95
    assert found.answer.more > 40
    assert 0 < found.answer.more_even < found.answer.more
    assert f" more trainings would decide it as likely as not, about {found.answer.more:,} with" in found.verdict
    assert finished(ledger) == 40


@pytest.mark.parametrize("limit", [None, 30.0])
def test_placements_over_a_limit_do_not_count(make_space, limit):
    """Those that cost more than 30 % gain 2 points, all others lose one."""
    objectives = (OBJECTIVES[0], Objective(metric="params", limit=limit))
    loop, ledger = make(trainings=64, objectives=objectives)
    while (assignment := loop.next()) is not None:
        dear = price(Architecture.parse(assignment.architecture))["params_overhead"] > 30
        found = accuracy(assignment.architecture, assignment.seed, gain=2.0 if dear else -1.0)
        loop.finish(assignment.uid, Outcome({"val_accuracy": found}))
    found = compute("run", ledger, Rules(objectives))
    if limit is None:
        assert found.answer.kind == "worth it"
        assert found["a" + str(plans(ledger)[0].candidate)].costs["params_overhead"] > 30
    else:
        assert found.answer.kind == "likely not worth it"
        assert "no placement within the limits gains more than 0.2 points" in found.verdict
        assert not of_role(ledger, "confirm")
    assert ledger.facts.answer.considered == sum(
        limit is None or price(member)["params_overhead"] <= 30 for member in list(make_space())[1:]
    )


def test_with_several_slots_a_run_is_answered_when_all_that_run_have_ended():
    loop, ledger = make(trainings=128, slots=6)
    driver = Slots(loop, 6)
    while driver.fill():
        driver.end_one(gain=-1.0)
    assert ledger.facts.settled.reason == "answered"
    assert ledger.facts.settled.trainings == len(ledger.trainings) == finished(ledger)
    assert f"stopped after {finished(ledger)} of 128" in front(ledger).ending


def test_an_answer_that_the_last_running_trainings_change_does_not_stop_a_run():
    loop, ledger = make(trainings=64, slots=6)
    driver = Slots(loop, 6)
    at_first = []
    while driver.fill():
        answer = ledger.facts.answer
        is_no = answer is not None and answer.p_not_worth >= 0.99
        at_first += [finished(ledger)] if is_no else []
        driver.end_one(gain=4.0 if is_no or at_first else -1.0)
    assert at_first
    assert finished(ledger) > at_first[0] + 6
    assert front(ledger).answer.kind == "worth it"


def test_the_answer_is_the_same_after_a_kill(tmp_path):
    whole, expected = make(trainings=40)
    drive(whole, gain=-0.1)
    for stop in (3, 9, 8, 11):
        loop, ledger = make(tmp_path / "ledger", trainings=40)
        drive(loop, stop, gain=-0.1)
        loop.next()
        ledger.close()
    loop, ledger = make(tmp_path / "ledger", trainings=40)
    drive(loop, gain=-0.1)
    assert ledger.facts.answer == expected.facts.answer
    assert ledger.facts.settled == expected.facts.settled
