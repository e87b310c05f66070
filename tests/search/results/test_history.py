import numpy as np
import pytest

from search.model.posterior import Observation, fit
from search.planning import acquisition
from search.results import compute as front
from search.results import history
from tests.search.results.test_compute import RULES, make_ledger

GAINS = [[90.0, 90.1, 89.9], [90.9, 91.0, 91.1], [92.0, 92.1], [89.0, 89.1]]


def test_the_worth_of_a_front_that_is_known_is_its_area_over_the_overheads():
    seen = [Observation(a, 0, 90.0 + gain) for a, gain in ((0, 0.0), (1, 1.0), (2, 2.0), (3, -1.0)) for _ in range(40)]
    worth = history.hypervolume(fit(seen, draws=400), [0.0, 5.0, 10.0, 20.0])
    assert worth.mean() == pytest.approx((1.0 * 5 + 2.0 * 10) / 20, abs=0.05)


def test_it_is_what_following_the_means_is_expected_to_earn():
    seen = [Observation(a, 0, 90 + 0.3 * a + 0.1 * (i % 3)) for a in range(5) for i in range(4)]
    posterior, costs = fit(seen), [0.0, 3.0, 1.0, 2.0, 7.0]
    expected = acquisition.value(posterior.gains.mean(axis=0), np.array(costs))
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
    assert steps[-1].score == pytest.approx(front.compute("r", ledger, RULES).expected_score, abs=0.05)


def test_of_many_trainings_a_bounded_number_of_steps_is_kept():
    steps = history.steps(make_ledger([[90.0] * 40, [91.0] * 40]), RULES)
    assert len(steps) == history.POINTS
    assert steps[-1].trainings == 80


def test_before_plain_has_finished_there_is_no_step():
    assert history.steps(make_ledger([[], [91.0]]), RULES) == []
