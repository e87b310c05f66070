from dataclasses import replace

import numpy as np
import pytest

from search.model.fitting import fit
from search.model.observations import Observation
from search.results import compute, history
from search.results.evidence import observations_of
from search.results.front_value import expected_gain
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from tests.search import ledgers
from tests.search.results.test_compute import RULES, make_ledger

GAINS = [[90.0, 90.1, 89.9], [90.9, 91.0, 91.1], [92.0, 92.1], [89.0, 89.1]]


def test_the_worth_of_a_front_that_is_known_is_its_area_over_the_overheads():
    seen = [Observation(a, 0, 90.0 + gain) for a, gain in ((0, 0.0), (1, 1.0), (2, 2.0), (3, -1.0)) for _ in range(40)]
    worth = history.hypervolume(fit(seen, draws=400), [0.0, 5.0, 10.0, 20.0])
    assert worth.mean() == pytest.approx((1.0 * 5 + 2.0 * 10) / 20, abs=0.05)


def test_it_is_what_following_the_means_is_expected_to_earn():
    seen = [Observation(a, 0, 90 + 0.3 * a + 0.1 * (i % 3)) for a in range(5) for i in range(4)]
    posterior, costs = fit(seen), [0.0, 3.0, 1.0, 2.0, 7.0]
    expected = expected_gain(posterior.gains.mean(axis=0), np.array(costs))
    assert history.hypervolume(posterior, costs).mean() == pytest.approx(float(expected), rel=1e-6)


def test_where_nothing_gains_nothing_is_earned():
    seen = [Observation(0, 0, 90.0 + 0.01 * i) for i in range(9)] + [
        Observation(1, 0, 80.0 + 0.01 * i) for i in range(9)
    ]
    assert not history.hypervolume(fit(seen), [0.0, 5.0]).any()


def test_steps_begin_when_plain_has_finished_and_end_with_all_trainings():
    ledger = make_ledger(GAINS)
    steps = history.steps(ledger, RULES)
    assert [step.trainings for step in steps] == list(range(1, 11))
    assert all(step.low <= step.hypervolume <= step.high for step in steps)
    assert [step.at for step in steps] == sorted(step.at for step in steps)
    assert history.steps(ledger, RULES) == steps
    assert steps[-1].score == pytest.approx(compute.compute("r", ledger, RULES).expected_score, abs=0.05)


def test_of_many_trainings_a_bounded_number_of_steps_is_kept():
    steps = history.steps(make_ledger([[90.0] * 40, [91.0] * 40]), RULES)
    assert len(steps) == history.POINTS
    assert steps[-1].trainings == 80


def test_before_plain_has_finished_there_is_no_step():
    assert history.steps(make_ledger([[], [91.0]]), RULES) == []


# -- what a step is made of -------------------------------------------------------------------------------------------


def finished_in_order(accuracies):
    """Trainings of (architecture, accuracy) that end one after the other, a second apart, from second 100 on."""
    ledger = Ledger(":memory:")
    entries = ledgers.enter(ledger, [0.0, 5.0, 10.0, 60.0])
    for number, accuracy in accuracies:
        ledgers.train(ledger, entries[number], [accuracy])
    ledger.trainings[:] = [replace(t, ended=100.0 + t.number) for t in ledger.trainings]
    return ledger


TRAININGS = [(1, 91.0), (0, 90.0), (0, 90.2), (2, 92.0), (1, 91.2), (3, 93.0), (3, 93.1)]


def test_a_step_is_the_result_of_the_trainings_that_had_ended_by_then():
    ledger = finished_in_order(TRAININGS)
    steps = history.steps(ledger, RULES)
    assert [step.trainings for step in steps] == [2, 3, 4, 5, 6, 7]
    assert [step.at for step in steps] == [101.0 + n for n in range(6)]
    for step in steps:
        until = finished_in_order(TRAININGS[: step.trainings])
        found = compute.compute("r", until, RULES)
        posterior = fit(observations_of(until.trainings), draws=1000)
        worth = history.hypervolume(posterior, [[0.0, 5.0, 10.0, 60.0][n] for n in posterior.architectures])
        assert step.hypervolume == pytest.approx(worth.mean())
        assert (step.low, step.high) == pytest.approx(tuple(np.quantile(worth, [0.05, 0.95])))
        assert step.members == len(found.members)
        assert step.score == pytest.approx(found.expected_score, abs=0.05)


def test_trainings_count_when_they_end_not_when_they_were_planned():
    ledger = finished_in_order([(0, 90.0), (1, 91.0), (0, 90.1), (2, 92.0)])
    ledger.trainings[0] = replace(ledger.trainings[0], ended=500.0)
    steps = history.steps(ledger, RULES)
    assert [(step.trainings, step.at) for step in steps] == [(2, 102.0), (3, 103.0), (4, 500.0)]
    ledger.trainings[3] = replace(ledger.trainings[3], ended=None)  # of an older ledger: nobody knows, so first
    assert [(step.trainings, step.at) for step in history.steps(ledger, RULES)] == [(3, 102.0), (4, 500.0)]


def test_what_is_over_a_limit_is_no_member_whatever_it_gains():
    steps = history.steps(finished_in_order(TRAININGS), RULES)
    assert steps[-1].members == 3  # a0, a1, a2; a3 costs 60 %
    unlimited = history.steps(finished_in_order(TRAININGS), Rules(DEFAULT))
    assert unlimited[-1].members == 4


def test_a_step_takes_a_validation_image_at_what_it_is_worth():
    rows = [(0, 90.0)] * 3 + [(1, 93.0), (2, 93.0)]
    fine, coarse = finished_in_order(rows), finished_in_order(rows)
    coarse.note(Facts(data=DataFact(validation=10)))
    assert history.steps(coarse, RULES)[-1].low < history.steps(fine, RULES)[-1].low - 0.1


def test_of_a_large_space_less_is_found():
    ledger = finished_in_order(TRAININGS)
    before = history.steps(ledger, RULES)[-1].score
    ledger.note(Facts(space_size=10_000))
    assert history.steps(ledger, RULES)[-1].score < before
