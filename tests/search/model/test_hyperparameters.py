"""The hyperparameter grid that a posterior is averaged over."""

from collections import Counter

import numpy as np
import pytest

from search.model.fitting import fit
from search.model.hyperparameters import HyperparameterGrid, Hyperparameters
from search.model.observations import Observation

SEEN = [Observation(a, 0, 90 + 0.1 * a + 0.2 * (-1) ** i) for a in range(4) for i in range(4)]


def test_every_tau_ratio_has_the_same_prior_weight_and_no_difference_half_of_it():
    for structured in (True, False):
        weights = Counter()
        for setting in HyperparameterGrid.default(0.3, structured=structured).settings:
            weights[setting.tau_ratio] += setting.prior
        assert weights == pytest.approx({0.0: 0.5, 0.2: 1, 0.4: 1, 0.7: 1, 1.1: 1, 1.8: 1, 3.0: 1})


def test_without_structure_gains_are_the_architectures_own():
    shares = [{s.own_share for s in HyperparameterGrid.default(0.3, structured=x).settings} for x in (False, True)]
    assert shares == [{1.0}, {0.3, 0.8, 1.0}]


@pytest.mark.parametrize(
    ("spread", "resolution", "low", "high"),
    [
        (0.3, 0.0, 0.02, 5.0),
        (0.3, 0.03, 0.02, 5.0),
        (0.3, 1.0, 0.5, 5.0),
        (10.0, 0.0, 0.02, 20.0),
        (0.3, 4.0, 2.0, 8.0),
    ],
)
def test_sigmas_reach_from_half_an_image_to_the_spread_of_the_data(spread, resolution, low, high):
    sigmas = HyperparameterGrid.default(spread, resolution=resolution).sigmas
    assert (sigmas[0], sigmas[-1], len(sigmas)) == (pytest.approx(low), pytest.approx(high), 28)
    assert np.ptp(np.diff(np.log(sigmas))) < 1e-9


def test_a_known_point_is_taken_at_its_word():
    found = fit(SEEN, grid=HyperparameterGrid.known(0.4, tau_ratio=1.5, own_share=0.25))
    assert set(found.sigmas) == {0.4}
    assert found.tau == pytest.approx(0.6)
    assert set(found.shares) == {0.25}


def test_the_default_grid_is_that_of_the_data():
    spread = float(np.std([o.accuracy for o in SEEN]))
    expected = fit(SEEN, grid=HyperparameterGrid.default(spread, resolution=0.2, structured=False))
    assert np.array_equal(fit(SEEN, resolution=0.2).gains, expected.gains)


def test_the_mean_gain_may_be_as_large_as_noise_and_spread_together():
    assert Hyperparameters.of(0.75, 0.5).mean_scale == pytest.approx(1.25)


def test_a_setting_has_weight_one_and_a_grid_is_structured_unless_said_otherwise():
    assert Hyperparameters.of(0.5, 0.3).prior == 1.0
    assert HyperparameterGrid.default(0.3) == HyperparameterGrid.default(0.3, structured=True)
    assert HyperparameterGrid.default(0.3) == HyperparameterGrid.default(0.3, resolution=0.0)
