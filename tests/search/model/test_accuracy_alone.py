"""The model of accuracy alone gives what it gave before it knew loss curves: golden numbers, taken at dec7b27."""

import numpy as np
import pytest

from search.bench import synthetic
from search.model.features import describe
from search.model.fitting import fit
from search.model.observations import Observations
from senet_nas.recipe import Seed

# Problem, trainings, blocks: mean of all gains, deviation of the gain of a1, sigma, tau.
GOLDEN = {
    ("113:0.6", 16, 1): (0.22897870062215467, 0.18286030537000753, 0.2666048643326671, 0.138790933508753),
    ("113:1", 64, 2): (0.02230635530054251, 0.21092445097022497, 0.3451047178859488, 0.2875571163645227),
    ("113:0.4:heavy-tails", 300, 8): (
        0.0709994263848975,
        0.06676592101911841,
        0.23269181687763624,
        0.09522912605717268,
    ),
}


@pytest.mark.parametrize(("name", "n", "blocks"), GOLDEN)
def test_it_gives_the_same_as_ever(name, n, blocks):
    problem = synthetic.named(name).problem(3)
    members, rng = list(problem.space), np.random.default_rng(1)
    places = [(0, 0, 0)]
    places += [(int(rng.integers(len(members))) if i % 6 else 0, i * blocks // n, i) for i in range(n)]
    rows = [(a, block, problem.accuracy(members[a], Seed(block, r))) for a, block, r in places]
    found = fit(Observations.of_rows(rows), describe(members, problem.space.sites), resolution=0.01)
    figures = (float(found.gains.mean()), float(found.gains[:, 1].std()), found.sigma, found.tau)
    assert figures == pytest.approx(GOLDEN[name, n, blocks], rel=1e-9)
    assert found.trust is None
