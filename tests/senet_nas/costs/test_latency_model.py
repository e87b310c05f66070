import random

import pytest

from senet_nas.costs.latency_model import Timed, fit, sample
from spaces import Architecture

SQUEEZE = {"avg": 1.0, "max": 2.0, "std": 4.0}
STAGE = {1: 3.0, 2: 2.0, 3: 1.0}


@pytest.fixture
def space(make_space):
    return make_space(granularity="block", tie=(), squeeze=("avg", "max", "std"), position=("pre_addition", "identity"))


def true(space, architecture):
    """The true cost of an architecture: stage times squeeze at each site, plus one for the position `identity`."""
    return sum(
        STAGE[site.stage] * SQUEEZE[se.squeeze] / 2 + (se.position == "identity")
        for site, se in zip(space.sites, architecture.blocks, strict=True)
        if se is not None
    )


def timed(space, n, noise=0.0, seed=0):
    rng = random.Random(seed)
    return [Timed(a, true(space, a) + rng.gauss(0, noise), 2 * noise) for a in sample(space, n, rng)]


def test_architectures_never_timed_are_predicted(space):
    model = fit(space.sites, timed(space, 60, noise=0.2), plain_ms=10.0)
    unseen = timed(space, 100, seed=1)
    errors = [abs(model.overhead(t.architecture) - t.overhead) for t in unseen]
    assert sum(errors) / len(errors) < 0.5
    assert model.error == pytest.approx(sum(errors) / len(errors), abs=0.35)
    assert model.tau > 0.9
    assert model.is_trusted


def test_plain_costs_nothing_more_and_milliseconds_follow(space):
    model = fit(space.sites, timed(space, 30), plain_ms=10.0)
    plain = Architecture.plain(space.backbone, len(space.sites))
    assert model.of(plain) == {"latency_ms": 10.0, "latency_overhead": 0.0}
    other = timed(space, 1)[0].architecture
    assert model.of(other)["latency_ms"] == pytest.approx(10 * (1 + model.overhead(other) / 100))


def test_a_wide_interval_counts_less(space):
    good = timed(space, 50, noise=0.1)
    wild = [Timed(t.architecture, t.overhead + 40, 40.0) for t in timed(space, 10, seed=2)]
    model = fit(space.sites, good + wild, plain_ms=1.0)
    errors = [abs(model.overhead(t.architecture) - t.overhead) for t in timed(space, 50, seed=3)]
    assert sum(errors) / len(errors) < 1.0


def test_what_does_not_add_up_is_not_trusted(space):
    rng = random.Random(0)
    model = fit(space.sites, [Timed(t.architecture, rng.gauss(0, 20), 0.1) for t in timed(space, 40)], plain_ms=1.0)
    assert model.error > 2
    assert not model.is_trusted


def test_few_and_many_se_are_sampled_each_once(space):
    found = sample(space, 50, random.Random(0))
    assert len(set(found)) == 50
    counts = {sum(se is not None for se in a.blocks) for a in found}
    assert {1, 2, 3, 4} <= counts
    assert not any(a.is_plain for a in found)


def test_a_small_space_is_sampled_as_far_as_it_goes(make_space):
    small = make_space(widths=(16,), blocks=1, reduction=(4,), squeeze=("avg",), position=("pre_addition",))
    (only,) = sample(small, 40, random.Random(0))
    assert fit(small.sites, [Timed(only, 5.0, 0.5)], plain_ms=1.0).overhead(only) == pytest.approx(5, abs=0.1)
