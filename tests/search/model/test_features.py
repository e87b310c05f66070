"""What architectures have in common, as the model sees it."""

import numpy as np
import pytest

from search.model.features import COVARIATES, FAMILIES, Features, describe
from spaces import Architecture, Site

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


# -- what a column holds ----------------------------------------------------------------------------------------------

SITES = (
    Site("1.0", 1, {"pre_addition": 16, "post_addition": 16}),
    Site("1.1", 1, {"pre_addition": 16, "post_addition": 16}),
    Site("2.0", 2, {"pre_addition": 32, "post_addition": 32}),
)


def network(*fields):
    return Architecture.parse("/".join(["net", *fields]))


BEFORE, AFTER = "avg:fc4:sigmoid@pre_addition", "max:fc4:sigmoid@post_addition"
WIDE_BEFORE = "avg:fc8:hardsigmoid@pre_addition"
MEMBERS = [
    network("-", "-", "-"),
    network(BEFORE, "-", "-"),
    network(BEFORE, BEFORE, "-"),
    network("-", AFTER, WIDE_BEFORE),
    network("-", "-", AFTER),
]


def column_of(features, *name):
    return features.matrix[:, features.columns.index(name)]


def test_a_column_counts_the_share_of_a_stages_units():
    """Scaled as a family; so a column is compared by its ratios. Of equal columns the first is there."""
    found = describe(MEMBERS, SITES)
    shares = {
        ("gate", "hardsigmoid"): [0, 0, 0, 1, 0],
        ("gate", "sigmoid"): [0, 0.5, 1, 0.5, 1],
        ("position", "post_addition"): [0, 0, 0, 0.5, 1],
        ("position", "pre_addition"): [0, 0.5, 1, 1, 0],
        ("position x width", "post_addition", "r=4"): [0, 0, 0, 1, 0],
        ("position x width", "post_addition", "r=8"): [0, 0, 0, 0, 1],
        ("stage", "1"): [0, 0.5, 1, 0.5, 0],
        ("stage", "2"): [0, 0, 0, 1, 1],
        ("stage x position", "1", "pre_addition"): [0, 0.5, 1, 0, 0],
        ("unit", "1.0"): [0, 1, 1, 0, 0],
        ("unit", "1.1"): [0, 0, 1, 1, 0],
        ("width", "r=4"): [0, 1 / 3, 2 / 3, 1, 0],
    }
    assert found.columns == tuple(shares)
    for name, expected in shares.items():
        column = column_of(found, *name)
        assert column / column.max() == pytest.approx(expected), name


def test_the_variance_of_gains_is_divided_among_the_families_that_are_there():
    found = describe(MEMBERS, SITES)
    families = {column[0] for column in found.columns}
    total = sum(FAMILIES[family] for family in families)
    for family in families:
        mine = [i for i, column in enumerate(found.columns) if column[0] == family]
        explained = (found.matrix[:, mine] ** 2).sum(axis=1).mean()
        assert explained == pytest.approx(FAMILIES[family] / total)
    assert (found.matrix**2).sum(axis=1).mean() == pytest.approx(1)
    assert sum(FAMILIES.values()) == pytest.approx(1)


def test_a_column_that_is_constant_or_equal_to_an_earlier_one_is_left_out():
    found = describe(MEMBERS, SITES)
    assert list(found.columns) == sorted(found.columns)
    assert len({column.tobytes() for column in found.matrix.T}) == len(found.columns)
    assert all(np.ptp(column) > 0 for column in found.matrix.T)
    same = describe([network(BEFORE, BEFORE, BEFORE)] * 3, SITES)
    assert same.columns == ()
    assert same.matrix.shape == (3, 0)


def test_plain_is_all_zeros_and_single_precision_is_the_same_matrix():
    found = describe(MEMBERS, SITES)
    assert not found.matrix[0].any()
    assert found.single.dtype == np.float32
    assert np.array_equal(found.single, found.matrix.astype(np.float32))
    assert Features.none(4).matrix.shape == (4, 0)


# -- covariates: numbers that are known before an architecture is trained ---------------------------------------------


def with_columns(*columns):
    matrix = np.column_stack(columns)
    return describe(MEMBERS, SITES).with_covariates(matrix, [f"c{i}" for i in range(matrix.shape[1])])


def test_covariates_are_standardised_over_all_but_plain_and_share_the_variance():
    found = with_columns([9e9, 1.0, 2.0, 3.0, 4.0], [0.0, 50.0, 10.0, 90.0, 20.0])
    plain, *rest = found.matrix
    assert not plain.any()
    covariates = np.array(rest)[:, found.is_covariate]
    assert covariates.mean(axis=0) == pytest.approx(0)
    assert (covariates**2).mean(axis=0) == pytest.approx(COVARIATES / 2)
    assert (found.matrix[:, ~found.is_covariate] ** 2).sum(axis=1).mean() == pytest.approx(1 - COVARIATES)
    assert found.columns[-2:] == (("covariate", "c0"), ("covariate", "c1"))


def test_the_scale_gives_covariates_their_share_and_the_rest_to_the_others():
    plain = describe(MEMBERS, SITES)
    found = with_columns([0.0, 1.0, 2.0, 3.0, 4.0])
    nothing = found.matrix * found.scale(0.0)
    assert np.allclose(nothing[:, ~found.is_covariate], plain.matrix)
    assert not nothing[:, found.is_covariate].any()
    third = found.matrix * found.scale(0.3)
    assert (third[1:, found.is_covariate] ** 2).mean() == pytest.approx(0.3)
    assert np.array_equal(plain.scale(0.3), np.ones(len(plain.columns)))


def test_what_is_not_known_or_does_not_vary_says_nothing():
    plain = describe(MEMBERS, SITES)
    assert with_columns([0.0, 5.0, 5.0, 5.0, 5.0], [1.0, np.nan, np.nan, np.nan, 2.0]) is not plain
    assert with_columns([0.0, 5.0, 5.0, 5.0, 5.0], [1.0, np.nan, np.nan, np.nan, 2.0]).columns == plain.columns
    found = with_columns([np.nan, 1.0, np.nan, 2.0, np.inf])
    assert (found.matrix[:, found.is_covariate].ravel() != 0).tolist() == [False, True, False, True, False]


def test_one_far_value_does_not_set_the_scale_of_a_covariate():
    rest = np.random.default_rng(0).standard_normal(40)
    members = Features.none(41)
    near = members.with_covariates(np.array([[0.0, *rest]]).T, ["c"]).matrix[1:, 0]
    far = members.with_covariates(np.array([[0.0, 1e6, *rest[1:]]]).T, ["c"]).matrix[1:, 0]
    assert np.std(far[1:]) > 0.8 * np.std(near[1:])
    assert far[0] == far.max()
