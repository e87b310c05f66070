"""How figures are written for people."""

import pytest

from spaces.text import interval, plural, with_interval, wrapped


def test_figures_have_their_interval_unit_and_form():
    assert interval(-0.01, 0.25) == "[-0.01, +0.25]"
    assert interval(1.0, 2.0, ".0f") == "[1, 2]"
    assert with_interval(0.12, -0.01, 0.25) == "+0.12 [-0.01, +0.25]"
    assert with_interval(0.12, -0.01, 0.25, "points") == "+0.12 points [-0.01, +0.25]"


def test_only_one_is_singular():
    assert [plural(n, "epoch") for n in (0, 1, 2, 1200)] == ["0 epochs", "1 epoch", "2 epochs", "1,200 epochs"]


class TestWrapped:
    def test_what_fits_stays_as_it_is(self):
        assert wrapped("a  b", 80) == ["a  b"]

    def test_a_second_column_is_continued_below_itself(self):
        line = f"{'pre_unit':<14}y = relu(P(x) + F(SE(x))): the paper's SE-PRE; the shortcut sees x without SE"
        first, second = wrapped(line, 80)
        assert len(first) <= 80
        assert second[:14].isspace()
        assert not second[14].isspace()
        assert " ".join(f"{first} {second.strip()}".split()) == " ".join(line.split())

    def test_figures_stay_in_their_line_and_keep_their_columns(self):
        line = "proven                +1.75 [+1.51, +1.98]    +44.80 %    94.99  a19 all stages: max r=16 pre_addition"
        first, *_ = wrapped(line, 80)
        assert first.startswith("proven                +1.75 [+1.51, +1.98]    +44.80 %    94.99  a19")

    def test_a_sentence_is_continued_further_in(self):
        assert wrapped("  " + "word " * 20, 40)[1].startswith("    word")

    @pytest.mark.parametrize("line", ["Next: senet-search run config.yaml " + "--set a.b=1 " * 9, "x" * 100])
    def test_what_a_person_copies_stays_whole(self, line):
        assert wrapped(line, 80) == [line]


def test_what_rounds_to_zero_has_no_minus():
    assert with_interval(-0.001, -0.5, -0.0004, "points") == "+0.00 points [-0.50, +0.00]"
