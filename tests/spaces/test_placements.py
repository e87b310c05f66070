import pytest

from spaces import SE, Architecture, Site, UserError
from spaces.placements import baselines, label, place, ratio, width


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


# -- words and numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("placement", "says"),
    [
        ("stages:1", "stage 1: avg r=16 pre_addition"),
        ("stages:1,3", "stages 1, 3: avg r=16 pre_addition"),
        ("last", "stage 3: avg r=16 pre_addition"),
        ("blocks:1.0,1.1", "stage 1: avg r=16 pre_addition"),
        ("blocks:1.0,1.1,2.0", "blocks 1.0, 1.1, 2.0: avg r=16 pre_addition"),
    ],
)
def test_a_label_says_where_as_short_as_it_can(make_space, placement, says):
    sites = make_space().sites
    assert label(place("net", sites, placement), sites) == says


def test_a_network_of_one_stage_has_a_stage_and_not_all_stages(make_space):
    sites = make_space(widths=(16,), reduction=(4,)).sites
    assert label(place("net", sites, "all"), sites).startswith("stage 1: ")


def test_a_label_names_each_kind_with_what_is_unusual(make_space):
    sites = make_space().sites
    fields = [
        "avg:fc4:sigmoid@pre_addition",
        "max:fc4nb:hard_sigmoid@identity",
        "-",
        "-",
        "avg:eca3:sigmoid@pre_unit",
        "-",
    ]
    assert label(Architecture.parse("/".join(["net", *fields])), sites) == (
        "blocks 1.0: avg r=4 pre_addition; blocks 1.1: max r=4 identity hard_sigmoid no bias; "
        "blocks 3.0: avg eca3 pre_unit"
    )


def test_values_of_a_placement_replace_the_papers_one_by_one(make_space):
    sites = make_space().sites
    first = place("net", sites, "all", {"reduction": "4", "gate": "hard_sigmoid"}).blocks[0]
    assert str(first) == "avg:fc4:hard_sigmoid@pre_addition"
    assert place("net", sites, "all", {"reduction": "64"}, 3).blocks[0].size == 3


@pytest.mark.parametrize(
    ("se", "expected"),
    [
        ("avg:fc16:sigmoid@pre_addition", (4, "r=4")),
        ("avg:fc3:sigmoid@pre_addition", (21, "r=21")),
        ("avg:fc200:sigmoid@pre_addition", (1, "r=1")),
        ("avg:eca5:sigmoid@pre_addition", (None, "eca5")),
        ("avg:diag:sigmoid@pre_addition", (None, "diag")),
    ],
)
def test_a_width_is_named_by_the_ratio_of_the_channels_to_it(se, expected):
    site = Site("1.0", 1, {"pre_addition": 64})
    assert (ratio(SE.parse(se), site), width(SE.parse(se), site)) == expected


def test_the_ratio_that_was_asked_for_comes_before_the_nominal_one():
    site = Site("1.0", 1, {"pre_addition": 64})
    assert ratio(SE("avg", "fc", 2, "sigmoid", "pre_addition", 24), site) == 24


@pytest.mark.parametrize(
    ("placement", "message"),
    [
        ("stages:3-1", "is outside the backbone's stages 1-3"),
        ("stages:2-9", "is outside the backbone's stages 1-3"),
        ("stages:1;2", "is not a list of stages; write `stages:1-3` or `stages:1,3`"),
        ("blocks:", "unknown placement"),
        ("allx", "unknown placement"),
        ("none:1", "unknown placement"),
    ],
)
def test_what_is_no_placement_is_refused_with_what_may_be_written(make_space, placement, message):
    with pytest.raises(UserError) as caught:
        place("net", make_space().sites, placement)
    assert message in caught.value.message


def test_baselines_use_the_papers_se_wherever_the_space_holds_it(make_space):
    _, everywhere, *_ = baselines(
        make_space(reduction=(4, 16), squeeze=("max", "avg"), gate=("hard_sigmoid", "sigmoid"))
    )
    assert str(everywhere.blocks[-1]) == "avg:fc4:sigmoid@pre_addition"
    _, everywhere, *_ = baselines(make_space(reduction=(8, 2), squeeze=("max", "std")))
    assert str(everywhere.blocks[-1]) == "max:fc8:sigmoid@pre_addition"


def test_without_blocks_to_switch_baselines_of_one_stage_are_told_once(make_space):
    assert len(baselines(make_space(stages=(2,)))) == 2
