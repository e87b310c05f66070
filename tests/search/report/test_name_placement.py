"""Names stand beside their points and on top of nothing else."""

import math

from search.report.name_placement import ABOVE, BELOW, LETTER, place_names
from search.report.scale import Frame

FRAME = Frame(width=200, height=100, left=10, right=10, top=10, bottom=10)


def test_a_name_stands_right_above_its_point():
    (name,) = place_names(["a1"], {"a1": (100, 50)}, FRAME)
    assert (name.text, name.x, name.y) == ("a1", 100, 50)
    assert name.dx > 0 > name.dy


def test_at_the_right_edge_a_name_stands_on_the_left():
    (name,) = place_names(["a1"], {"a1": (188, 50)}, FRAME)
    assert name.dx < 0
    assert name.dy < 0


def test_a_name_avoids_the_points_around_it():
    (name,) = place_names(["a1"], {"a1": (100, 50), "a2": (115, 40), "a3": (85, 40)}, FRAME)
    assert name.dy > 0


def test_a_name_without_a_place_is_left_out_and_the_more_important_one_stays():
    names = place_names(["a1", "a2"], {"a1": (100, 50), "a2": (100, 50)}, Frame(60, 30, 0, 0, 0, 0))
    assert len(names) == 0
    around = {"a1": (20, 20), "a2": (21, 21)}
    placed = place_names(["a1", "a2"], around, Frame(width=60, height=34, left=0, right=0, top=0, bottom=0))
    assert [name.text for name in placed] == ["a1"]


def test_a_name_stands_off_a_ring_and_not_on_an_interval_if_it_has_another_place():
    points = {"a1": (100, 50)}
    (off,) = place_names(["a1"], points, FRAME, ringed={"a1"})
    assert off.dx >= 14
    (beside,) = place_names(["a1"], points, FRAME, bars=[(115, 20, 80)])
    assert beside.dx < 0
    everywhere = [(x, 10, 90) for x in range(10, 190, 4)]
    assert len(place_names(["a1"], points, FRAME, bars=everywhere)) == 1


def test_a_name_is_nearer_to_its_own_point_than_to_another_named_one():
    around = {"pale right": (112, 56), "pale below": (98, 76), "pale above": (98, 38)}
    points = {"a1": (80, 60), "a2": (93, 60), **around}
    placed = {name.text: name for name in place_names(["a1", "a2"], points, FRAME)}
    assert "a1" in placed
    for name in placed.values():
        middle = name.x + name.dx + LETTER, name.y + name.dy + (BELOW - ABOVE) / 2
        other = points["a2" if name.text == "a1" else "a1"]
        assert math.dist(middle, points[name.text]) <= math.dist(middle, other)
