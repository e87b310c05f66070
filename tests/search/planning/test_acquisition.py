import numpy as np
import pytest

from search.bench.problems import named
from search.model.features import describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.planning.acquisition import AcquisitionInputs, knowledge_gradient, on_front, thompson
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
    """A synthetic world after twenty trainings, plain well known."""
    world = named("synthetic:113:1")(0)
    listed = whole(world.space, world.price, COLUMNS)
    rng = np.random.default_rng(0)
    known = [0] * 6 + rng.choice(np.arange(1, 113), 20, replace=False).tolist()
    seen = [Observation(a, 0, world.accuracy(listed.members[a], _seed(i))) for i, a in enumerate(known)]
    return AcquisitionInputs(fit(seen, listed.features, draws=256), listed.costs, np.ones(113, dtype=bool), [], 0)


def _seed(i):
    from senet_nas.recipe import Seed

    return Seed(0, i)


@pytest.mark.parametrize("rule", [knowledge_gradient, thompson])
def test_only_what_is_allowed_is_chosen(inputs, rule):
    only = np.zeros(113, dtype=bool)
    only[[3, 77]] = True
    limited = AcquisitionInputs(inputs.posterior, inputs.costs, only, [], 0)
    assert {rule(limited, np.random.default_rng(seed)) for seed in range(10)} <= {3, 77}


@pytest.mark.parametrize("rule", [knowledge_gradient, thompson])
def test_the_same_seed_chooses_the_same(inputs, rule):
    assert rule(inputs, np.random.default_rng(1)) == rule(inputs, np.random.default_rng(1))


def test_what_runs_already_is_not_chosen_again_and_again(inputs):
    """64 slots: each choice sees the others as running."""
    pending, chosen = [], []
    for number in range(64):
        now = AcquisitionInputs(inputs.posterior, inputs.costs, inputs.allowed, pending, 0)
        chosen.append(knowledge_gradient(now, np.random.default_rng(number)))
        pending.append((chosen[-1], 0))
    assert len(set(chosen)) > 12


def test_what_cannot_be_on_the_front_teaches_less_than_what_can(inputs):
    """The expected rise is largest for members of likely fronts, not for what is known to be poor."""
    draws = inputs.posterior.everywhere(256)
    chances = on_front(draws, inputs.costs)
    chosen = knowledge_gradient(inputs, np.random.default_rng(0))
    assert chances[chosen] > np.median(chances)


def test_where_nothing_more_can_be_learnt_something_is_chosen_all_the_same(inputs, monkeypatch):
    """Rises are then rounding, of either sign."""
    monkeypatch.setattr(
        "search.planning.acquisition._rise", lambda means, reach, costs: np.full(reach.shape[:-1], -1e-9)
    )
    assert 0 <= knowledge_gradient(inputs, np.random.default_rng(0)) < 113


def test_a_block_that_nobody_has_seen_is_no_obstacle(inputs):
    new = AcquisitionInputs(inputs.posterior, inputs.costs, inputs.allowed, [(5, 8)], 9)
    assert 0 <= knowledge_gradient(new, np.random.default_rng(0)) < 113


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
    world = named("synthetic:113:1")(0)
    features = describe(list(world.space), world.space.sites)
    assert not features.matrix[0].any()
    assert len({row.tobytes() for row in features.matrix}) == 113
    assert {column[0] for column in features.columns} >= {"stage", "position", "stage x position", "width", "squeeze"}
    assert (features.matrix**2).sum(axis=1).mean() == pytest.approx(1.0)


def test_what_was_not_trained_is_estimated_from_what_it_has_in_common():
    """Stage 1 pays in every architecture that was trained; one that was not is expected to gain as well."""
    world = named("synthetic:113:1")(0)
    members = list(world.space)
    features = describe(members, world.space.sites)
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
