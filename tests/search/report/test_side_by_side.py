"""Marks that would lie on each other stand side by side."""

import random
from itertools import combinations

import pytest

from search.report.scale import Frame
from search.report.side_by_side import APART, BARS_APART, FARTHEST, Mark, shifts

FRAME = Frame(width=820, height=410, left=50, right=10, top=10, bottom=40)


def moved(marks):
    return [mark.moved(shift) for mark, shift in zip(marks, shifts(marks, FRAME), strict=True)]


def is_covered(one, other):
    return max(abs(one.x - other.x), abs(one.y - other.y)) < APART - 0.11


@pytest.mark.parametrize("n", [2, 7, 60])
def test_no_mark_covers_another_where_there_is_room(n):
    luck = random.Random(n)
    costs = [luck.choice((100, 240, 400, 560, 700)) for _ in range(n)]
    placed = moved([Mark(cost, luck.uniform(20, 360)) for cost in costs])
    assert not any(is_covered(one, other) for one, other in combinations(placed, 2))


def test_intervals_of_equal_cost_do_not_run_through_each_other():
    placed = moved([Mark(400, 200 + i, low=300, high=100) for i in range(5)])
    assert all(abs(one.x - other.x) >= BARS_APART for one, other in combinations(placed, 2))


def test_the_first_mark_keeps_its_place_and_none_moves_farther_than_it_must():
    alone = [Mark(100 * i, 100) for i in range(1, 6)]
    assert shifts(alone, FRAME) == [0.0] * 5
    same = shifts([Mark(400, 100)] * 3, FRAME)
    assert same == [0.0, 13.0, -13.0]


def test_what_costs_more_than_plain_never_stands_left_of_it():
    marks = [Mark(100, 200), *(Mark(103, 200) for _ in range(6)), *(Mark(97, 200) for _ in range(3))]
    found = shifts(marks, FRAME, origin=100)
    assert all(mark.x + shift >= 100 for mark, shift in zip(marks[:7], found, strict=False))
    assert all(mark.x + shift <= 100 for mark, shift in zip(marks[7:], found[7:], strict=True))


def test_marks_stay_within_the_frame_and_near_their_cost_even_in_a_crowd():
    marks = [Mark(x, 200) for x in (50, 810) for _ in range(40)]
    found = shifts(marks, FRAME)
    assert all(abs(shift) <= FARTHEST for shift in found)
    assert all(FRAME.left <= mark.x + shift <= FRAME.inner_right for mark, shift in zip(marks, found, strict=True))
    assert len(set(found[:40])) > 3
