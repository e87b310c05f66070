"""The architectures among which a model chooses."""

import random

import numpy as np

from search.planning import candidates
from search.planning.candidates import near, whole

COLUMNS = ("params_overhead", "macs_overhead")


def price(architecture):
    used = sum(se is not None for se in architecture.blocks)
    return {"params_overhead": float(used), "macs_overhead": used / 10, "params": 1.0}


def test_a_whole_space_is_listed_with_plain_first_and_its_overheads(make_space):
    space = make_space()
    listed = whole(space, price, COLUMNS)
    assert listed.members == tuple(space)
    assert listed.members[0].is_plain
    used = [sum(se is not None for se in member.blocks) for member in listed.members]
    assert np.array_equal(listed.costs, np.array([[n, n / 10] for n in used]))
    assert all(listed.members[place].key == key for key, place in listed.index.items())
    assert len(listed.features.matrix) == space.size == len(listed.index)


def test_near_holds_what_is_known_the_neighbours_of_the_best_and_random_members(make_space, monkeypatch):
    monkeypatch.setattr(candidates, "AROUND", 2)
    monkeypatch.setattr(candidates, "SAMPLED", 3)
    space = make_space(widths=(64, 128, 256), blocks=4, granularity="block", tie="none")
    rng = random.Random(0)
    known = [space.sample(rng) for _ in range(4)]
    listed = near(space, price, COLUMNS, known, known[1:], random.Random(5))
    drawn = random.Random(5)
    expected = [space[0], *known, *space.neighbours(known[1]), *space.neighbours(known[2])]
    expected += [space.sample(drawn) for _ in range(3)]
    assert listed.members == tuple(dict.fromkeys(expected))
    assert listed.members[0].is_plain
