"""What INT8 costs by gate, position and squeeze, from the two accuracies of each training."""

from types import SimpleNamespace

import pytest
from scipy.stats import t as student
from scipy.stats import ttest_ind

from search.report.int8_section import int8_section
from search.results.int8_losses import int8_losses, words_of
from spaces import Architecture
from tests.search.results.test_result import front

KEYS = (
    "net/-/-",
    "net/avg:fc4:sigmoid@mid/avg:fc4:sigmoid@mid",
    "net/avg:fc4:hard_sigmoid@mid/-",
    "net/avg:fc4:sigmoid@mid/max:fc4:sigmoid@pre_addition",
)
# The loss of each training, by architecture.
LOSSES = {0: (0.0, 0.2), 1: (0.8, 1.2), 2: (0.1, 0.1), 3: (1.0,)}


def evidence(losses=LOSSES):
    trainings = [
        SimpleNamespace(architecture=number, metrics={"val_accuracy": 90.0, "val_accuracy_int8": 90.0 - loss})
        for number, each in losses.items()
        for loss in each
    ]
    trainings.append(SimpleNamespace(architecture=0, metrics={"val_accuracy": 90.0}))  # it was not quantised
    facts = SimpleNamespace(data=SimpleNamespace(validation=1000))
    return SimpleNamespace(facts=facts, finished=trainings, architectures=[Architecture.parse(key) for key in KEYS])


def test_a_kind_has_the_trainings_whose_se_all_share_it():
    found = {loss.kind: loss for loss in int8_losses(evidence(), 0.9)}
    assert list(found) == ["plain", "gate hard_sigmoid", "gate sigmoid", "position mid", "squeeze avg"]
    assert {kind: loss.trainings for kind, loss in found.items()} == {
        "plain": 2,
        "gate hard_sigmoid": 2,
        "gate sigmoid": 3,
        "position mid": 4,
        "squeeze avg": 4,
    }
    assert found["gate sigmoid"].loss == pytest.approx(1.0)
    assert found["plain"].loss == pytest.approx(0.1)


def test_intervals_are_students_over_trainings():
    plain = int8_losses(evidence(), 0.9)[0]
    low, high = student.interval(0.9, 1, loc=0.1, scale=0.1)
    assert (plain.low, plain.high) == pytest.approx((low, high))


def test_equal_losses_are_known_to_half_an_image():
    """Of 1,000 images, one is 0.1 points: two trainings that both lose that many do not say that there is no noise."""
    low, high = student.interval(0.9, 1, loc=0.1, scale=0.05 / 2**0.5)
    equal = int8_losses(evidence(), 0.9)[1]
    assert (equal.kind, equal.low, equal.high) == ("gate hard_sigmoid", pytest.approx(low), pytest.approx(high))
    assert "gate hard_sigmoid +0.10 [-0.12, +0.32]" in words_of(int8_losses(evidence(), 0.9))


def test_nothing_is_said_where_nothing_was_quantised_or_no_kind_repeats():
    assert int8_losses(evidence({}), 0.9) == ()
    assert int8_losses(evidence({1: (0.5,)}), 0.9) == ()
    assert words_of(()) == ""
    assert int8_section(front()) is None


def test_the_page_shows_each_kind_beside_plain():
    found = int8_losses(evidence(), 0.9)
    section = int8_section(front(insights=SimpleNamespace(int8=found)))
    rows = {row.cells[0]: row.cells[1:] for row in section.table.rows}
    assert rows["plain"][2] == "-"
    assert rows["gate sigmoid"][0] == "3"
    assert rows["gate sigmoid"][1].startswith("+1.00 [")
    interval = ttest_ind([0.8, 1.2, 1.0], [0.0, 0.2], equal_var=False).confidence_interval(0.9)
    assert rows["gate sigmoid"][2] == f"+0.90 [{interval.low:+.2f}, {interval.high:+.2f}]"
    assert "gate sigmoid +0.90" in section.note
    assert "hard_sigmoid" not in section.note


def test_a_kind_whose_interval_holds_what_plain_loses_is_not_called_worse():
    """The kind with the largest mean was named, with an interval of 9 points."""
    found = int8_losses(evidence({0: (0.0, 0.2), 1: (-3.0, 9.0)}), 0.9)
    assert int8_section(front(insights=SimpleNamespace(int8=found))).note.startswith("No gate, position or squeeze")
    found = int8_losses(evidence({0: (0.0,), 1: (1.0, 1.1)}), 0.9)
    assert "too few" in int8_section(front(insights=SimpleNamespace(int8=found))).note
