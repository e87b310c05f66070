"""What a config allows, and the SE that factor values mean at a site."""

import dataclasses

import pytest

from spaces import SE, Site, SpaceSpec, UserError
from spaces.spec import FACTORS, eca_kernel, fill, hidden_width

VALUES = {"reduction": "4", "position": "pre_addition", "squeeze": "avg", "excitation": "fc", "gate": "sigmoid"}
SITE = Site("1.0", 1, {"pre_addition": 64, "output": 128})


def test_the_default_space_is_that_of_the_documentation():
    spec = SpaceSpec()
    assert {name: spec.values(name) for name in FACTORS} == {
        "reduction": ("4", "16"),
        "position": ("pre_addition", "post_addition"),
        "squeeze": ("avg", "max"),
        "excitation": ("fc",),
        "gate": ("sigmoid",),
        "operators": ("se",),
    }
    assert (spec.granularity, spec.tie, spec.stages, spec.sites, spec.min_hidden) == ("stage", "all", None, None, None)


@pytest.mark.parametrize(
    ("tie", "tied"), [("all", FACTORS), ("none", ()), (("gate", "reduction"), ("reduction", "gate")), ((), ())]
)
def test_tied_factors_are_named_in_a_fixed_order(tie, tied):
    assert SpaceSpec(tie=tie).tied() == tied


def test_values_are_distinct_and_in_the_order_of_the_config():
    assert SpaceSpec(reduction=(16, 4, 16)).values("reduction") == ("16", "4")


@pytest.mark.parametrize(
    ("excitation", "expected"),
    [
        ("fc", SE("avg", "fc", 16, "sigmoid", "pre_addition", 4)),
        ("fcnb", SE("avg", "fcnb", 16, "sigmoid", "pre_addition", 4)),
        ("eca", SE("avg", "eca", 3, "sigmoid", "pre_addition")),
        ("eca3", SE("avg", "eca", 3, "sigmoid", "pre_addition")),
        ("eca5", SE("avg", "eca", 5, "sigmoid", "pre_addition")),
        ("eca7", SE("avg", "eca", 7, "sigmoid", "pre_addition")),
        ("eca9", SE("avg", "eca", 9, "sigmoid", "pre_addition")),
        ("diag", SE("avg", "diag", 0, "sigmoid", "pre_addition")),
    ],
)
def test_values_mean_an_se_at_a_site(excitation, expected):
    found = fill(SITE, {**VALUES, "excitation": excitation})
    assert found == expected
    assert found.ratio == expected.ratio


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("se", SE("avg", "fc", 16, "sigmoid", "pre_addition", 4)),
        ("ese", SE("avg", "ese", 0, "sigmoid", "pre_addition")),
        ("coord", SE("coord", "axes", 16, "sigmoid", "pre_addition", 4)),
        ("spatial", SE("spatial", "conv", 7, "sigmoid", "pre_addition")),
        ("simam", SE("simam", "none", 0, "sigmoid", "pre_addition")),
    ],
)
def test_a_whole_operator_has_a_squeeze_and_an_excitation_of_its_own(operator, expected):
    found = fill(SITE, {**VALUES, "squeeze": "avg", "operators": operator})
    assert found == expected
    assert found.ratio == expected.ratio


def test_an_unknown_operator_is_refused_with_the_nearest():
    with pytest.raises(UserError, match="unknown operator `simm`") as caught:
        fill(SITE, {**VALUES, "operators": "simm"})
    assert (caught.value.key, caught.value.hint) == ("space.operators", "did you mean `simam`?")


def test_the_width_and_the_kernel_follow_from_the_channels_at_the_position():
    assert fill(SITE, {**VALUES, "position": "output"}).size == 32
    assert fill(SITE, {**VALUES, "position": "output", "excitation": "eca"}).size == eca_kernel(128) == 5


@pytest.mark.parametrize(
    ("channels", "ratio", "least", "width"),
    [
        (64, 4, None, 16),
        (64, 24, None, 2),
        (64, 65, None, 0),
        (64, 65, 1, 1),
        (64, 16, 8, 8),
        (64, 4, 8, 16),
        (64, 64, None, 1),
    ],
)
def test_the_hidden_width_is_rounded_down_but_not_below_the_smallest(channels, ratio, least, width):
    assert hidden_width(channels, ratio, least) == width


@pytest.mark.parametrize(
    ("values", "key", "message", "hint"),
    [
        ({"reduction": "0"}, "space.reduction", "reduction 0 is not a ratio; it must be at least 1", ""),
        (
            {"reduction": "65"},
            "space.reduction",
            "leaves no channel at site 1.0 (64 channels at pre_addition)",
            "use at most 64, or set space.min_hidden: 1",
        ),
        (
            {"position": "mid"},
            "space.position",
            "offers no position `mid`; it offers pre_addition, output",
            "write `position: [pre_addition]`",
        ),
        ({"excitation": "fcx"}, "space.excitation", "unknown excitation `fcx`", "did you mean `fc"),
    ],
)
def test_what_cannot_be_built_is_refused_by_key_with_what_to_write(values, key, message, hint):
    with pytest.raises(UserError) as caught:
        fill(SITE, {**VALUES, **values})
    assert message in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert caught.value.key == key


def test_a_unit_that_adds_says_only_which_position_it_has():
    with pytest.raises(UserError) as caught:
        fill(Site("1.0", 1, {"pre_addition": 64}), {**VALUES, "position": "mid"})
    assert caught.value.hint == "write `position: [pre_addition]`, the only position that this unit offers"


def test_a_ratio_of_one_and_one_that_leaves_one_channel_are_ratios():
    assert fill(SITE, {**VALUES, "reduction": "1"}).size == 64
    assert fill(SITE, {**VALUES, "reduction": "64"}).size == 1
    assert fill(SITE, {**VALUES, "reduction": "100"}, 1).size == 1


def test_sites_are_equal_by_channels_but_hash_without_them():
    """A mapping has no hash."""
    assert hash(SITE) == hash(Site("1.0", 1, {"pre_addition": 8}))
    assert Site("1.0", 1, {"pre_addition": 8}) != SITE


def test_lists_have_at_least_one_value_and_a_width_at_least_one_channel():
    limits = {}
    for field in dataclasses.fields(SpaceSpec):
        limits[field.name] = {name: value for name, value in field.metadata.items() if name != "description"}
    assert limits.pop("min_hidden") == {"ge": 1}
    assert limits.pop("granularity") == limits.pop("tie") == {}
    assert set(limits) == {*FACTORS, "stages", "sites"}
    assert all(found == {"min_length": 1} for found in limits.values())
