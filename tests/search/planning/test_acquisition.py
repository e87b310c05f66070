from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from search.bench.problems import named
from search.model.features import Features, describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.model.posterior import Posterior
from search.model.trust import Trust
from search.planning import acquisition
from search.planning.acquisition import AcquisitionInputs, Short, knowledge_gradient, on_front, thompson
from search.planning.candidates import near, whole
from spaces.architecture import Architecture

COLUMNS = ("params_overhead",)


def test_members_of_a_front_are_counted_over_draws():
    draws = np.array([[0.0, 1.0, 0.5], [0.0, -1.0, 0.5], [0.0, 1.0, 2.0], [0.0, -1.0, -1.0]])
    assert on_front(draws, np.array([[0.0], [1.0], [2.0]])).tolist() == [0, 0.5, 0.5]


def test_of_what_costs_the_same_the_best_is_a_member_wherever_it_stands():
    for gains, members in (([0.0, 1.0, 2.0], [0, 0, 1]), ([0.0, 2.0, 1.0], [0, 1, 0]), ([0.0, 2.0, 2.0], [0, 1, 1])):
        assert on_front(np.array([gains]), np.array([[0.0], [5.0], [5.0]])).tolist() == members
    assert on_front(np.array([[0.0, 1.0]]), np.array([[0.0], [-2.0]])).tolist() == [0, 1]  # a measured latency


@pytest.fixture
def inputs():
    """A synthetic problem after twenty trainings, plain well known."""
    problem = named("synthetic:113:1")(0)
    listed = whole(problem.space, problem.price, COLUMNS)
    rng = np.random.default_rng(0)
    known = [0] * 6 + rng.choice(np.arange(1, 113), 20, replace=False).tolist()
    seen = [Observation(a, 0, problem.accuracy(listed.members[a], _seed(i))) for i, a in enumerate(known)]
    return AcquisitionInputs(fit(seen, listed.features, draws=256), listed.costs, np.ones(113, dtype=bool), [], 0)


def _seed(i):
    from senet_nas.recipe import Seed

    return Seed(0, i)


@pytest.mark.parametrize("rule", [knowledge_gradient, thompson])
def test_only_what_is_allowed_is_chosen(inputs, rule):
    only = np.zeros(113, dtype=bool)
    only[[3, 77]] = True
    limited = AcquisitionInputs(inputs.posterior, inputs.costs, only, [], 0)
    assert {rule(limited, np.random.default_rng(seed)).architecture for seed in range(10)} <= {3, 77}


@pytest.mark.parametrize("rule", [knowledge_gradient, thompson])
def test_the_same_seed_chooses_the_same(inputs, rule):
    assert rule(inputs, np.random.default_rng(1)) == rule(inputs, np.random.default_rng(1))


def test_what_runs_already_is_not_chosen_again_and_again(inputs):
    """64 slots: each choice sees the others as running."""
    pending, chosen = [], []
    for number in range(64):
        now = AcquisitionInputs(inputs.posterior, inputs.costs, inputs.allowed, pending, 0)
        chosen.append(knowledge_gradient(now, np.random.default_rng(number)).architecture)
        pending.append((chosen[-1], 0))
    assert len(set(chosen)) > 12


def test_what_cannot_be_on_the_front_teaches_less_than_what_can(inputs):
    """The expected rise is largest for members of likely fronts, not for what is known to be poor."""
    draws = inputs.posterior.everywhere(256)
    chances = on_front(draws, inputs.costs)
    chosen = knowledge_gradient(inputs, np.random.default_rng(0)).architecture
    assert chances[chosen] > np.median(chances)


def test_where_nothing_more_can_be_learnt_the_likeliest_member_is_chosen(inputs, monkeypatch):
    """Rises are then rounding, of either sign."""
    monkeypatch.setattr(
        "search.planning.acquisition._rise", lambda means, reach, costs, **how: np.full(reach.shape[:-1], -1e-9)
    )
    chances = on_front(inputs.posterior.everywhere(64), inputs.costs)
    assert knowledge_gradient(inputs, np.random.default_rng(0)).architecture == chances.argmax()


def test_a_block_that_nobody_has_seen_is_no_obstacle(inputs):
    new = AcquisitionInputs(inputs.posterior, inputs.costs, inputs.allowed, [(5, 8)], 9)
    assert 0 <= knowledge_gradient(new, np.random.default_rng(0)).architecture < 113


def test_large_spaces_are_looked_at_around_the_best(make_space):
    import random

    space = make_space(widths=(64, 128, 256), blocks=4, granularity="block", tie="none")

    def price(architecture):
        return {"params_overhead": float(sum(se.hidden for se in architecture.blocks if se))}

    best = space.sample(random.Random(0))
    listed = near(space, price, COLUMNS, [best], [best], random.Random(1))
    assert listed.members[0].is_plain
    assert {a.key for a in space.neighbours(best)} <= set(listed.index)
    assert 500 < len(listed.members) < 2000
    assert len(listed.features.matrix) == len(listed.costs) == len(listed.members)


def test_features_tell_architectures_apart_and_leave_plain_at_zero():
    problem = named("synthetic:113:1")(0)
    features = describe(list(problem.space), problem.space.sites)
    assert not features.matrix[0].any()
    assert len({row.tobytes() for row in features.matrix}) == 113
    assert {column[0] for column in features.columns} >= {"stage", "position", "stage x position", "width", "squeeze"}
    assert (features.matrix**2).sum(axis=1).mean() == pytest.approx(1.0)


def test_what_was_not_trained_is_estimated_from_what_it_has_in_common():
    """Stage 1 pays in every architecture that was trained; one that was not is expected to gain as well."""
    problem = named("synthetic:113:1")(0)
    members = list(problem.space)
    features = describe(members, problem.space.sites)
    rng = np.random.default_rng(0)

    def has_first(architecture: Architecture) -> bool:
        return architecture.blocks[0] is not None

    trained = [i for i in range(1, 113) if i % 2]
    seen = [Observation(0, 0, 90 + rng.normal(0, 0.1)) for _ in range(10)]
    seen += [Observation(i, 0, 90 + has_first(members[i]) + rng.normal(0, 0.1)) for i in trained]
    gains = fit(seen, features).everywhere(500).mean(axis=0)
    left = [i for i in range(1, 113) if i % 2 == 0]
    assert np.mean([gains[i] for i in left if has_first(members[i])]) == pytest.approx(1, abs=0.1)
    assert np.mean([gains[i] for i in left if not has_first(members[i])]) == pytest.approx(0, abs=0.1)


def test_it_samples_for_a_study_of_anybody(make_space):
    import optuna

    from search.planning.model_sampler import PosteriorSampler

    space = make_space(blocks=1)

    def price(architecture):
        return {"params_overhead": float(sum(se.hidden for se in architecture.blocks if se))}

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=PosteriorSampler(space, price, COLUMNS, seed=0)
    )

    def objective(trial):
        choices = {name: trial.suggest_categorical(name, values) for name, values in space.parameters.items()}
        architecture = space.decode(choices)
        return 90 + 2 * (architecture.blocks[2] is not None), price(architecture)["params_overhead"]

    study.optimize(objective, n_trials=15)
    found = [space.decode(trial.params) for trial in study.trials[8:]]
    assert sum(a.blocks[2] is not None or a.is_plain for a in found) >= 5


# -- figures that were computed another way ---------------------------------------------------------------------------


def independent(means, deviations, sigma=0.5, n=256):
    """Independent normal gains whose draws have exactly these moments; the level of the block is fixed."""
    rng = np.random.default_rng(0)
    free = rng.standard_normal((n, len(means)))
    free -= free.mean(axis=0)
    basis = np.linalg.qr(free)[0] * np.sqrt(n)
    gains = np.array(means) + basis * np.array(deviations)
    ones = np.ones(n)
    return Posterior(
        architectures=tuple(range(len(means))),
        gains=gains,
        blocks=(0,),
        levels=90 * ones[:, None],
        sigmas=sigma * ones,
        taus=ones,
        shares=ones,
        features=Features.none(len(means)),
        _effects=np.zeros((n, 1)),
        _seed=0,
    )


def known(means, deviations, costs, **more):
    usual = {"allowed": np.ones(len(means), dtype=bool), "pending": [], "block": 0}
    return AcquisitionInputs(independent(means, deviations), np.array(costs)[:, None], **{**usual, **more})


def expected_rise(mean, deviation, width, sigma=0.5):
    """Of one architecture alone over plain: the best over batches, per training, in closed form."""
    rises = []
    for count in (1, 4, 16, 64):
        reach = deviation**2 / np.sqrt(deviation**2 + sigma**2 / count)
        z = mean / reach
        rises.append((mean * stats.norm.cdf(z) + reach * stats.norm.pdf(z) - max(mean, 0.0)) * width / count)
    return max(rises)


@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.5), (-0.4, 0.6), (0.0, 0.1)])
def test_the_gain_of_a_training_is_the_expected_rise_of_the_value(mean, deviation):
    """At a cost of 4 of at most 10 percent it earns over 0.6 of the budgets. Seven nodes are within 15 %."""
    inputs = known([0.0, mean, -9.0], [0.0, deviation, 0.0], [0.0, 4.0, 10.0])
    gains = acquisition._gains(inputs, np.arange(3), np.arange(3), np.random.default_rng(0))[0]
    assert gains[1] == pytest.approx(expected_rise(mean, deviation, 0.6), rel=0.15, abs=2e-4)
    assert gains[[0, 2]] == pytest.approx([0, 0], abs=1e-4)


@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.5), (-0.4, 0.6), (0.0, 0.1)])
@pytest.mark.parametrize("cost", [4.0, 9.9])
def test_while_a_confirmation_is_ahead_the_largest_gain_counts_whatever_it_costs(mean, deviation, cost):
    inputs = known([0.0, mean, -9.0], [0.0, deviation, 0.0], [0.0, cost, 10.0], wants_proof=True)
    gains = acquisition._gains(inputs, np.arange(3), np.arange(3), np.random.default_rng(0))[0]
    assert gains[1] == pytest.approx(expected_rise(mean, deviation, 1.0), rel=0.15, abs=4e-4)
    assert gains[[0, 2]] == pytest.approx([0, 0], abs=1e-4)


@pytest.fixture
def told(inputs):
    """The same, where early losses tell all of the gains, clearly."""
    draws = len(inputs.posterior.sigmas)
    across, noise = np.tile([[1.0, -0.97], [-0.97, 1.0]], (draws, 1, 1)), np.tile(np.eye(2), (draws, 1, 1))
    trust = Trust(np.tile([1.0, 4.0], (draws, 1)), across, noise, np.zeros(draws, dtype=int))
    return replace(inputs, posterior=replace(inputs.posterior, trust=trust))


def short(cost=0.1, seen=(), paid=()):
    of = [np.isin(np.arange(113), places) for places in (seen, paid)]
    return Short(cost, of[0], of[1] * cost)


def test_where_early_losses_tell_much_a_short_training_is_worth_more_for_its_cost(told):
    assert knowledge_gradient(replace(told, short=short()), np.random.default_rng(0)).is_short
    assert not knowledge_gradient(told, np.random.default_rng(0)).is_short


def test_where_they_tell_nothing_trainings_are_whole(inputs):
    assert inputs.posterior.short_noise == np.inf
    chosen = knowledge_gradient(replace(inputs, short=short()), np.random.default_rng(0))
    assert chosen == knowledge_gradient(inputs, np.random.default_rng(0))


def test_what_has_shown_its_early_losses_is_not_trained_short_again(told):
    """Otherwise one placement would be begun over and over."""
    everyone = replace(told, short=short(seen=range(113)))
    assert not knowledge_gradient(everyone, np.random.default_rng(0)).is_short
    first = knowledge_gradient(replace(told, short=short()), np.random.default_rng(0))
    following = knowledge_gradient(replace(told, short=short(seen=[first.architecture])), np.random.default_rng(0))
    assert following.architecture != first.architecture or not following.is_short


def test_a_whole_training_that_continues_a_paused_one_costs_less(told):
    candidates, rng = np.arange(113), np.random.default_rng(0)
    fresh = acquisition._gains(replace(told, short=short(0.5)), candidates, candidates, rng)
    begun = replace(told, short=short(0.5, seen=[5], paid=[5]))
    gains = acquisition._gains(begun, candidates, candidates, np.random.default_rng(0))
    assert gains[0, 5] > fresh[0, 5]
    others = candidates != 5
    assert gains[:, others] == pytest.approx(fresh[:, others])
    assert gains[1, 5] == 0 < fresh[1, 5]


def test_a_training_that_runs_is_taken_as_if_it_had_ended_as_expected():
    """Its variance falls as one observation lets it: s^2 sigma^2 / (s^2 + sigma^2); its mean stays."""
    inputs = known([0.0, 0.2, 0.1], [0.0, 0.6, 0.3], [0.0, 4.0, 10.0], pending=[(1, 0)])
    spreads, means = [], []
    for seed in range(60):
        draws, level = acquisition._conditioned(inputs, np.arange(3), np.random.default_rng(seed))
        spreads.append(draws.var(axis=0))
        means.append(draws.mean(axis=0))
        assert level == pytest.approx(np.full(256, 90.0))
    assert np.mean(means, axis=0) == pytest.approx([0, 0.2, 0.1], abs=1e-6)
    assert np.mean(spreads, axis=0) == pytest.approx([0, 0.36 * 0.25 / 0.61, 0.09], rel=0.03)


def test_a_block_without_trainings_lies_within_about_a_point_of_plain():
    inputs = known([0.0, 0.2], [0.0, 0.6], [0.0, 4.0], block=7)
    _, level = acquisition._conditioned(inputs, np.arange(2), np.random.default_rng(0))
    assert level.mean() == pytest.approx(90, abs=0.2)
    assert level.std() == pytest.approx(1, abs=0.1)


def test_of_what_teaches_equally_the_likeliest_member_is_chosen():
    inputs = known([0.0, -50.0, 1.0, -50.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 2.0, 3.0])
    allowed = np.array([False, True, True, True])
    assert knowledge_gradient(replace(inputs, allowed=allowed), np.random.default_rng(0)).architecture == 2


def test_only_the_likeliest_members_and_some_others_are_evaluated(inputs, monkeypatch):
    monkeypatch.setattr(acquisition, "CANDIDATES", 1)
    monkeypatch.setattr(acquisition, "STRANGERS", 0)
    chances = on_front(inputs.posterior.everywhere(64), inputs.costs)
    assert knowledge_gradient(inputs, np.random.default_rng(0)).architecture == chances.argmax()
    monkeypatch.setattr(acquisition, "CANDIDATES", 0)
    monkeypatch.setattr(acquisition, "STRANGERS", 1)
    chosen = {knowledge_gradient(inputs, np.random.default_rng(seed)).architecture for seed in range(20)}
    assert len(chosen) > 10


def test_if_many_run_their_architectures_are_not_chosen_again_while_another_is_allowed(inputs):
    chances = on_front(inputs.posterior.everywhere(64), inputs.costs)
    likely = np.argsort(-chances)[:70].tolist()
    many = replace(inputs, pending=[(a, 0) for a in likely])
    assert knowledge_gradient(many, np.random.default_rng(0)).architecture not in likely
    few = replace(inputs, pending=[(a, 0) for a in likely[:64]])
    thinned = acquisition._thinned(few, chances)
    assert thinned is few
    thinned = acquisition._thinned(many, chances)
    assert {a for a, _ in thinned.pending} == set(likely[:64])
    assert np.flatnonzero(~thinned.allowed).tolist() == sorted(likely)
    only = np.zeros(113, dtype=bool)
    only[likely] = True
    assert acquisition._thinned(replace(many, allowed=only), chances).allowed.tolist() == only.tolist()


def test_thompson_takes_members_of_a_drawn_front_in_proportion_to_their_variance():
    """All draws agree that 1, 2 and 3 are on the front; 3 varies most, 4 never is."""
    inputs = known([0.0, 10.0, 20.0, 30.0, -5.0], [0.0, 0.1, 0.2, 0.4, 0.0], [0.0, 1.0, 2.0, 3.0, 4.0])
    chosen = Counter(thompson(inputs, np.random.default_rng(seed)).architecture for seed in range(1000))
    variance = inputs.posterior.gains[:64, 1:4].var(axis=0)
    shares = [chosen[a] / 1000 for a in (1, 2, 3)]
    assert shares == pytest.approx((variance / variance.sum()).tolist(), abs=0.05)
    assert set(chosen) <= {1, 2, 3}
    none = replace(inputs, allowed=np.array([False, False, False, False, True]))
    assert thompson(none, np.random.default_rng(0)).architecture == 4


def test_a_member_of_a_front_beats_everything_cheaper_and_plain_whatever_its_cost():
    costs = np.array([[0.0, 0.0], [1.0, 5.0], [2.0, 1.0]])
    draws = np.array([[0.0, 2.0, 1.0]])
    assert on_front(draws, costs).tolist() == [0.0, 1.0, 0.5]
    assert on_front(np.array([[0.0, 0.0, 1.0]]), costs[:, :1]).tolist() == [0.0, 0.0, 1.0]
