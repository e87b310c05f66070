"""How figures are written for people."""

from spaces.text import interval, plural, with_interval


def test_figures_have_their_interval_unit_and_form():
    assert interval(-0.01, 0.25) == "[-0.01, +0.25]"
    assert interval(1.0, 2.0, ".0f") == "[1, 2]"
    assert with_interval(0.12, -0.01, 0.25) == "+0.12 [-0.01, +0.25]"
    assert with_interval(0.12, -0.01, 0.25, "points") == "+0.12 points [-0.01, +0.25]"


def test_only_one_is_singular():
    assert [plural(n, "epoch") for n in (0, 1, 2, 1200)] == ["0 epochs", "1 epoch", "2 epochs", "1,200 epochs"]
