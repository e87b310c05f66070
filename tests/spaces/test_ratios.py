"""A reduction ratio is one setting at every width, wherever an architecture comes from."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces import Architecture, Site, Space, SpaceSpec
from spaces.placements import PAPER, baselines, label, place, ratio, width
from spaces.ratios import Ratios
from spaces.spec import hidden_width

WIDE = (64, 128, 256, 512)
widths = st.lists(st.integers(1, 2048), min_size=1, max_size=4).map(tuple)
ratios = st.lists(st.integers(1, 64), min_size=1, max_size=4, unique=True).map(tuple)


def sites(channels, blocks=2):
    return tuple(
        Site(f"{stage}.{block}", stage, {"pre_addition": width, "pre_unit": max(1, width // 2)})
        for stage, width in enumerate(channels, start=1)
        for block in range(blocks)
    )


specs = st.builds(
    SpaceSpec,
    granularity=st.sampled_from(["stage", "block"]),
    tie=st.sampled_from(["all", "none", ("reduction",), ("position", "squeeze")]),
    reduction=ratios,
    position=st.sampled_from([("pre_addition",), ("pre_unit", "pre_addition")]),
    squeeze=st.just(("avg",)),
    excitation=st.sampled_from([("fc",), ("fc", "eca3"), ("diag", "fcnb")]),
    min_hidden=st.integers(1, 16),
)


def spelt(architecture):
    """The key and all ratios: what equality does not see."""
    return architecture.key, tuple(se and se.ratio for se in architecture.blocks)


@pytest.mark.parametrize("asked", [4, 16, 24, 48])
def test_one_ratio_is_one_setting_at_every_width(asked):
    space = Space("net", sites(WIDE), SpaceSpec(reduction=(asked,), position=("pre_addition",), squeeze=("avg",)))
    everywhere = next(member for member in space if all(member.blocks))
    assert [se.hidden for se in everywhere.blocks[::2]] == [channels // asked for channels in WIDE]
    assert {width(se, site) for se, site in zip(everywhere.blocks, space.sites, strict=True)} == {f"r={asked}"}
    assert label(everywhere, space.sites) == f"all stages: avg r={asked} pre_addition"


@given(widths, specs, st.integers(0, 2**32))
def test_every_way_to_an_architecture_gives_the_same_ratios(channels, spec, seed):
    space = Space("net", sites(channels), spec)
    member = space.sample(random.Random(seed))
    expected = spelt(member)
    assert spelt(space[space.index(member)]) == expected
    assert spelt(space.decode(space.encode(member))) == expected
    assert spelt(space.ratios.annotate(Architecture.parse(member.key), space.sites)) == expected
    for other in [*space.neighbours(member)[:5], *baselines(space)]:
        assert spelt(other) == spelt(space[space.index(other)])


@given(widths, specs, st.integers(0, 2**32))
def test_a_ratio_is_one_of_the_config_and_gives_the_width(channels, spec, seed):
    space = Space("net", sites(channels), spec)
    for site, se in zip(space.sites, space.sample(random.Random(seed)).blocks, strict=True):
        if se is not None and se.hidden:
            assert se.ratio in spec.reduction
            assert se.hidden == hidden_width(site.channels[se.position], se.ratio, spec.min_hidden)
            assert ratio(se, site) == se.ratio
        elif se is not None:
            assert se.ratio is None


@given(widths, specs)
def test_a_tied_ratio_is_one_over_the_whole_network(channels, spec):
    space = Space("net", sites(channels), spec)
    if "reduction" in spec.tied():
        for member in (space[0], space[space.size // 2], space[space.size - 1]):
            assert len({se.ratio for se in member.blocks if se and se.hidden}) <= 1


@given(widths, st.integers(1, 64))
def test_the_named_placement_has_the_ratio_that_was_asked_for(channels, asked):
    architecture = place("net", sites(channels), "all", {**PAPER, "reduction": str(asked)}, min_hidden=1)
    assert label(architecture, sites(channels)).startswith(("all stages", "stage 1"))
    assert label(architecture, sites(channels)).endswith(f": avg r={asked} pre_addition")


def test_two_ratios_that_round_to_one_width_everywhere_are_one_architecture():
    spec = SpaceSpec(reduction=(40, 48), position=("pre_addition",), squeeze=("avg",))
    space = Space("net", sites((64, 80)), spec)  # 64 // 40 = 64 // 48 = 1; 80 // 40 = 2 and 80 // 48 = 1
    first = [space.decode({"reduction": r, "stage1": "on", "stage2": "off"}) for r in ("40", "48")]
    assert first[0] == first[1]
    assert [label(a, space.sites) for a in first] == ["stage 1: avg r=40 pre_addition"] * 2
    both = [space.decode({"reduction": r, "stage1": "on", "stage2": "on"}) for r in ("40", "48")]
    assert [label(a, space.sites) for a in both] == [f"all stages: avg r={r} pre_addition" for r in (40, 48)]
    assert space.size == 1 + 1 + 2 * 2


def test_without_the_ratio_that_was_asked_for_it_is_the_nominal_one():
    asked = place("net", sites(WIDE), "all", {**PAPER, "reduction": "24"})
    parsed = Architecture.parse(asked.key)
    found = [ratio(se, site) for se, site in zip(parsed.blocks, sites(WIDE), strict=True)]
    assert found[::2] == [32, 26, 26, 24]


def test_what_no_ratio_of_the_config_gives_keeps_its_nominal_one():
    architecture = Architecture.parse("net/avg:fc7:sigmoid@pre_addition/-/-/-")
    named = Ratios((4, 16)).annotate(architecture, sites((64, 128)))
    assert named.blocks[0].ratio is None
    assert ratio(named.blocks[0], sites((64, 128))[0]) == 9


@pytest.mark.parametrize("key", ["net/avg:fc4:sigmoid@pre_addition", "net/avg:fc4:sigmoid@mid/-/-/-"])
def test_an_architecture_of_another_network_is_left_as_it_is(key):
    architecture = Architecture.parse(key)
    assert spelt(Ratios((16,)).annotate(architecture, sites((64, 128)))) == spelt(architecture)
