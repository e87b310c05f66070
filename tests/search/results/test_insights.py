import numpy as np
import pytest

from search.model.features import describe
from search.model.fitting import fit
from search.model.observations import Observation
from search.results.effects import contrasts
from search.results.search_progress import Progress, progress_of
from search.results.validation_noise import Validation, validation


def searched(space, gain, sigma=0.15, seed=0, plain=8):
    """The posterior after one training of each member, and the members; plain trained more often."""
    members, rng = list(space), np.random.default_rng(seed)
    numbers = [0] * plain + list(range(1, len(members)))
    observed = [Observation(a, 0, 90 + gain(members[a]) + sigma * rng.standard_normal()) for a in numbers]
    return fit(observed, describe(members, space.sites)), members


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
    assert found["stage", "3"].words.startswith("SE in stage 3: +0.")


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


def test_more_trainings_are_expected_to_find_more(space):
    posterior, _ = searched(space, lambda a: 0.5 * has(a, 2))
    few, many = (progress_of(posterior, n, 0.9, 20) for n in (16, 256))
    assert few.score < many.score <= 1
    assert few.low - 0.01 <= few.score <= few.high + 0.01
    assert few.trainings == many.trainings


@pytest.mark.parametrize(("size", "all_of_it"), [(20, True), (20_000, False), (10**30, False)])
def test_what_was_not_tried_cannot_be_found_whole(space, size, all_of_it):
    """S = x / (x + p) is what could be found if the terms that architectures have of their own could be found anywhere."""
    posterior, members = searched(space, lambda a: 0.5 * has(a, 2))
    assert len(members) >= 20
    x, p = 64 * (posterior.taus / posterior.sigmas) ** 2, posterior.freedom(size)
    everywhere = np.average(x / (x + p), weights=posterior.taus)
    score = progress_of(posterior, 64, 0.9, size).score
    assert score == pytest.approx(everywhere) if all_of_it else 0.5 * everywhere < score < 0.97 * everywhere


@pytest.mark.parametrize("size", [1, 2, 3])
def test_where_plain_alone_was_trained_of_a_small_space_the_score_is_a_number(size):
    score = progress_of(fit([Observation(0, 0, 90.0), Observation(0, 0, 90.3)]), 2, 0.9, size).score
    assert 0 <= score <= 1


def test_without_an_effect_no_number_of_trainings_is_promised():
    words = Progress(0.0, 0.0, 0.0, 0.0, 0.3, 1.0, float("inf")).words
    assert "no number of trainings" in words


def test_bits_tell_what_the_images_contribute():
    """Each image is right with probability 0.8, anew in each training: all noise comes from the images."""
    rng, images = np.random.default_rng(0), 1003
    group = [np.packbits(rng.random(images) < 0.8).tobytes() for _ in range(6)]
    expected = 100 * np.sqrt(0.8 * 0.2 / images)
    found = validation([group, group[:1]], images, sigma=expected)
    assert found.from_images == pytest.approx(expected, rel=0.1)
    assert found.share == pytest.approx(1, abs=0.2)
    assert "every labelled image" in found.words


def test_trainings_that_agree_on_every_image_have_no_noise_from_images():
    found = validation([[bytes(4), bytes(4)]], 32, sigma=0.3)
    assert found.share == 0
    assert "hardly help" in found.words


@pytest.mark.parametrize("groups", [[], [[bytes(4)]], [[bytes(3), bytes(3)]]])
def test_without_repeated_trainings_there_is_no_decomposition(groups):
    assert validation(groups, 32, sigma=0.3) is None


def test_doubling_the_images_is_priced_in_trainings():
    """Half of the variance from images: twice as many leave 3/4 of it, as 4/3 of the trainings would."""
    assert "33 % more trainings" in Validation(1000, 1.0, np.sqrt(0.5)).words


def test_a_ratio_is_one_level_of_the_contrasts_at_every_width(make_space):
    space = make_space((64, 128, 256, 512), reduction=(4, 24), position=("pre_addition",), squeeze=("avg",))
    posterior, members = searched(space, lambda a: 0.0)
    found = contrasts(posterior, members, space.sites, 0.9)
    assert {c.level for c in found if c.factor == "width"} == {"r=4", "r=24"}
