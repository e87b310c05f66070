"""What a sampler knows besides the study."""

from search.planning.sampler_context import BLOCK, Memory


def test_ledgers_hold_the_block_of_a_trial_under_this_name():
    assert BLOCK == "block"


def test_memories_of_two_searches_are_apart():
    first, second = Memory(), Memory()
    first.places[0] = (1, 2)
    first.kept["x"] = 1
    assert (second.places, second.kept, second.fitted) == ({}, {}, None)
