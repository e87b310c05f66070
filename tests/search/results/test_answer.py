"""What the answer of a run is, and how many more trainings would decide it."""

from dataclasses import replace

import numpy as np
import pytest

from search.results.answer import ENOUGH, EVEN, NOT_WORTH, STOP, Answer, More, answer_of, more_trainings
from search.results.paired_test import looks_at, smallest_provable
from search.state.confirmation_facts import AnswerFact

LEVEL = 0.05 * 2 / 3


def noted(p, more=None, even=None):
    return AnswerFact(trainings=40, worthwhile=0.2, p_not_worth=p, considered=56, more=more, more_even=even)


def test_the_limits_are_those_of_the_documentation():
    assert (NOT_WORTH, STOP, EVEN, ENOUGH) == (0.95, 0.99, 0.5, 0.8)


@pytest.mark.parametrize(
    ("is_proven", "fact", "expected"),
    [
        (True, None, Answer("worth it", 0.2, None)),
        (True, noted(0.999, 24), Answer("worth it", 0.2, 0.999)),
        (False, None, Answer("undecided", 0.2, None)),
        (False, noted(0.9499, 24), Answer("undecided", 0.2, 0.9499, 24)),
        (False, noted(0.95, 24), Answer("likely not worth it", 0.2, 0.95)),
        (False, noted(0.3), Answer("undecided", 0.2, 0.3, None)),
        (False, replace(noted(0.3, 24), forecast=True), Answer("undecided", 0.2, 0.3, 24)),
        (False, replace(noted(0.3, 24, 12), forecast=True), Answer("undecided", 0.2, 0.3, 24, more_even=12)),
        (False, replace(noted(0.3, None, 12), forecast=True), Answer("undecided", 0.2, 0.3, more_even=12)),
        (False, replace(noted(0.3), forecast=True), Answer("undecided", 0.2, 0.3, None, out_of_reach=True)),
        (False, replace(noted(0.95), forecast=True), Answer("likely not worth it", 0.2, 0.95)),
    ],
)
def test_a_proof_comes_first_then_the_whole_space(is_proven, fact, expected):
    assert answer_of(is_proven, fact, 0.2) == expected


def test_an_answer_is_about_the_gain_that_it_was_asked_for():
    """Who changes `worthwhile` while a run is stopped reads what was asked before."""
    assert answer_of(False, noted(0.96), 0.5).worthwhile == 0.2


def draws(mean, spread, members=20, count=600):
    rng = np.random.default_rng(0)
    return mean + spread * rng.standard_normal((count, members)), np.full(count, 0.3)


def forecast(gains, sigmas, *, worthwhile=0.2, level=LEVEL, share=0.5):
    return more_trainings(gains, sigmas, level=level, share=share, min_gain=0.05, worthwhile=worthwhile)


def asked(gains, sigmas, **options):
    return forecast(gains, sigmas, **options).enough


def test_a_large_gain_is_soon_proven_and_a_small_one_later():
    found = [asked(*draws(gain, 0.02)) for gain in (2.0, 0.6, 0.3, 0.15)]
    assert found == sorted(found)
    assert found[0] <= 24
    assert 2 * found[0] < found[1] < found[2] < found[3]


def test_for_a_known_gain_it_is_what_the_paired_test_takes():
    """0.6 points with a noise of 0.3: half of the trainings are pairs, which prove it with a chance of 80 %."""
    pairs = next(n for n in range(3, 100) if smallest_provable(0.3, looks_at(n), LEVEL, 0.05) <= 0.6)
    found = asked(*draws(0.6, 0.001))
    assert 4 * pairs / 1.5 <= found <= 4 * pairs * 1.5


def test_nothing_promises_an_answer_where_no_extension_gives_one():
    """All gain what a proof must exceed: none can be proven, and none is below what is worthwhile here."""
    assert forecast(*draws(0.05, 0.0), worthwhile=0.04) == More(None, None)


def test_as_likely_as_not_takes_fewer_trainings_than_probably():
    found = forecast(*draws(0.3, 0.05))
    assert found.even < found.enough


def test_where_half_of_the_truths_can_be_decided_only_the_even_chance_has_a_number():
    """Of three truths, two gain 1 point, and one what can be neither proven nor called too little."""
    gains, sigmas = draws(0.05, 0.0)
    gains[np.arange(len(gains)) % 3 > 0] = 1.0
    found = forecast(gains, sigmas, worthwhile=0.04)
    assert found.even is not None
    assert found.enough is None


def test_the_more_likely_it_is_that_nothing_gains_the_sooner_that_is_said():
    few = asked(*draws(-0.5, 0.1))
    more = asked(*draws(-0.1, 0.15))
    assert few <= 12
    assert more > few


def test_less_of_the_level_and_more_noise_take_more_trainings():
    gains, sigmas = draws(0.5, 0.05)
    usual = asked(gains, sigmas)
    assert asked(gains, sigmas, level=LEVEL / 20) > usual
    assert asked(gains, 2 * sigmas) > 2 * usual
    assert asked(gains, sigmas) == usual
