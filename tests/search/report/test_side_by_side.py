"""Marks that would lie on each other stand side by side."""

import random
from itertools import combinations

import pytest

from search.report.scale import Frame
from search.report.side_by_side import APART, BARS_APART, FARTHEST, Mark, shifts

FRAME = Frame(width=820, height=410, left=50, right=10, top=10, bottom=40)
NARROW = Frame(width=360, height=340, left=50, right=10, top=12, bottom=44)


def moved(marks):
    return [mark.moved(shift) for mark, shift in zip(marks, shifts(marks, FRAME), strict=True)]


def is_covered(one, other):
    return max(abs(one.x - other.x), abs(one.y - other.y)) < APART - 0.11


def crowd(seed, n, frame):
    """``n`` marks as a search leaves them: plain, three intervals, and cheap placements of which many cost the same."""
    luck = random.Random(seed)
    middle = (frame.top + frame.inner_bottom) / 2
    origin = frame.left + 20.0
    costs = [origin + luck.expovariate(1 / 90) for _ in range(n)]
    xs = [min(luck.choice(costs[: 1 + n // 2]), frame.inner_right - 15.0) for _ in range(n - 1)]
    ys = [min(max(luck.gauss(middle, 40), frame.top), frame.inner_bottom) for _ in xs]
    ends = [{"low": y + 70, "high": y - 70} if i < 3 else {} for i, y in enumerate(ys)]
    placements = [Mark(x, y, **end) for x, y, end in zip(xs, ys, ends, strict=True)]
    return [*placements[:1], Mark(origin, middle), *placements[1:]], origin


CROWDS = [(seed, n, frame) for n, frame in ((12, NARROW), (30, FRAME), (90, NARROW)) for seed in range(100, 110)]


@pytest.mark.parametrize(("seed", "n", "frame"), CROWDS)
def test_marks_of_any_crowd_keep_the_order_of_their_costs_and_stay_near_them(seed, n, frame):
    marks, origin = crowd(seed, n, frame)
    found = shifts(marks, frame, origin)
    placed = [(mark.x, mark.x + shift) for mark, shift in zip(marks, found, strict=True)]
    assert all(place <= further for (x, place), (other, further) in combinations(sorted(placed), 2) if x < other)
    assert all(place >= origin for x, place in placed if x >= origin)
    assert all(frame.left <= place <= frame.inner_right for _, place in placed)
    assert max(map(abs, found)) <= FARTHEST + 1e-6


@pytest.mark.parametrize(("n", "frame", "left"), [(12, NARROW, 0.15), (30, FRAME, 0.2), (90, NARROW, 0.4)])
def test_few_marks_of_a_crowd_overlap_and_hardly_any_is_hidden(n, frame, left):
    before, after, hidden = 0, 0, 0
    for seed in range(200, 210):
        marks, origin = crowd(seed, n, frame)
        placed = [mark.moved(shift) for mark, shift in zip(marks, shifts(marks, frame, origin), strict=True)]
        before += sum(is_covered(one, other) for one, other in combinations(marks, 2))
        pairs = [max(abs(one.x - other.x), abs(one.y - other.y)) for one, other in combinations(placed, 2)]
        after += sum(apart < APART - 0.5 for apart in pairs)
        hidden += sum(apart < APART / 2 - 0.5 for apart in pairs)
    assert after <= left * before
    assert hidden <= 0.01 * before


def test_what_shows_its_interval_stays_where_the_front_has_its_step():
    step = Mark(300, 200, low=300, high=100)
    beside = [Mark(300, 200), Mark(301, 204), Mark(299, 195)]
    kept, *others = shifts([step, *beside], FRAME)
    assert kept == 0
    assert all(abs(shift) >= BARS_APART for shift in others)


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
