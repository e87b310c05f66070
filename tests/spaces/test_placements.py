import pytest

from spaces import Architecture, UserError
from spaces.placements import baselines, label, place, ratio


def on(architecture):
    return [i for i, se in enumerate(architecture.blocks) if se]


@pytest.mark.parametrize(
    ("placement", "sites"),
    [
        ("none", []),
        ("all", [0, 1, 2, 3, 4, 5]),
        ("last", [4, 5]),
        ("stages:1-2", [0, 1, 2, 3]),
        ("stages:1,3", [0, 1, 4, 5]),
        ("blocks:1.0,3.1", [0, 5]),
    ],
)
def test_named_placements(make_space, placement, sites):
    architecture = place("net", make_space().sites, placement)
    assert on(architecture) == sites
    assert Architecture.parse(architecture.key) == architecture


def test_a_key_is_a_placement(make_space):
    space = make_space()
    assert place("net", space.sites, space[5].key) == space[5]


def test_the_default_se_is_the_papers(make_space):
    se = place("net", make_space().sites, "all").blocks[-1]
    assert str(se) == "avg:fc4:sigmoid@pre_addition"  # 64 channels, r = 16


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        ("al", "unknown placement"),
        ("stages:4", "outside"),
        ("stages:x", "list of stages"),
        ("blocks:7.7", "unknown block"),
        ("net/-", "6 sites"),
        ("other/-/-/-/-/-/-", "not an architecture of net"),
        ("stages:", "unknown placement"),
        ("net/avg:fc2:sigmoid@mid/-/-/-/-/-", "position at site 1.0"),
    ],
)
def test_wrong_placements_say_what_is_allowed(make_space, placement, says):
    with pytest.raises(UserError) as caught:
        place("net", make_space().sites, placement)
    assert says in caught.value.message


def test_baselines_are_members_plain_first_then_everywhere_then_single_stages(make_space):
    space = make_space()
    found = baselines(space)
    assert [on(architecture) for architecture in found] == [[], [0, 1, 2, 3, 4, 5], [0, 1], [2, 3], [4, 5]]
    assert all(architecture in space for architecture in found)


def test_baselines_keep_to_what_the_space_allows(make_space):
    space = make_space(stages=(2,), reduction=(4,), position=("identity",), squeeze=("std",))
    plain, everywhere = baselines(space)
    assert plain.is_plain
    assert on(everywhere) == [2, 3]
    assert everywhere in space


def test_labels(make_space):
    space = make_space()
    sites = space.sites
    assert label(place("net", sites, "none"), sites) == "plain"
    assert label(place("net", sites, "all"), sites) == "all stages: avg r=16 pre_addition"
    assert label(place("net", sites, "stages:2-3"), sites) == "stages 2-3: avg r=16 pre_addition"
    assert label(place("net", sites, "blocks:1.0,3.1"), sites) == "blocks 1.0, 3.1: avg r=16 pre_addition"


def test_different_members_have_different_labels(make_space):
    space = make_space(excitation=("fc", "fcnb"), gate=("sigmoid", "hard_sigmoid"))
    assert len({label(architecture, space.sites) for architecture in space}) == space.size


def test_ratio_is_what_a_person_wrote(make_space):
    space = make_space(reduction=(4,))
    assert {ratio(se, site) for se, site in zip(space[1].blocks, space.sites, strict=True) if se} == {4}
