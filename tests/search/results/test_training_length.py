"""Trainings that were too short are known by how steeply plain's curves end."""

from dataclasses import replace
from pathlib import Path

import pytest

from search.report import terminal
from search.results.answer import Answer
from search.results.compute import compute
from search.results.objectives import DEFAULT
from search.results.result import Rules
from search.results.training_length import steep_end_of
from search.state.confirmation_facts import Settled
from search.state.ledger import Ledger
from senet_nas.recipe import Seed
from senet_nas.training.quality_metrics import ACCURACY, METRICS
from tests.search import ledgers


def trainings(*curves, column="val_accuracy"):
    """Trainings of plain whose curves have these values, epoch by epoch."""
    ledger = Ledger(":memory:")
    (plain,) = ledgers.enter(ledger, [0.0])
    rows = [(plain, Seed(0, i)) for i in range(len(curves))]
    outcomes = [
        replace(
            ledgers.ended(values[-1], [{"epoch": e, column: value} for e, value in enumerate(values, start=1)]),
            metrics={"val_accuracy": 90.0, column: values[-1]},
        )
        for values in curves
    ]
    return ledgers.play(ledger, rows, outcomes), ledger


def test_a_run_of_three_epochs_that_still_rises_is_too_short_however_far_it_came():
    found, _ = trainings([80.3, 84.5, 90.7], [80.0, 84.0, 90.5])
    steep = steep_end_of(found, ACCURACY, limit=1.0)
    assert (round(steep.rise, 2), steep.last, steep.epochs) == (6.35, 1, 3)
    assert "of 3 epochs, plain still gained 6.35 points in its last epoch" in steep.words(ACCURACY)
    assert "Set train.epochs to 6 or more" in steep.words(ACCURACY)


# Of demo trainings with 6 and 16 epochs, and one that still guesses: too short is not what is wrong with it.
@pytest.mark.parametrize("values", [[42.1, 43.3, 77.9, 93.9, 97.6, 98.2], [99.5] * 15 + [99.6], [10.0, 10.0, 10.1]])
def test_a_curve_that_ends_flat_is_long_enough(values):
    found, _ = trainings(values, [value + 0.1 for value in values])
    assert steep_end_of(found, ACCURACY, limit=1.0) is None


def test_a_rise_within_its_noise_says_nothing():
    found, _ = trainings([80.0, 82.5], [80.0, 79.0], [80.0, 84.0])
    assert steep_end_of(found, ACCURACY, limit=1.0) is None
    assert steep_end_of(found[:1], ACCURACY, limit=1.0) is None  # one training does not know its noise


def test_one_epoch_has_no_slope():
    found, _ = trainings([50.0], [51.0])
    assert steep_end_of(found, ACCURACY, limit=1.0) is None


def test_the_slope_is_that_of_the_last_fifth_and_of_the_metric_that_decides():
    falling = [2.0 - epoch / 10 for epoch in range(10)]
    found, _ = trainings(falling, falling, column="val_log_loss")
    steep = steep_end_of(found, METRICS["log_loss"], limit=0.05)
    assert (round(steep.rise, 6), steep.last) == (0.2, 2)  # less is better, and it still falls
    assert steep_end_of(found, ACCURACY, limit=1.0) is None  # no epoch has measured it


@pytest.mark.parametrize(("worthwhile", "is_said"), [(0.2, True), (2.0, False)])
def test_it_is_said_before_all_findings_if_it_is_more_than_gains_that_count(worthwhile, is_said):
    _, ledger = trainings([80.3, 84.5, 90.7], [80.0, 84.0, 90.5])
    front = compute("run", ledger, Rules(DEFAULT, worthwhile=worthwhile))
    assert any("too short" in caution for caution in front.cautions) == is_said
    assert ("steep" in front.to_dict()["insights"]) == is_said
    assert ("too short" in front.findings[0]) == is_said


@pytest.mark.parametrize("worthwhile", [0.2, 2.0])
def test_it_is_printed_before_the_answer_which_then_promises_nothing_of_more_such_trainings(worthwhile, capsys):
    _, ledger = trainings([80.3, 84.5, 90.7], [80.0, 84.0, 90.5])
    answer = Answer("undecided", worthwhile, 0.3, more=48)
    rules = Rules(DEFAULT, worthwhile=worthwhile)
    front = replace(compute("run", ledger, rules), answer=answer, settled=Settled(2, "used", 2))
    terminal.show(front, folder=Path("run"), is_written=False)
    lines = capsys.readouterr().out.splitlines()
    is_short = worthwhile < 1
    assert lines[0].startswith("The trainings were too short" if is_short else "Undecided: nothing is proven yet.")
    assert ("About 48 more trainings" in lines[is_short]) != is_short
