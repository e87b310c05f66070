"""Which candidate is frozen, and how likely a proof still is."""

import numpy as np
import pytest

from search.model.features import Features
from search.model.fitting import fit
from search.results import paired_test
from search.results.compute import compute
from search.results.evidence import observations_of
from search.results.objectives import Objective
from search.results.proof_chances import FUTILE, likeliest, remaining_chance
from search.results.result import Rules
from search.state.confirmation_facts import ConfirmationFact, Sizes
from search.state.facts import Facts
from search.state.ledger import Ledger
from tests.search import ledgers

RULES = Rules((Objective(metric="accuracy"), Objective(metric="params", limit=50.0)))
LEVEL = 0.05 * 2 / 3


def searched(gains, overheads=None, each=4):
    """A ledger with so many trainings of plain and of each placement, which gain so much."""
    ledger = Ledger(":memory:")
    costs = overheads or [5.0 * n for n in range(len(gains) + 1)]
    for entry, gain in zip(ledgers.enter(ledger, costs), [0.0, *gains], strict=True):
        ledgers.train(ledger, entry, [95 + gain + 0.2 * (-1) ** i for i in range(each)])
    return ledger


def frozen(ledger, pairs=16):
    found = likeliest(ledger, RULES, lambda number: pairs, LEVEL)
    return found and found.number


def test_it_is_the_surest_gain_and_its_chance_is_the_mean_over_the_posterior():
    ledger = searched([0.3, 1.0, 0.6])
    found = likeliest(ledger, RULES, lambda number: 16, LEVEL)
    posterior = fit(observations_of(ledger.trainings), Features.none(4))
    limit = paired_test.final_limit(paired_test.looks_at(16), LEVEL)
    chances = paired_test.chance(posterior.of(2), posterior.sigmas, 16, limit, 0.05)
    assert found.number == 2
    assert found.chance == pytest.approx(float(np.mean(chances)))


def test_what_is_over_a_limit_is_no_candidate():
    assert frozen(searched([0.3, 1.0, 0.6], [0.0, 5.0, 60.0, 9.0])) == 3
    assert frozen(searched([1.0], [0.0, 60.0])) is None


def test_plain_alone_has_no_candidate():
    assert frozen(searched([])) is None


def test_of_two_that_are_surely_proven_it_is_the_cheaper():
    """At a chance of 1.0 for both, cost decides, then who was there first."""
    assert frozen(searched([9.0, 9.0, 9.0], [0.0, 9.0, 3.0, 3.0], each=12), pairs=400) == 2


def test_an_architecture_with_too_few_pairs_is_none():
    ledger = searched([0.3, 1.0, 0.6])
    assert likeliest(ledger, RULES, lambda number: 2 if number == 2 else 16, LEVEL).number == 3
    assert likeliest(ledger, RULES, lambda number: 2, LEVEL) is None


def test_what_was_proven_is_not_confirmed_again_whoever_proved_it():
    ledger = searched([0.3, 1.0, 0.6])
    ledgers.confirm(ledger, 2, (1.0, 1.1, 0.9, 1.05), how="proven")
    assert compute("run", ledger, RULES)["a2"].verdict == "proven"
    assert frozen(ledger) == 3
    old = searched([0.3, 1.0, 0.6])
    for number, gain in ((0, 0.0), (2, 1.0)):
        fresh = [95 + gain + 0.02 * i for i in range(4)]
        ledgers.train(old, old.entries[number], fresh, block=1, role="confirm", origin="confirmation 1")
    old.note(Facts(confirmations=(ConfirmationFact(Sizes(1, 4, 4, 1), (2,), 64),)))
    assert compute("run", old, RULES)["a2"].verdict == "proven"
    assert frozen(old) == 3


def test_what_failed_may_be_a_candidate_again_on_new_pairs():
    ledger = searched([0.3, 3.0, 0.6])
    ledgers.confirm(ledger, 2, (1.0, 5.0, 3.1), how="unproven")
    assert frozen(ledger) == 2


def test_the_remaining_chance_takes_in_the_pairs_that_are_there():
    ledger = searched([0.3, 1.0, 0.6])
    plan = ledgers.confirm(ledger, 2, (1.0, 0.8, 1.3, 0.9), pairs=16)
    good = remaining_chance(ledger, RULES, plan, (1.0, 0.8, 1.3, 0.9))
    assert good > 0.9
    bad = searched([0.3, 1.0, 0.6])
    plan = ledgers.confirm(bad, 2, (-1.0, -0.8, -1.3, -0.9), pairs=16)
    assert remaining_chance(bad, RULES, plan, (-1.0, -0.8, -1.3, -0.9)) < FUTILE == 0.05


def test_lost_pairs_leave_as_many_fewer():
    """A pair that lost a training will not be there at the last look."""
    ledger = searched([0.3, 0.4, 0.2])
    plan = ledgers.confirm(ledger, 2, (0.4, None, None, 0.6), pairs=8)
    found = remaining_chance(ledger, RULES, plan, (0.4, None, None, 0.6))
    posterior = fit(observations_of(ledger.trainings), Features.none(4))
    limit = paired_test.final_limit(plan.looks, plan.level)
    expected = paired_test.chance(posterior.of(2), posterior.sigmas, 6, limit, 0.05, (0.4, 0.6))
    assert found == pytest.approx(float(np.mean(expected)))
    assert remaining_chance(ledger, RULES, plan, (0.4, *[None] * 7)) == 0.0
