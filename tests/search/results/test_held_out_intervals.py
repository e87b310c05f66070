"""Intervals of the test set for other images: measured ends averaged, and for accuracy those of Wilson."""

import pytest
from scipy.stats import binomtest

from search.results.held_out_intervals import LEVEL, held_out_intervals
from senet_nas.training.quality_metrics import ACCURACY, METRICS

MACRO = METRICS["macro_f1"]


@pytest.mark.parametrize(("right", "n"), [(340, 359), (359, 359), (3, 40)])
def test_that_of_accuracy_is_the_one_of_scipy(right, n):
    rows = [{"seed": "1.0", "accuracy": 100 * right / n, "n": float(n)}]
    found = held_out_intervals({"a0": rows}, ACCURACY)["a0"]
    expected = binomtest(right, n).proportion_ci(LEVEL, method="wilson")
    assert (found["low"], found["high"]) == pytest.approx((100 * expected.low, 100 * expected.high))
    assert found["low"] <= found["value"] <= found["high"] + 1e-9


def test_those_of_other_metrics_are_the_measured_ones():
    rows = [
        {"accuracy": 90.0, "n": 100.0, "macro_f1": 80.0, "macro_f1_low": 74.0, "macro_f1_high": 85.0},
        {"accuracy": 91.0, "n": 100.0, "macro_f1": 82.0, "macro_f1_low": 76.0, "macro_f1_high": 87.0},
    ]
    found = held_out_intervals({"a0": rows, "a3": rows[:1]}, MACRO)
    assert found["a0"] == {"value": 81.0, "low": 75.0, "high": 86.0, "level": LEVEL}
    assert found["a3"]["value"] == 80.0


def test_what_was_not_measured_is_left_out():
    old = [{"seed": "1.0", "accuracy": 90.0}]
    assert held_out_intervals({"a0": old}, ACCURACY) == {}
    assert held_out_intervals({"a0": old, "a1": []}, MACRO) == {}
