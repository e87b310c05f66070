"""The drawing of the trainings behind each gain, and the command that follows from a result."""

from dataclasses import replace

import pytest

from search.report.markdown import markdown
from search.report.next_steps import take_home
from search.report.page import html
from search.report.seeds import seed_figure
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.state.facts import Facts
from search.state.ledger import Ledger
from tests.search import ledgers

PAIRS = [(97.0, 95.0), (96.5, 95.1), (99.0, 95.2)]


@pytest.fixture(scope="module")
def run():
    """A search of one block, then pairs of fresh blocks in which the placement is ahead by 2, 1.4 and 3.8 points."""
    ledger = Ledger(":memory:")
    plain, placement = ledgers.enter(ledger)
    ledgers.train(ledger, plain, [95.0, 95.2, 94.8])
    ledgers.train(ledger, placement, [95.5, 96.0])
    for block, (accuracy, beside) in enumerate(PAIRS, start=1):
        ledgers.train(ledger, placement, [accuracy], block=block, role="confirm", origin="confirmation 1")
        ledgers.train(ledger, plain, [beside], block=block, role="confirm", origin="confirmation 1")
    return compute("run", ledger, Rules(DEFAULT)), ledger


def test_a_dot_is_filled_for_a_fresh_seed_and_compared_with_plain_of_its_block(run):
    found, ledger = run
    _, placement = seed_figure(found, ledger.trainings).rows
    assert [(round(gain, 9), is_fresh) for gain, is_fresh in placement.dots] == [
        (0.5, False),
        (1.0, False),
        (2.0, True),
        (1.4, True),
        (3.8, True),
    ]


def test_plain_is_not_compared_with_itself(run):
    found, ledger = run
    plain, _ = seed_figure(found, ledger.trainings).rows
    assert [round(gain, 9) for gain, _ in plain.dots] == [0.0, 0.2, -0.2]


def test_luck_is_that_of_the_search_alone(run):
    found, ledger = run
    assert "The best of the search's 2 trainings with SE is +1.00 points" in seed_figure(found, ledger.trainings).luck


def test_what_is_recommended_keeps_weights_and_can_be_exported(run):
    found, ledger = run
    command = "senet-search export run"
    assert take_home(found) == command
    assert f"(`{command}`)" in markdown(found)
    assert f">{command}</code>" in html(found, ledger.trainings, ledger.entries, Facts())


def test_the_page_says_what_each_answer_means(run):
    found, ledger = run
    front = replace(found, rules=Rules(DEFAULT, worthwhile=0.35))
    page = html(front, ledger.trainings, ledger.entries, Facts())
    assert "within the limits, trained or not, gains more than 0.35\u00a0points" in page
    assert "Holm" not in page
    assert "finalist" not in page
