"""The drawing of how a result grew with its trainings."""

import pytest

from search.report.growth import growth
from search.report.page import html
from search.results import history
from search.results.compute import compute
from search.state.facts import Facts, HistoryStep
from tests.search.results.test_compute import RULES, make_ledger

GAINS = [[90.0, 90.1, 89.9], [90.9, 91.0, 91.1], [92.0, 92.1], [89.0, 89.1]]


@pytest.fixture(scope="module")
def ledger():
    return make_ledger(GAINS)


@pytest.fixture(scope="module")
def found(ledger):
    return compute("r", ledger, RULES)


@pytest.fixture(scope="module")
def steps(ledger):
    return tuple(history.steps(ledger, RULES))


def test_fewer_than_two_steps_are_not_drawn(found, steps):
    assert growth(found, []) is None
    assert growth(found, steps[:1]) is None


def test_the_drawing_says_what_the_last_step_is_worth(found, steps):
    drawn = growth(found, steps)
    assert f"After 10 trainings: {steps[-1].hypervolume:+.2f} points" in drawn.sentence
    assert found.insights.progress.words() in drawn.sentence
    assert drawn.curve.steps[-1] == (steps[-1].trainings, steps[-1].hypervolume, steps[-1].low, steps[-1].high)
    assert len(drawn.curve.band) == 2 * len(steps)


def test_the_page_has_the_curve_and_its_band(ledger, found, steps):
    page = html(found, ledger.trainings, ledger.entries, Facts(history=steps))
    section = page.split("Would more trainings help?")[1].split("</figure>")[0]
    assert section.count("<polygon") == section.count("<polyline") == 1


def test_where_nothing_was_ever_above_plain_there_is_a_sentence_and_no_empty_drawing(ledger, found):
    flat = tuple(HistoryStep(n, 0.0, 0.0, 0.0, 0.0, 0.5) for n in (1, 5))
    drawn = growth(found, flat)
    assert drawn.curve is None
    assert "no curve to draw" in drawn.note
    page = html(found, ledger.trainings, ledger.entries, Facts(history=flat))
    assert drawn.note in page
    assert "<polyline" not in page
