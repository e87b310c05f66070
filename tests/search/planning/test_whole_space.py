"""What the trainings say about the largest gain of the whole space, trained or not."""

import random

import numpy as np
import pytest

from search.planning import whole_space
from search.planning.priced_space import PricedSpace
from search.planning.whole_space import WholeSpace
from search.results.objectives import DEFAULT, Objective
from search.results.result import Rules
from search.state.facts import Facts
from search.state.ledger import Ledger
from search.state.shared_facts import SharedFigures
from senet_nas.recipe import Seed
from spaces.placements import label
from tests.search import ledgers, timings

LIMITED = (Objective(metric="accuracy"), Objective(metric="params", limit=20.0))


def price(architecture):
    return ledgers.price(float(sum(se.hidden for se in architecture.blocks if se)))


@pytest.fixture
def space(make_space):
    return make_space()


def searched(space, gain, members=12, plain=8, sigma=0.1):
    """A ledger with plain and the first members of a space, once each; ``gain`` of an architecture is in points."""
    ledger = Ledger(":memory:")
    rng = random.Random(0)
    for member in list(space)[: 1 + members]:
        entry = ledger.enter(member, label(member, space.sites), price(member))
        true = gain(member) if entry.number else 0.0
        count = 1 if entry.number else plain
        ledgers.train(ledger, entry, [90 + true + rng.gauss(0, sigma) for _ in range(count)])
    return ledger


def asked(space, ledger, objectives=DEFAULT, worthwhile=0.2, forecast=False, seeds=None):
    rules = Rules(objectives, worthwhile=worthwhile)
    return WholeSpace(PricedSpace(space, price, seeds), rules).ask(ledger, level=0.033, share=0.5, forecast=forecast)


def test_it_is_about_the_largest_gain_of_all_members_trained_or_not(space):
    ledger = searched(space, lambda member: -1.0)
    found = asked(space, ledger)
    assert (found.trainings, found.considered, found.worthwhile, found.more) == (20, space.size - 1, 0.2, None)
    posterior_of_trained = [asked(space, ledger, worthwhile=w).p_not_worth for w in (0.05, 0.2, 1.0, 3.0)]
    assert posterior_of_trained == sorted(posterior_of_trained)
    one = searched(space, lambda member: -1.0, members=2)
    assert asked(space, one).p_not_worth < found.p_not_worth


@pytest.mark.parametrize(("gain", "least", "most"), [(-1.0, 0.95, 1.0), (0.2, 0.0, 0.5), (1.0, 0.0, 0.01)])
def test_it_is_high_where_all_lose_and_low_where_one_gains(space, gain, least, most):
    found = asked(space, searched(space, lambda member: gain, members=40))
    assert least <= found.p_not_worth <= most


def test_what_is_over_a_limit_does_not_count(space):
    """Whatever costs more than 20 % gains a point, the others lose one."""
    members = list(space)
    ledger = searched(space, lambda m: 1.0 if price(m)["params_overhead"] > 20 else -1.0, members=len(members) - 1)
    cheap = sum(price(member)["params_overhead"] <= 20 for member in members[1:])
    assert 5 < cheap < space.size - 6
    limited = asked(space, ledger, LIMITED)
    assert limited.considered == cheap
    assert limited.p_not_worth > 0.9
    assert asked(space, ledger).p_not_worth < 0.01


def test_what_was_measured_counts_and_a_doubtful_prediction_excludes_nothing_trained(space):
    """5 % of latency are predicted of all, or 11 %, where the limit is 10 %."""

    def considered(overhead, error=1.0, **measured):
        ledger = Ledger(":memory:")
        timings.model(ledger, error)
        for member in list(space)[:3]:
            priced = {**price(member), **timings.predicted(overhead)}
            ledgers.train(ledger, ledger.enter(member, label(member, space.sites), priced), [90.0, 90.1])
        for name, found in measured.items():
            timings.measured(ledger, name, found)
        whole = WholeSpace(
            PricedSpace(space, lambda member: {**price(member), **timings.predicted(overhead)}),
            Rules(timings.OBJECTIVES),
        )
        return whole.ask(ledger, level=0.033, share=0.5, forecast=False).considered

    everything = space.size - 1
    assert considered(5.0) == everything
    assert considered(5.0, a1=12.0, a2=None) == everything - 2
    assert considered(11.0) == 2  # those that were trained
    assert considered(11.0, error=0.1) == 0
    assert considered(11.0, a1=9.0, a2=12.0) == 1


def test_where_nothing_is_within_the_limits_nothing_is_worth_it(space):
    objectives = (LIMITED[0], Objective(metric="params", limit=0.5))
    found = asked(space, searched(space, lambda member: 1.0), objectives, forecast=True)
    assert (found.considered, found.p_not_worth, found.more) == (0, 1.0, None)


def test_before_plain_has_finished_there_is_no_answer(space):
    ledger = Ledger(":memory:")
    assert asked(space, ledger) is None
    entries = [ledger.enter(m, label(m, space.sites), price(m)) for m in list(space)[:2]]
    ledgers.play(ledger, [(entries[0], Seed(0)), (entries[1], Seed(0))], [None, ledgers.ended(90.0)])
    assert asked(space, ledger) is None


def test_a_forecast_is_made_when_it_is_asked_for(space):
    ledger = searched(space, lambda member: 0.3)
    without = asked(space, ledger)
    assert (without.more, without.forecast) == (None, False)
    found = asked(space, ledger, forecast=True)
    assert (found.more > 0, found.forecast) == (True, True)


def test_a_table_is_not_asked_for_more_trainings_than_it_holds(space):
    ledger = searched(space, lambda member: 0.3)
    free = asked(space, ledger, forecast=True)
    used = len(ledger.trainings)
    for left, more, even in (
        (free.more, free.more, free.more_even),
        (free.more - 1, None, free.more_even),
        (free.more_even - 1, None, None),
    ):
        held = [Seed(b) for b in range(used + left)]
        found = asked(space, ledger, forecast=True, seeds=lambda a, held=held: held if a.is_plain else [])
        assert (found.more, found.more_even, found.forecast) == (more, even, even is not None)


def test_results_without_noise_have_no_forecast(space):
    ledger = searched(space, lambda member: 0.3, sigma=0.0)
    assert not asked(space, ledger, forecast=True).forecast


def test_of_a_space_that_is_too_large_to_list_a_sample_stands_for_all(space, monkeypatch):
    """All that was trained counts beside it: one placement gains, which a sample of five may well lack."""
    lucky = list(space)[9]
    ledger = searched(space, lambda member: 1.0 if member == lucky else -0.3, members=40, sigma=0.3)
    ledgers.train(ledger, ledger.find(lucky.key), [91.3, 90.7, 91.0, 91.1])
    monkeypatch.setattr(whole_space, "LISTED", 10)
    monkeypatch.setattr(whole_space, "SAMPLED", 5)
    found = asked(space, ledger)
    assert 40 <= found.considered <= 45
    assert found.p_not_worth < 0.01
    assert asked(space, ledger) == found


def test_what_is_trained_later_counts_too(space, monkeypatch):
    monkeypatch.setattr(whole_space, "LISTED", 10)
    monkeypatch.setattr(whole_space, "SAMPLED", 5)
    ledger = searched(space, lambda member: -1.0, members=10)
    whole = WholeSpace(PricedSpace(space, price), Rules(DEFAULT))
    before = whole.ask(ledger, level=0.033, share=0.5, forecast=False)
    late = list(space)[-1]
    entry = ledger.enter(late, label(late, space.sites), price(late))
    ledgers.train(ledger, entry, [92.0, 92.1, 91.9])
    after = whole.ask(ledger, level=0.033, share=0.5, forecast=False)
    assert after.considered >= before.considered
    assert after.p_not_worth < 0.01 < before.p_not_worth
    assert after == asked(space, ledger)  # as another session would say


def test_it_does_not_depend_on_chance(space):
    ledger = searched(space, lambda member: 0.1)
    assert asked(space, ledger, forecast=True) == asked(space, ledger, forecast=True)
    assert np.isfinite(asked(space, ledger).p_not_worth)


def test_what_placements_showed_in_a_shared_network_counts_once_it_is_known(space):
    """Half of the members gain, and the shared network shows which."""
    gains = {member.key: 0.5 if i % 2 else -0.5 for i, member in enumerate(space)}
    ledger = searched(space, lambda member: gains[member.key], members=30)
    whole = WholeSpace(PricedSpace(space, price), Rules(DEFAULT))
    before = whole.ask(ledger, level=0.033, share=0.5, forecast=False)
    ledger.note(Facts(shared_figures=SharedFigures(("train_loss",), {key: (-gain,) for key, gain in gains.items()})))
    after = whole.ask(ledger, level=0.033, share=0.5, forecast=False)
    assert after != before
    assert after == asked(space, ledger)  # as another session would say


def test_of_a_large_space_those_that_a_shared_network_has_evaluated_stand_for_all_too(space, monkeypatch):
    monkeypatch.setattr(whole_space, "LISTED", 10)
    monkeypatch.setattr(whole_space, "SAMPLED", 5)
    ledger = searched(space, lambda member: -0.3, members=10)
    before = asked(space, ledger).considered
    figures = {member.key: (0.1 * i,) for i, member in enumerate(list(space)[20:50])}
    ledger.note(Facts(shared_figures=SharedFigures(("train_loss",), figures)))
    assert asked(space, ledger).considered >= before + 25
