"""What the page shows of training itself: curves with bands, and what changes by class."""

from dataclasses import replace

import numpy as np
import pytest

from search.report.class_changes import by_class, class_changes, compared
from search.report.training_curves import training_curves
from tests.search import stored_runs as stored


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The front, the trainings, the entries and the facts of a run with a proof."""
    with stored.opened("proven", tmp_path_factory.mktemp("runs")) as run:
        return run.front, run.ledger.trainings, run.ledger.entries, run.facts


def of_plain(trainings):
    return [t for t in trainings if t.architecture == 0 and t.state == "finished"]


def test_plain_and_what_was_trained_again_have_a_line_with_a_band_in_each_panel(run):
    front, trainings, entries, _ = run
    panels = {panel.title: panel for panel in training_curves(front, trainings, entries).panels}
    assert list(panels) == ["training loss", "validation accuracy, %", "learning rate"]
    names = [line.name.split()[0] for line in panels["validation accuracy, %"].lines]
    assert names[:2] == ["plain", front.recommended]
    plain = panels["validation accuracy, %"].lines[0]
    ends = [t.curve[-1]["val_accuracy"] for t in of_plain(trainings)]
    epoch, mean, low, high = plain.steps[-1]
    assert (epoch, low, high) == (stored.EPOCHS, min(ends), max(ends))
    assert mean == pytest.approx(np.mean(ends))
    assert len(plain.band) == 2 * stored.EPOCHS
    assert [epoch for epoch, *_ in panels["learning rate"].lines[0].steps] == [1, 2, 3, 4, 5, 6]


def test_gradients_are_drawn_by_the_position_of_se(run):
    front, trainings, entries, _ = run
    logged = [replace(t, curve=[{**row, "grad_norm": 1.0 + t.architecture} for row in t.curve]) for t in trainings]
    panel = training_curves(front, logged, entries).panels[-1]
    assert panel.title == "gradient norm at the first convolution"
    assert [line.name for line in panel.lines] == ["plain", "before the addition", "after the addition"]


def test_the_axis_shows_the_later_epochs_where_early_ones_would_flatten_them_and_says_so(run):
    front, trainings, entries, _ = run
    steep = [replace(t, curve=rising(t, [10, 40, 80, 90, 91, 92])) for t in trainings]
    cut = training_curves(front, steep, entries).panels[1]
    assert cut.note == "The axis is cut: it shows the range of epochs 4 to 6."
    assert not cut.y.scale.contains(80)
    assert all(cut.y.scale.contains(value) for value in (90, 92))
    even = [replace(t, curve=rising(t, [10, 20, 30, 40, 50, 60])) for t in trainings]
    whole = training_curves(front, even, entries).panels[1]
    assert whole.note == ""
    assert whole.y.scale.contains(10)


def rising(training, values):
    return [{**row, "val_accuracy": value} for row, value in zip(training.curve, values, strict=False)]


def test_trainings_without_curves_draw_nothing(run):
    front, trainings, entries, _ = run
    assert training_curves(front, [replace(t, curve=[]) for t in trainings], entries) is None


def test_the_change_of_a_class_is_the_difference_of_its_shares_with_the_noise_of_trainings():
    labels = np.array([0, 0, 1, 1])
    plain = np.array([[1, 0, 1, 1], [0, 0, 1, 1]], dtype=float)
    other = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=float)
    first, second = by_class(plain, other, labels, ["cat", "dog"])
    assert (first.name, first.images, first.plain, first.other, first.change) == ("cat", 2, 25.0, 100.0, 75.0)
    # Of shares 50 and 0 against 100 and 100: variance 1250 / 2 freedoms, for means of two.
    assert first.error == pytest.approx(np.sqrt(1250 / 2 * (1 / 2 + 1 / 2)))
    assert not first.is_clear  # 3 standard errors of four trainings: luck alone exceeds them in one of ten
    assert (second.name, second.change) == ("dog", -75.0)
    assert by_class(np.repeat(plain, 3, 0), np.repeat(other, 3, 0), labels, ["cat", "dog"])[0].is_clear


def test_trainings_that_agree_on_few_images_are_not_taken_for_certain():
    labels = np.array([0, 0, 0, 1])
    change = by_class(np.zeros((5, 4)), np.ones((1, 4)), labels, ["rare", "single"])
    assert [round(one.error, 1) for one in change] == [18.3, 54.8]  # half an image of 3, and of 1
    assert [one.is_clear for one in change] == [True, False]
    alone = by_class(np.zeros((1, 4)), np.ones((1, 4)), labels, ["rare", "single"])[0]
    assert np.isnan(alone.error)
    assert not alone.is_clear


def test_the_page_compares_plain_with_what_the_answer_is_about(run):
    front, trainings, _, facts = run
    section = class_changes(front, trainings, facts)
    assert compared(front).id == front.recommended
    assert len(section.table.rows) == len(stored.CLASSES)
    shares = [float(row.cells[2]) for row in section.table.rows]
    right = np.mean([t.metrics["val_accuracy"] for t in of_plain(trainings)])
    assert np.mean(shares) == pytest.approx(right, abs=0.3)
    assert front.recommended in section.note


def test_without_labels_or_bits_nothing_is_said_of_classes(run):
    front, trainings, _, facts = run
    assert class_changes(front, trainings, replace(facts, labels=None)) is None
    assert class_changes(front, [replace(t, correct=None) for t in trainings], facts) is None
