"""What loss curves tell: how much of the differences, how many trainings they save, and what is said about it."""

import dataclasses
import math

import numpy as np
import pytest

from search.model.curve_traits import TRAITS
from search.model.features import Features
from search.model.fitting import fit
from search.model.observations import Observation
from search.model.trust import Trust
from search.results.curve_trust import FEWEST, Agreement, CurveTrust, agreement, curve_trust
from search.results.search_progress import progress_of
from tests.search.model.posteriors import drawn


def trust(genetic, tau=0.5, trait=3.0, residual=0.0, n=40, luck=None):
    """Draws that are all alike. ``luck``: the correlation of its noise with that of accuracy; it has no differences."""
    size = 2 if luck is None else 3
    across, of_noise = np.eye(size), np.eye(size)
    across[0, 1] = across[1, 0] = genetic
    of_noise[0, 1] = of_noise[1, 0] = residual
    if luck is not None:
        of_noise[0, 2] = of_noise[2, 0] = luck
    every = [
        np.tile(part, (n, *[1] * np.ndim(part))) for part in (np.array([tau, trait, 0.0][:size]), across, of_noise)
    ]
    return Trust(*every, np.zeros(n, dtype=int))


def posterior(told, size=20):
    """Gains of 20 architectures that have nothing in common, sigma 0.2, tau as ``told`` says."""
    found = drawn(np.random.default_rng(0).normal(0, 0.1, (len(told.genetic), size)))
    return dataclasses.replace(found, trust=told, taus=told.tau_ratios[:, 0] * found.sigmas)


def test_what_is_known_after_some_trainings_is_what_a_regression_on_both_explains():
    told = trust(-0.8, residual=-0.4)
    between = np.array([[0.25, -0.8 * 1.5], [-0.8 * 1.5, 9.0]])
    within = np.array([[1.0, -0.4], [-0.4, 1.0]]) / 6
    expected = between[0] @ np.linalg.solve(between + within, between[0]) / 0.25
    assert told.reliability(6) == pytest.approx(expected)


def test_one_training_with_its_curve_is_as_good_as_one_with_less_noise():
    told = trust(-0.9)
    assert told.noise == pytest.approx(0.25 * (1 / told.reliability(1.0) - 1))
    assert (told.noise < 0.5).all()
    assert trust(0.0).noise == pytest.approx(1)
    assert trust(0.0, tau=0.0).noise == pytest.approx(1)
    known = posterior(told)
    assert known.noise == pytest.approx(0.04 * float(told.noise[0]))
    assert dataclasses.replace(known, trust=None).noise == pytest.approx(0.04)


def test_curves_that_tell_nothing_save_nothing():
    told = trust(0.0)
    assert told.reliability(6) == pytest.approx(6 * 0.25 / (1 + 6 * 0.25))
    found = curve_trust(posterior(told), 64, 0.9, 20)
    assert found.times == pytest.approx(1, abs=0.01)
    assert (found.p_nothing, found.explained) == (1, 0)


def test_luck_that_is_seen_saves_trainings_even_if_losses_tell_nothing_of_placements():
    """A correlation of -0.8 leaves 0.36 of the noise, so 36 trainings show as much as 100."""
    told = trust(0.0, luck=-0.8)
    assert told.reliability(36) == pytest.approx(trust(0.0).reliability(100))
    assert told.noise == pytest.approx(0.36)
    found = curve_trust(posterior(told), 64, 0.9, 20)
    assert found.times == pytest.approx(1 / 0.36, rel=0.02)
    assert found.p_nothing == 1
    assert "lucky" in found.words()


def test_losses_tell_something_also_if_late_ones_alone_do():
    told = trust(0.0, luck=-0.8)
    correlations = told.correlations.copy()
    correlations[:, 0, 2] = correlations[:, 2, 0] = -0.8
    late = dataclasses.replace(told, correlations=correlations)
    assert (late.p_nothing, late.p_early_nothing) == (0, 1)
    assert "tell nothing" not in curve_trust(posterior(late), 64, 0.9, 20).words()


def test_a_single_cell_of_the_grid_is_no_certainty():
    """It stands for all correlations up to the middle to the next; "nothing" for itself alone."""
    _, low, high = trust(-0.8, n=4000).explained(0.9)
    assert low == pytest.approx(0.66**2, abs=0.02)
    assert high == pytest.approx(0.873**2, abs=0.02)
    assert trust(0.0).explained(0.9) == (0, 0, 0)


def test_where_nothing_differs_nothing_is_known():
    told = trust(0.0, tau=0.0)
    assert (told.reliability(6) == 0).all()
    assert curve_trust(posterior(told), 64, 0.9, 20).times == 1


def test_as_many_trainings_without_curves_show_as_much():
    told = posterior(trust(-0.9))
    found = curve_trust(told, 64, 0.9, 20)
    assert found.times > 2
    bare = dataclasses.replace(told, trust=None)
    with_curves, without = (progress_of(p, n, 0.9, 20).score for p, n in ((told, 64), (bare, 64 * found.times)))
    assert with_curves == pytest.approx(without, abs=0.01)
    assert progress_of(bare, 64, 0.9, 20).score < with_curves


def test_the_share_and_the_traits_are_those_of_the_draws():
    told = trust(-0.9)
    genetic = np.where(np.arange(40) < 10, 0.0, -0.9)
    traits = np.arange(40) % 4 // 2
    correlations = told.correlations.copy()
    correlations[:, 0, 1] = correlations[:, 1, 0] = genetic
    mixed = dataclasses.replace(told, correlations=correlations, traits=traits)
    found = curve_trust(posterior(mixed), 64, 0.9, 20)
    assert found.p_nothing == pytest.approx(0.25)
    # -0.9 belongs to the cell of -0.97, which stands for all correlations from -1 to -0.885.
    assert found.explained == pytest.approx(0.75 * 0.89, abs=0.02)
    assert found.low == 0
    assert found.high > 0.9
    assert found.traits == pytest.approx({TRAITS[0]: 0.5, TRAITS[1]: 0.5})


def test_without_curves_there_is_nothing_to_trust():
    assert curve_trust(drawn(np.zeros((5, 3))), 64, 0.9, 20) is None


SURE = (
    "Training losses explain about 60 % (40 to 75 %) of the differences between placements. Without them, this search "
)
OPEN = "It is not known yet whether training losses tell anything about the accuracy of placements (probability that "
NOTHING = "Training losses probably tell nothing about the accuracy of placements (probability 90 %)"
LUCK = "; but they show how lucky a training was, and without them this search would need 2.3 times as many trainings."


@pytest.mark.parametrize(
    ("p_nothing", "times", "words"),
    [
        (0.05, 2.31, f"{SURE}would need 2.3 times as many trainings."),
        (0.5, 1.1, f"{OPEN}they tell nothing: 50 %)."),
        (0.5, 2.31, f"{OPEN}they tell nothing: 50 %){LUCK}"),
        (0.9, 1.1, f"{NOTHING}."),
        (0.9, 2.31, f"{NOTHING}{LUCK}"),
    ],
)
def test_it_is_said_how_far_losses_are_trusted(p_nothing, times, words):
    assert CurveTrust(p_nothing, 0.6, 0.4, 0.75, times, {}).words() == words


# -- among some placements --------------------------------------------------------------------------------------------


def trainings(correlation, n, seed=0):
    """Single trainings of ``n`` architectures, three of each, whose losses show gains with this correlation."""
    rng = np.random.default_rng(seed)
    gains = rng.standard_normal(n + 1)
    shown = correlation * gains + np.sqrt(1 - correlation**2) * rng.standard_normal(n + 1)
    return [
        Observation(a, 0, 90 + gains[a] + rng.normal(0, 0.5), tuple(np.exp([0.1 * shown[a] + rng.normal(0, 0.03), -1])))
        for a in list(range(1, n + 1)) * 3
    ]


def test_the_correlation_of_a_group_is_learned_from_its_own_trainings():
    found = agreement("mine", trainings(-0.95, 40), Features.none(41), 0.9)
    assert (found.group, found.trainings) == ("mine", 120)
    assert found.low <= found.correlation <= found.high < -0.6
    assert found.p_nothing < 0.05
    assert agreement("other", trainings(0.0, 40), Features.none(41), 0.9).p_nothing > 0.5


def test_of_few_trainings_or_without_curves_nothing_is_said():
    seen = trainings(-0.9, 8)
    few = agreement("few", seen[: FEWEST - 1], Features.none(9), 0.9)
    assert (few.trainings, few.unknown) == (FEWEST - 1, "fewer than 16 trainings can be compared")
    assert not agreement("few", seen[:FEWEST], Features.none(9), 0.9).unknown
    bare = [dataclasses.replace(o, losses=()) for o in seen]
    assert "no losses" in agreement("bare", bare, Features.none(9), 0.9).unknown
    assert fit(bare, Features.none(9)).trust is None


def test_trainings_that_are_alone_in_their_block_do_not_count_and_a_group_of_them_is_unknown():
    """Those of fresh pairs: with plain left out, nothing of theirs can be compared."""
    seen = trainings(-0.95, 40)
    fresh = [dataclasses.replace(o, block=1 + i) for i, o in enumerate(seen)]
    found = agreement("fresh", fresh, Features.none(41), 0.9)
    assert (found.trainings, found.unknown) == (0, "fewer than 16 trainings can be compared")
    mixed = agreement("mixed", [*seen, *fresh[:18]], Features.none(41), 0.9)
    assert (mixed.trainings, mixed.unknown) == (120, "")
    paused = [dataclasses.replace(o, accuracy=math.nan) if i > 5 else o for i, o in enumerate(seen)]
    assert "too few comparisons" in agreement("paused", paused, Features.none(41), 0.9).unknown


@pytest.mark.parametrize(("low", "high", "differs"), [(-0.96, 0.0, False), (-0.3, 0.1, False), (-0.1, 0.2, True)])
def test_correlations_differ_where_their_intervals_lie_apart(low, high, differs):
    first = Agreement("all", 63, -0.5, -0.9, -0.2, 0.1)
    other = Agreement("half", 45, (low + high) / 2, low, high, 0.3)
    assert other.differs_from(first) == first.differs_from(other) == differs
    assert not Agreement("few", 3, unknown="too few").differs_from(first)
    assert not Agreement("close", 45, -0.17, -0.19, -0.15, 0.1).differs_from(
        Agreement("all", 63, -0.1, -0.12, -0.08, 0.1)
    )
