"""Figures as text."""

import math

import pytest

from search.report.wording import clock, joined, percent, signed, tick


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0s"), (59.6, "1m00s"), (185, "3m05s"), (7800, "2h10m")])
def test_durations_are_hours_minutes_and_seconds(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.2, "+0.20"), (-1.005, "-1.00"), (0.0, "+0.00"), (math.nan, "-"), (math.inf, "-")]
)
def test_differences_have_a_sign(value, text):
    assert signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(1.054, "+1.05 %"), (-0.1, "-0.10 %"), (0.0, "-")])
def test_the_overhead_of_plain_is_a_dash(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.5, "+0.5"), (-2.0, "-2"), (0.0, "0")])
def test_zero_on_an_axis_has_no_sign(value, text):
    assert tick(value) == text


def test_accuracies_stand_side_by_side():
    assert joined([97.1, 96.3333]) == "97.10, 96.33"
