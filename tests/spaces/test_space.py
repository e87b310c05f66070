import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import SE, Architecture, Site, Space, SpaceSpec, UserError

POSITIONS = ("pre_addition", "post_addition", "pre_unit", "identity")


def sites(widths=(16, 32, 64), blocks=1):
    return tuple(
        Site(f"{stage}.{block}", stage, dict.fromkeys(POSITIONS, width))
        for stage, width in enumerate(widths, start=1)
        for block in range(blocks)
    )


def some(values, most=3):
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True).map(tuple)


specs = st.builds(
    SpaceSpec,
    granularity=st.sampled_from(["stage", "block"]),
    tie=st.one_of(st.sampled_from(["all", "none"]), some(["reduction", "position", "squeeze", "gate"])),
    reduction=some([2, 4, 8, 16]),
    position=some(POSITIONS, 2),
    squeeze=some(["avg", "max"], 2),
    gate=some(["sigmoid", "hard_sigmoid"], 2),
    min_hidden=st.sampled_from([None, 1, 3, 8]),
)


def every_spelling(space):
    names = list(space.parameters)
    return (dict(zip(names, choice, strict=True)) for choice in itertools.product(*space.parameters.values()))


@given(specs)
def test_the_space_is_exactly_what_its_parameters_can_spell(spec):
    space = Space("net", sites((16, 32)), spec)
    spelled = {space.decode(parameters) for parameters in every_spelling(space)}
    listed = list(space)
    assert len(listed) == len(set(listed)) == len(space) == space.size
    assert set(listed) == spelled


@given(specs, st.integers(0, 2**32))
def test_index_encode_and_contains_agree(spec, seed):
    space = Space("net", sites(blocks=2), spec)
    architecture = space.sample(random.Random(seed))
    assert architecture in space
    assert space[space.index(architecture)] == architecture
    assert space.decode(space.encode(architecture)) == architecture


@given(specs, st.integers(0, 2**32))
def test_neighbours_are_other_members_and_neighbourhood_is_mutual(spec, seed):
    space = Space("net", sites((16, 32)), spec)
    architecture = space.sample(random.Random(seed))
    neighbours = space.neighbours(architecture)
    assert architecture not in neighbours
    assert len(set(neighbours)) == len(neighbours)
    assert all(other in space for other in neighbours)
    # With every factor free or every factor tied, a step can be taken back.
    if spec.tie in ("all", "none"):
        assert all(architecture in space.neighbours(other) for other in neighbours)


def test_the_plain_network_is_number_zero(make_space):
    assert make_space()[0].is_plain


def test_tied_size_is_plain_plus_subsets_times_settings(make_space):
    space = make_space(reduction=(4, 8), squeeze=("avg", "max", "std"), position=("pre_addition",))
    assert space.size == 1 + 7 * 6
    assert space.nominal_size == 8 * 6


def test_free_size_is_a_product(make_space):
    space = make_space(tie="none", reduction=(4, 8), squeeze=("avg",), position=POSITIONS)
    assert space.size == space.nominal_size == (1 + 8) ** 3


def test_ratios_that_round_to_one_width_are_one_architecture(make_space):
    space = make_space(reduction=(8, 16), min_hidden=8, squeeze=("avg",), position=("pre_addition",))
    narrow = make_space(reduction=(16,), min_hidden=8, squeeze=("avg",), position=("pre_addition",))
    # At 16 and 32 and 64 channels r=8 and r=16 leave 8 hidden units, so there is one setting, not two.
    assert space.size == narrow.size == 8
    assert space.nominal_size == 16


def test_a_large_space_is_numbered_without_being_listed(make_space):
    space = make_space(widths=(64, 128, 256, 512), blocks=4, granularity="block", tie="none", position=POSITIONS)
    assert space.size == (1 + 2 * 4 * 2) ** 16
    assert space.index(space[space.size - 1]) == space.size - 1


def test_stages_and_sites_confine_se(make_space):
    space = make_space(stages=(2, 3), sites=("2.0", "3.1"), granularity="block", squeeze=("avg",))
    allowed = {2, 5}
    assert {i for architecture in space for i, se in enumerate(architecture.blocks) if se} == allowed


def test_an_architecture_of_another_shape_is_no_member(make_space):
    space = make_space(squeeze=("avg",), reduction=(4,))
    se = SE("max", "fc", 4, "sigmoid", "pre_addition")
    others = [
        Architecture.plain("other", 6),
        Architecture.plain("net", 5),
        Architecture("net", (se, se, *[None] * 4)),
        Architecture("net", (SE("avg", "fc", 4, "sigmoid", "pre_addition"), *[None] * 5)),
    ]
    for other in others:
        assert other not in space
        with pytest.raises(ValueError, match="not in the space"):
            space.index(other)


@pytest.mark.parametrize(
    ("spec", "key", "says"),
    [
        ({"reduction": (32,)}, "space.reduction", "leaves no channel at site 1.0 (16 channels"),
        ({"reduction": (0,)}, "space.reduction", "at least 1"),
        ({"stages": (4,)}, "space.stages", "stages 1, 2, 3"),
        ({"sites": ("9.9",)}, "space.sites", "1.0, 1.1"),
        ({"stages": (1,), "sites": ("2.0",)}, "space.sites", "leave no site"),
    ],
)
def test_what_cannot_be_built_is_refused_by_key_and_site(make_space, spec, key, says):
    with pytest.raises(UserError) as caught:
        make_space(**spec)
    assert caught.value.key == key
    assert says in caught.value.message


def test_min_hidden_mends_a_ratio_that_leaves_nothing(make_space):
    assert make_space(reduction=(32,), min_hidden=1, position=("pre_addition",), squeeze=("avg",)).size == 8


@pytest.mark.parametrize("tie", ["all", "none"])
def test_ratios_of_what_has_no_hidden_width_are_one_network(make_space, tie):
    spec = {"position": ("pre_addition",), "squeeze": ("avg",), "tie": tie}
    one = make_space(reduction=(4,), excitation=("eca", "eca3", "diag"), **spec)
    many = make_space(reduction=(2, 4, 8), excitation=("eca", "eca3", "diag"), **spec)
    assert set(many) == set(one)
    assert many.size == one.size < many.nominal_size
    assert {se.excitation for member in one for se in member.blocks if se} == {"eca3", "diag"}  # up to 64 channels


def test_no_ratio_is_too_large_where_there_is_no_hidden_width(make_space):
    assert make_space(reduction=(1000,), excitation=("diag",), position=("pre_addition",), squeeze=("avg",)).size == 8


def test_a_position_that_a_unit_has_not_says_what_to_write():
    with pytest.raises(UserError) as caught:
        Space("net", [Site("1.0", 1, {"output": 8})], SpaceSpec())
    assert "offers no position `pre_addition`; it offers output" in caught.value.message
    assert caught.value.hint == "write `position: [output]`, the only position that this unit offers"


# -- numbers, spellings and neighbours --------------------------------------------------------------------------------


@given(specs)
def test_every_member_has_a_number_and_every_number_a_member(spec):
    space = Space("net", sites((16, 32)), spec)
    members = [space[i] for i in range(space.size)]
    assert len(set(members)) == space.size
    assert [space.index(member) for member in members] == list(range(space.size))
    with pytest.raises(IndexError):
        space[space.size]


@given(specs)
def test_the_nominal_size_is_the_number_of_spellings_of_tied_and_free_factors(spec):
    space = Space("net", sites((16, 32)), spec)
    expected = 1
    for name in ("reduction", "position", "squeeze", "gate", "excitation"):
        if name in spec.tied():
            expected *= len(spec.values(name))
    free = 1
    for name in ("reduction", "position", "squeeze", "gate", "excitation"):
        if name not in spec.tied():
            free *= len(spec.values(name))
    assert space.nominal_size == expected * (1 + free) ** len(space.groups)


@given(specs)
def test_with_free_factors_neighbours_are_all_members_that_differ_in_one_group(spec):
    space = Space("net", sites((16, 32)), replace(spec, tie="none"))
    members = list(space)
    for architecture in (members[0], members[len(members) // 2]):
        expected = set()
        for other in members:
            differs = [
                any(architecture.blocks[i] != other.blocks[i] for i in places) for places in space.groups.values()
            ]
            if sum(differs) == 1:
                expected.add(other)
        assert set(space.neighbours(architecture)) == expected


def test_encoding_gives_the_first_spelling(make_space):
    space = make_space(reduction=(8, 16), min_hidden=8, squeeze=("avg",), position=("pre_addition",))
    spelled = space.encode(space[space.size - 1])
    assert spelled["reduction"] == "8"
    with pytest.raises(ValueError, match="is not in the space"):
        space.encode(Architecture.plain("other", 6))


def test_parameters_are_tied_factors_then_a_switch_and_the_free_factors_of_each_group(make_space):
    space = make_space(tie=("reduction",), squeeze=("avg", "max"), position=("pre_addition",))
    assert space.parameters == {
        "reduction": ("4", "16"),
        "stage1": ("off", "on"),
        "stage1.squeeze": ("avg", "max"),
        "stage2": ("off", "on"),
        "stage2.squeeze": ("avg", "max"),
        "stage3": ("off", "on"),
        "stage3.squeeze": ("avg", "max"),
    }
    by_block = make_space(
        granularity="block", stages=(1,), reduction=(4,), squeeze=("avg",), position=("pre_addition",)
    )
    assert by_block.parameters == {"block1.0": ("off", "on"), "block1.1": ("off", "on")}
    assert by_block.groups == {"block1.0": (0,), "block1.1": (1,)}


def test_members_are_drawn_with_equal_chances(make_space):
    space = make_space(blocks=1, reduction=(4,), squeeze=("avg",))
    rng = random.Random(0)
    drawn = [space.index(space.sample(rng)) for _ in range(150 * space.size)]
    counts = [drawn.count(i) for i in range(space.size)]
    assert min(counts) > 100
    assert max(counts) < 200


def test_with_tied_factors_a_neighbour_may_have_another_value_everywhere(make_space):
    space = make_space(reduction=(4, 8), squeeze=("avg",), position=("pre_addition",))
    spelled = {"reduction": "4", "stage1": "on", "stage2": "off", "stage3": "on"}
    steps = [("reduction", "8"), ("stage1", "off"), ("stage2", "on"), ("stage3", "off")]
    expected = {space.decode({**spelled, name: value}) for name, value in steps}
    assert set(space.neighbours(space.decode(spelled))) == expected
