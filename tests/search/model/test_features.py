"""What architectures have in common, as the model sees it."""

import numpy as np
import pytest

from search.model.features import describe
from spaces import Architecture

WIDE = (64, 128, 256, 512)


@pytest.fixture
def space(make_space):
    """A ratio that divides no width, beside one that divides all."""
    return make_space(WIDE, reduction=(4, 24), position=("pre_addition", "pre_unit"), squeeze=("avg",))


def test_a_ratio_is_one_level_of_every_family_at_every_width(space):
    columns = describe(list(space), space.sites).columns
    for family in ("width", "stage x width", "position x width"):
        assert {column[-1] for column in columns if column[0] == family} == {"r=4", "r=24"}


def test_parsed_architectures_with_their_ratios_are_described_as_those_of_the_space(space):
    members = list(space)
    parsed = [space.ratios.annotate(Architecture.parse(member.key), space.sites) for member in members]
    expected, found = describe(members, space.sites), describe(parsed, space.sites)
    assert found.columns == expected.columns
    assert np.array_equal(found.matrix, expected.matrix)


def test_without_ratios_the_nominal_ones_are_described(space):
    parsed = [Architecture.parse(member.key) for member in space]
    columns = describe(parsed, space.sites).columns
    assert {column[-1] for column in columns if "width" in column[0]} == {"r=4", "r=24", "r=26", "r=32"}
