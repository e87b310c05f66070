"""The architectures among which a model chooses."""

import random

import numpy as np

from search.planning import candidates
from search.planning.candidates import near, whole
from search.state.shared_facts import SharedFigures

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


def test_in_a_large_space_the_random_members_are_those_that_a_shared_network_has_evaluated(make_space, monkeypatch):
    monkeypatch.setattr(candidates, "SAMPLED", 4)
    space = make_space()
    evaluated = [space[i] for i in range(10, 30)]
    figures = SharedFigures(("train_loss",), {member.key: (0.1 * i,) for i, member in enumerate(evaluated)})
    found = near(space, price, COLUMNS, [space[0]], [], random.Random(0), figures)
    assert found.members[0].is_plain
    assert len(found.members) == 1 + 4
    assert set(found.members[1:]) <= set(evaluated)
    same = {member: member for member in evaluated}
    assert all(
        [se and se.ratio for se in member.blocks] == [se and se.ratio for se in same[member].blocks]
        for member in found.members[1:]
    )
    assert found.features.columns[-1] == ("covariate", "train_loss")
