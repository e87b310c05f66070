"""Main effects: contrasts of the levels of a factor."""

import numpy as np
import pytest

from search.model.features import describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.results.effects import Contrast, contrasts
from spaces import Architecture, Site
from tests.search.model.posteriors import drawn, searched


@pytest.fixture
def space(make_space):
    return make_space(reduction=(4, 16), squeeze=("avg", "max"))


def has(architecture, stage):
    return architecture.blocks[2 * stage - 2] is not None


def test_the_stage_that_pays_is_named_and_the_one_that_costs(space):
    posterior, members = searched(space, lambda a: 0.6 * has(a, 3) - 0.6 * has(a, 1))
    found = {(c.factor, c.level): c for c in contrasts(posterior, members, space.sites, 0.9)}
    assert [found["stage", s].verdict(0.9) for s in "123"] == ["costs", "open", "pays"]
    assert found["stage", "3"].low <= 0.6 <= found["stage", "3"].high
    assert found["stage", "3"].words().startswith("SE in stage 3 (+0.")


def test_a_position_is_compared_with_its_rivals(space):
    posterior, members = searched(
        space, lambda a: 0.8 * any(se is not None and se.position == "pre_addition" for se in a.blocks)
    )
    found = {(c.factor, c.level): c for c in contrasts(posterior, members, space.sites, 0.9)}
    before, after = found["position", "pre_addition"], found["position", "post_addition"]
    assert before.gain == pytest.approx(-after.gain)
    assert (before.verdict(0.9), after.verdict(0.9)) == ("pays", "costs")
    assert before.low <= 0.8 <= before.high


def test_without_any_effect_hardly_anything_seems_to_pay(space):
    wrong = []
    for seed in range(12):
        posterior, members = searched(space, lambda a: 0.0, seed=seed)
        wrong += [c.verdict(0.9) != "open" for c in contrasts(posterior, members, space.sites, 0.9)]
    assert np.mean(wrong) < 0.15


def test_effects_that_the_architectures_cannot_tell_apart_are_not_told(space):
    members = list(space)[:3]
    posterior = fit([Observation(a, 0, 90.0 + a) for a in (0, 0, 1, 2)], describe(members, space.sites))
    assert contrasts(posterior, members, space.sites, 0.9) == ()


def test_a_ratio_is_one_level_of_the_contrasts_at_every_width(make_space):
    space = make_space((64, 128, 256, 512), reduction=(4, 24), position=("pre_addition",), squeeze=("avg",))
    posterior, members = searched(space, lambda a: 0.0)
    found = contrasts(posterior, members, space.sites, 0.9)
    assert {c.level for c in found if c.factor == "width"} == {"r=4", "r=24"}


# -- figures counted by hand ------------------------------------------------------------------------------------------

SITES = (
    Site("1.0", 1, {"pre_addition": 16, "post_addition": 16}),
    Site("1.1", 1, {"pre_addition": 16, "post_addition": 16}),
    Site("2.0", 2, {"pre_addition": 32, "post_addition": 32}),
)
A, B, C = "avg:fc4:sigmoid@pre_addition", "avg:fc4:sigmoid@post_addition", "avg:fc8:sigmoid@pre_addition"
FIELDS = (
    ("-", "-", "-"),
    (A, "-", "-"),
    (A, A, "-"),
    ("-", "-", C),
    (A, A, C),
    (B, "-", "-"),
    (B, A, "-"),
    ("-", B, C),
)
MEMBERS = [Architecture.parse("/".join(("net", *fields))) for fields in FIELDS]


def shares(fields):
    """Share of stage 1, of stage 2, and of the SE units that stand before the addition."""
    used = [field for field in fields if field != "-"]
    before = sum(field != B for field in used) / len(used)
    return [sum(field != "-" for field in fields[:2]) / 2, float(fields[2] != "-"), before]


def test_a_contrast_is_the_least_squares_fit_of_every_draw():
    """Gains are made of effects that are known: 0.2 + 1.0 of stage 1 - 0.5 of stage 2 + 0.4 before the addition."""
    rng = np.random.default_rng(0)
    effects = np.array([1.0, -0.5, 0.4]) + rng.normal(0, 0.1, (501, 3))
    x = np.array([shares(fields) for fields in FIELDS[1:]])
    gains = np.column_stack([np.zeros(501), 0.2 + effects @ x.T])
    found = contrasts(drawn(gains), MEMBERS, SITES, 0.9)
    means = effects.mean(axis=0)
    assert {(c.factor, c.level): pytest.approx(c.gain) for c in found} == {
        ("position", "post_addition"): -means[2],
        ("position", "pre_addition"): means[2],
        ("stage", "1"): means[0],
        ("stage", "2"): means[1],
    }
    assert [(c.factor, c.level) for c in found] == sorted((c.factor, c.level) for c in found)


def test_a_contrast_has_the_mean_the_interval_and_the_chance_of_its_draws():
    draws = np.linspace(-0.205, 0.795, 101)
    members = [Architecture.parse(f"net/{first}/-/{last}") for first, last in (("-", "-"), (A, "-"), ("-", C), (A, C))]
    gains = np.column_stack([np.zeros(101), 0.1 + draws / 2, 0.1 + 0 * draws, 0.1 + draws / 2])
    found = {c.level: c for c in contrasts(drawn(gains), members, SITES, 0.8) if c.factor == "stage"}
    assert (found["1"].gain, found["1"].low, found["1"].high) == pytest.approx((0.295, -0.105, 0.695))
    assert found["1"].p_gain == pytest.approx(80 / 101)
    assert found["2"].gain == pytest.approx(0, abs=1e-9)


def test_without_any_gain_nothing_gains():
    found = contrasts(drawn(np.zeros((50, len(MEMBERS)))), MEMBERS, SITES, 0.9)
    assert {c.p_gain for c in found} <= {0.0}


@pytest.mark.parametrize(
    ("p_gain", "verdict"), [(0.75, "pays"), (0.749, "open"), (0.25, "costs"), (0.251, "open"), (0.5, "open")]
)
def test_a_verdict_begins_at_exactly_the_level(p_gain, verdict):
    assert Contrast("stage", "1", 0.1, 0.0, 0.2, p_gain).verdict(0.75) == verdict


def test_words_name_the_level_its_gain_and_the_interval():
    assert Contrast("stage", "2", 0.1, -0.05, 0.2, 0.7).words() == "SE in stage 2 (+0.10 points [-0.05, +0.20])"
    assert Contrast("squeeze", "max", -0.1, -0.2, 0.0, 0.7).words() == "squeeze max (-0.10 points [-0.20, +0.00])"


def test_of_plain_alone_there_are_no_contrasts():
    assert contrasts(drawn(np.zeros((5, 1))), MEMBERS[:1], SITES, 0.9) == ()


def test_a_network_of_one_stage_has_a_contrast_of_that_stage():
    sites = SITES[:2]
    members = [Architecture.parse(f"net/{first}/{last}") for first, last in (("-", "-"), (A, "-"), (A, A), ("-", A))]
    gains = np.column_stack([np.zeros(9), *[np.full(9, gain) for gain in (0.3, 0.5, 0.3)]])
    found = contrasts(drawn(gains), members, sites, 0.9)
    assert {(c.factor, c.level): round(c.gain, 6) for c in found} == {("stage", "1"): 0.4}
