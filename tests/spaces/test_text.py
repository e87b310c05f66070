"""Intervals and counts as text."""

import pytest

from spaces.text import interval, plural, with_interval


def test_an_interval_has_two_signed_ends():
    assert interval(-0.004, 0.25) == "[-0.00, +0.25]"
    assert interval(-1.26, 2.0, "+.1f") == "[-1.3, +2.0]"


def test_a_value_stands_before_its_interval_and_its_unit_between():
    assert with_interval(0.12, -0.01, 0.25) == "+0.12 [-0.01, +0.25]"
    assert with_interval(0.12, -0.01, 0.25, "points") == "+0.12 points [-0.01, +0.25]"


@pytest.mark.parametrize(("count", "text"), [(0, "0 epochs"), (1, "1 epoch"), (2, "2 epochs"), (1500, "1,500 epochs")])
def test_one_is_singular(count, text):
    assert plural(count, "epoch") == text
