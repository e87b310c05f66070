"""What late losses show of the luck of a training, and the grid that has it beside the curve."""

import itertools

import numpy as np
import pytest

from search.model import joint_luck
from search.model.curve_traits import luck_of, traits_of
from search.model.design import Design
from search.model.features import Features
from search.model.fitting import fit
from search.model.joint_evidence import entries, weigh
from search.model.joint_fitting import Solutions
from search.model.joint_grid import CURVE_RATIOS, GENETIC, OF_ACCURACY, RESIDUAL, curve_cells, joint_grid, shares_of
from search.model.observations import Observation, Observations

EPOCHS = 8


def searched(seed, *, genetic=0.0, shared=-0.85, late=0.0, architectures=40, n=96, tau=0.15, sigma=0.3):
    """Gains, and trainings: the first loss shows gains with the correlation ``genetic``, the late ones luck.

    ``shared`` is the correlation of luck with the noise of accuracy. The late losses also show gains: ``late`` points
    of luck for a gain of tau.
    """
    rng = np.random.default_rng(seed)
    gains = np.append(0.0, tau * rng.standard_normal(architectures))
    shown = genetic * gains / tau + np.sqrt(1 - genetic**2) * rng.standard_normal(len(gains))
    which = np.append(np.zeros(n // 6, dtype=int), rng.integers(1, architectures + 1, n - n // 6))
    found = []
    for a in which:
        noise = rng.standard_normal()
        luck = shared * noise + np.sqrt(1 - shared**2) * rng.standard_normal() + late * gains[a] / tau
        first = 0.05 * (shown[a] + 0.3 * rng.standard_normal())
        losses = [first - 0.1 * e + 0.04 * luck * min(e, 4) / 4 for e in range(EPOCHS)]
        found.append(Observation(int(a), 0, 90 + gains[a] + sigma * noise, tuple(np.exp(losses))))
    return gains, found


def error(posterior, gains):
    """The mean squared error of the gains of trained architectures."""
    places = list(posterior.architectures)
    return float(np.mean((posterior.gains.mean(axis=0) - gains[places]) ** 2))


def without_curves(seen):
    return [Observation(o.architecture, o.block, o.accuracy) for o in seen]


def test_luck_goes_with_no_trait_and_with_no_block():
    rng = np.random.default_rng(0)
    block = np.repeat([0, 1, 2], 20)
    losses = np.exp(rng.normal(0, 0.1, (60, EPOCHS)).cumsum(axis=1) + block[:, None])
    traits = traits_of(losses, block)
    lucks = luck_of(losses, traits, block)
    assert lucks.shape == traits.shape
    for trait, luck in zip(traits.T, lucks.T, strict=True):
        apart = [trait[block == b] - trait[block == b].mean() for b in range(3)]
        assert np.concatenate(apart) @ luck == pytest.approx(0, abs=1e-6)
        assert luck.std() == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(("epochs", "early"), [(8, 4), (5, 2), (2, 1), (1, 1)])
def test_the_traits_are_the_first_loss_and_the_first_half(epochs, early):
    """What comes later is luck's, not theirs."""
    rng = np.random.default_rng(0)
    block = np.repeat([0, 1], 20)
    losses = np.exp(rng.normal(0, 0.1, (40, epochs)))
    traits = traits_of(losses, block)
    for trait, shown in zip(traits.T, (losses[:, 0], losses[:, :early].sum(axis=1)), strict=True):
        assert np.corrcoef(trait, np.log(shown))[0, 1] > 0.95
    later = np.column_stack([losses[:, :early], np.exp(rng.normal(0, 0.1, (40, epochs - early)))])
    assert np.array_equal(traits_of(later, block), traits)


def test_of_one_epoch_there_is_no_luck():
    losses = np.exp(np.random.default_rng(0).normal(0, 0.1, (6, 1)))
    block = np.zeros(6, dtype=int)
    assert luck_of(losses, traits_of(losses, block), block) is None


def test_trainings_that_have_paused_have_no_luck_and_the_others_keep_theirs():
    rng = np.random.default_rng(0)
    losses = np.exp(rng.normal(0, 0.1, (20, EPOCHS)))
    block = np.repeat([0, 1], 10)
    trait = traits_of(losses[:, :1], block)[:, :1]
    is_whole = np.arange(20) % 5 != 3
    paused = losses.copy()
    paused[~is_whole, 1:] = np.nan
    found = luck_of(paused, trait, block)
    assert np.isnan(found[~is_whole]).all()
    assert found[is_whole] == pytest.approx(luck_of(losses[is_whole], trait[is_whole], block[is_whole]))


def test_luck_that_is_seen_lowers_the_error_even_if_losses_tell_nothing_of_architectures():
    worlds = [searched(seed) for seed in range(8)]
    with_luck = np.mean([error(fit(seen), gains) for gains, seen in worlds])
    alone = np.mean([error(fit(without_curves(seen)), gains) for gains, seen in worlds])
    assert with_luck < 0.85 * alone


def test_losses_that_have_nothing_to_do_with_accuracy_do_little_harm():
    worlds = [searched(seed, shared=0.0) for seed in range(8)]
    with_luck = np.mean([error(fit(seen), gains) for gains, seen in worlds])
    alone = np.mean([error(fit(without_curves(seen)), gains) for gains, seen in worlds])
    assert with_luck < 1.08 * alone


def test_intervals_hold_also_where_late_losses_show_gains_and_not_luck_alone():
    """A placement that learns better late has both: more accuracy and less late loss."""
    held = []
    for late in (0.0, -0.5):
        for seed in range(8):
            gains, seen = searched(seed, late=late)
            posterior = fit(seen)
            for a in posterior.architectures[1:]:
                _, low, high = posterior.interval(a, 0.9)
                held.append(low <= gains[a] <= high)
    assert 0.8 <= np.mean(held) <= 0.97


@pytest.mark.parametrize(
    "world",
    [
        {"seed": 3, "genetic": -0.8},
        {"seed": 4, "n": 32},
        {"seed": 5, "genetic": -0.9, "late": -0.9, "tau": 0.4, "n": 32},
        {"seed": 6, "late": -0.5, "tau": 0.5},
    ],
    ids=["curves tell much", "few trainings", "late losses tell much", "gains are large"],
)
def test_the_cells_left_out_would_not_change_the_result(world):
    """All combinations of curve and luck, against those that are kept."""
    _, seen = searched(**world)
    seen = Observations.of(seen)
    design = Design.of(seen, Features.none(41))
    traits = traits_of(seen.losses, design.block)[:, :1]
    luck = luck_of(seen.losses, traits, design.block)
    sides = np.column_stack([seen.accuracy - 90, design.x[:, design.n_blocks], traits, luck])
    pair = joint_grid(structured=False)
    left = Solutions(design, sides, np.ones(len(sides)), pair).left
    sigmas = np.geomspace(0.1, 0.8, 12)
    found = joint_luck.combinations(tuple(pair.shares))
    every = found.grid.of(np.flatnonzero(found.lattice.is_possible))
    few = joint_luck.with_luck(left, sigmas, pair, 1)
    assert len(few.share) < 0.2 * len(every.share)
    told = []
    for grid in (few, every):
        kept, weights = weigh(entries(left, grid, [(0, 1)]), sigmas)
        by_entry = weights.sum(axis=1)
        told.append(
            [
                by_entry @ grid.tau_ratio[kept.cell, 0],
                by_entry @ grid.genetic[kept.cell, 0, 1],
                by_entry @ grid.residual[kept.cell, 0, 2],
                weights.sum(axis=0) @ sigmas,
            ]
        )
    assert told[0] == pytest.approx(told[1], abs=0.04)


@pytest.mark.parametrize("n_shares", [1, 2])
def test_the_prior_of_accuracy_and_curve_is_the_same_with_luck(n_shares):
    """What correlations with the luck make impossible is left to other luck, not to other curves."""
    every = joint_luck.combinations(tuple(shares_of(structured=n_shares == 2, covariates=False)))
    axes = every.lattice.shape
    with_luck = np.exp(every.grid.log_prior).reshape(*axes[:5], -1).sum(axis=-1)
    pair = curve_cells(n_shares)
    of_pair = {
        (share, ratio, curve, genetic, residual): prior
        for share, (ratio, curve), genetic, residual, prior in zip(
            pair.share,
            pair.tau_ratio,
            pair.genetic[:, 0, 1],
            pair.residual[:, 0, 1],
            np.exp(pair.log_prior),
            strict=True,
        )
    }
    names = (range(n_shares), [ratio for ratio, _ in OF_ACCURACY], CURVE_RATIOS, GENETIC, RESIDUAL)
    lost = 0.0
    for place, key in zip(np.ndindex(axes[:5]), itertools.product(*names), strict=True):
        if with_luck[place]:
            assert with_luck[place] == pytest.approx(of_pair[key])
        else:
            lost += of_pair.get(key, 0.0)
    assert lost < 0.01 * sum(of_pair.values())


def test_correlations_of_curve_and_luck_can_all_be_true():
    """They explain at most all of the differences, also after rounding."""
    every = joint_luck.combinations(tuple(shares_of(structured=True, covariates=False)))
    grid = every.grid.of(np.flatnonzero(every.lattice.is_possible))
    assert (grid.genetic[:, 0, 1:] ** 2).sum(axis=1).max() <= 1 + 1e-9
    called = np.where(np.eye(3, dtype=bool), 1.0, grid.genetic)
    assert np.linalg.eigvalsh(called).min() > -1e-9


def test_where_no_luck_can_stand_beside_the_curve_the_curve_is_taken_alone(monkeypatch):
    _, seen = searched(1)
    joint_luck.combinations.cache_clear()
    monkeypatch.setattr(joint_luck, "_possible", lambda genetic, *_: np.zeros(len(genetic), dtype=bool))
    without_luck = fit(seen)
    joint_luck.combinations.cache_clear()
    assert without_luck.trust.tau_ratios.shape[1] == 2
    monkeypatch.setattr("search.model.fitting.luck_of", lambda *_: None)
    assert np.array_equal(fit(seen).gains, without_luck.gains)
