"""A pilot gives one advice about the epochs: none contradicts another, and networks must have learned."""

import itertools

import pytest

from search.results.doublings import Doubling, doublings
from search.results.epochs_advice import UNKNOWN, EpochsAdvice
from search.results.recipe_noise import Figure, LengthNoise, RecipeNoise, Repeated
from senet_nas.training.quality_metrics import ACCURACY, metric_of

SIGMA = Figure(0.3, 0.24, 0.41)
SAME = Figure(1.0, 1.0, 1.0)
BETTER, WORSE, OPEN = Figure(1.3, 1.1, 1.6), Figure(0.7, 0.5, 0.9), Figure(1.1, 0.8, 1.5)
WORTHWHILE = 0.2  # twice the epochs bring much beyond five times as many points: 1
FLAT, STEEP, NOISY = (0.3, 0.1), (4.0, 0.3), (1.0, 0.5)


def length(epochs, cost, worth, count=8):
    return LengthNoise(epochs, SIGMA, SIGMA, SIGMA, cost, worth, count)


def advice(half=OPEN, twice=OPEN, steps=(STEEP, FLAT), guessing=(), metric=ACCURACY):
    """Of a recipe of 8 epochs, after steps from 2 to 4 and from 4 to 8 epochs."""
    noise = RecipeNoise(length(8, 1.0, SAME, 4), (length(4, 0.5, half), length(16, 2.0, twice, 0)), 1000)
    taken = tuple(Doubling(*pair, *step) for pair, step in zip([(2, 4), (4, 8)], steps, strict=True))
    return EpochsAdvice(noise, taken, guessing, WORTHWHILE, metric)


def verdicts(given):
    return [given.verdict(other) for other in given.noise.others]


def test_where_plain_learns_little_noise_and_cost_decide():
    assert verdicts(advice(BETTER, WORSE)) == ["so it pays", "so it does not pay"]
    assert verdicts(advice(WORSE, BETTER)) == ["so it does not pay", "so it pays"]
    assert verdicts(advice(OPEN, OPEN)) == [UNKNOWN, UNKNOWN]
    lines = advice(WORSE, BETTER).noise_lines()
    assert lines[2] == (
        "16 epochs would have sigma 0.30 (0.24 to 0.41) at 2 times the cost: for equal compute worth 1.30 "
        "(1.10 to 1.60) times as many trainings, so it pays."
    )
    assert lines[-1].startswith("How much placements differ may change")


@pytest.mark.parametrize("half", [BETTER, OPEN, WORSE])
def test_fewer_epochs_after_which_plain_has_hardly_learned_never_pay(half):
    """4 epochs lack 1.6 points, and 16 would bring another 0.8: enough for 8, but not for 4."""
    given = advice(half, WORSE, steps=(STEEP, (1.6, 0.1)))
    assert verdicts(given) == ["but its networks have not learned enough", "so it does not pay"]
    assert given.caution == ""


@pytest.mark.parametrize(("half", "twice"), list(itertools.product([BETTER, OPEN, WORSE], repeat=2)))
def test_a_recipe_that_is_too_short_gets_one_advice(half, twice):
    given = advice(half, twice, steps=(STEEP, STEEP))
    assert given.longer == 16
    assert given.caution == (
        "the trainings may be too short: from 4 to 8 epochs plain gained +4.00 points (standard error 0.3), and 16 "
        "epochs may bring another 2.00 points. Set train.epochs to 16 and type this again."
    )
    (line,) = given.noise_lines()
    assert line.startswith("8 epochs: sigma ")


def test_a_noisy_step_gives_no_advice_that_it_might_refute():
    """Twice 8 epochs may bring nothing or 1 point, twice 4 nothing or 2."""
    given = advice(BETTER, WORSE, steps=(STEEP, NOISY))
    assert verdicts(given) == [UNKNOWN, "so it does not pay"]
    assert verdicts(advice(BETTER, WORSE, steps=(STEEP, (1.5, 0.5))))[1] == UNKNOWN
    assert (given.longer, given.caution) == (None, "")


def test_a_flat_step_of_networks_that_guess_is_no_advice():
    given = advice(BETTER, WORSE, steps=(FLAT, FLAT), guessing=(4, 8))
    assert verdicts(given) == [UNKNOWN, UNKNOWN]
    assert given.longer is None
    assert given.caution.startswith("after 8 epochs plain is hardly better than guessing")
    assert verdicts(advice(BETTER, WORSE, steps=(FLAT, FLAT), guessing=(4,))) == [UNKNOWN, "so it does not pay"]


def one_epoch(step):
    noise = RecipeNoise(length(1, 1.0, SAME, 4), (length(2, 2.0, WORSE, 4),), 1000)
    return EpochsAdvice(noise, (Doubling(1, 2, *step),), (), WORTHWHILE, ACCURACY)


def test_one_epoch_is_compared_with_two_that_were_measured():
    short = one_epoch((3.0, 0.4))
    assert short.caution == (
        "the trainings are too short: from 1 to 2 epochs plain gained +3.00 points (standard error 0.4). "
        "Set train.epochs to 2 and type this again."
    )
    assert len(short.noise_lines()) == 1
    enough = one_epoch(FLAT)
    assert enough.caution == ""
    assert verdicts(enough) == ["so it does not pay"]


def test_three_epochs_after_one_are_more_than_a_doubling():
    """One epoch less 25 points: twice three epochs bring a quarter of that, not half."""
    noise = RecipeNoise(length(3, 1.0, SAME, 4), (length(1, 1 / 3, BETTER), length(6, 2.0, WORSE, 0)), 1000)
    given = EpochsAdvice(noise, (Doubling(1, 3, 25.0, 1.0),), (), 1.0, ACCURACY)
    assert "6 epochs may bring another 6.25 points. Set train.epochs to 6" in given.caution
    twelve = EpochsAdvice(noise, (Doubling(1, 3, 12.0, 0.5),), (), 1.0, ACCURACY)
    assert twelve.caution == ""
    assert verdicts(twelve) == ["but its networks have not learned enough", "so it does not pay"]


def test_without_another_length_nothing_is_advised():
    noise = RecipeNoise(length(8, 1.0, SAME, 4), (length(16, 2.0, WORSE, 0),), 1000)
    given = EpochsAdvice(noise, (), (), WORTHWHILE, ACCURACY)
    assert verdicts(given) == [UNKNOWN]
    assert given.caution == ""


def test_a_metric_that_shall_fall_is_advised_in_its_own_unit():
    metric = metric_of("log_loss")
    steps = doublings([Repeated(4, (0.50, 0.52), 0.1, 1000), Repeated(8, (0.40, 0.42), 0.1, 1000)], metric)
    given = EpochsAdvice(advice().noise, steps, (), 0.005, metric)
    assert "16 epochs may bring another 0.0500 nats. Set train.epochs to 16" in given.caution
