"""The noise of a training in a run and its two parts, each with an interval."""

from dataclasses import replace

import numpy as np
import pytest

from search.model.fitting import fit
from search.results.evidence import Evidence, observations_of
from search.results.insights import gather
from search.results.run_noise import run_noise
from search.results.training_length import SteepEnd
from search.results.validation_noise import Learned
from search.state.facts import DataFact, Facts
from search.state.ledger import Ledger
from search.state.records import Outcome
from senet_nas.recipe import Seed
from tests.search import ledgers

IMAGES = 4000
SIGMA_TRAIN = 0.3


def searched(trainings=12, images=IMAGES, curve=({"epoch": 8.0},), bits=True):
    """Plain, trained again and again: each image that is easy to miss is missed by chance."""
    rng = np.random.default_rng(0)
    ledger = Ledger(":memory:")
    if images:
        ledger.note(Facts(data=DataFact(validation=images)))
    (plain,) = ledgers.enter(ledger, [0.0])
    for replicate in range(trainings):
        shift = SIGMA_TRAIN * rng.standard_normal()
        right = rng.random(IMAGES) < np.where(np.arange(IMAGES) % 10, 1.0, 0.5 + shift / 10)
        correct = np.packbits(right).tobytes() if bits else None
        outcome = Outcome({"val_accuracy": 100 * float(right.mean())}, list(curve), correct)
        ledgers.play(ledger, [(plain, Seed(0, replicate))], [outcome])
    evidence = Evidence.of(ledger)
    return evidence, fit(observations_of(evidence.finished), evidence.features)


def test_the_parts_add_up_and_have_intervals():
    found = run_noise(*searched(), 0.9)
    assert (found.epochs, found.images) == (8, IMAGES)
    # A tenth of the images is missed by chance: c is 0.1 x 0.25, and its root over n 0.25 points.
    assert found.from_images.value == pytest.approx(100 * np.sqrt(0.025 / IMAGES), rel=0.1)
    for figure in (found.sigma, found.sigma_train, found.from_images):
        assert figure.low < figure.value < figure.high
    whole = found.sigma_train.value**2 + found.from_images.value**2
    assert whole == pytest.approx(found.sigma.value**2, rel=0.1)
    assert found.words().startswith("At 8 epochs, trainings scatter by ")
    assert found.words().count(" to ") == 3


def test_it_stands_before_the_advice_about_images():
    evidence, posterior = searched()
    insights = gather(evidence, posterior, 0.9)
    lines = insights.lines(0.9)
    assert lines.index(insights.noise.words()) == lines.index(insights.validation.words) - 1


def test_networks_that_still_guess_give_no_advice_about_images():
    evidence, posterior = searched()
    insights = gather(evidence, posterior, 0.9)
    guessing = replace(insights, learned=Learned(value=60.0, guessing=50.0))
    lines = guessing.lines(0.9)
    assert lines[0] == guessing.learned.words()
    gone = {insights.noise.words(), insights.validation.words, insights.progress.words()}
    assert set(insights.lines(0.9)) - set(lines) == gone
    assert insights.progress.spread() in lines


def test_trainings_that_were_too_short_have_one_advice_about_their_epochs():
    insights = gather(*searched(), 0.9)
    short = replace(insights, steep=SteepEnd(2.0, 2, 8, 1.0))
    (noise,) = (line for line in short.lines(0.9) if line.startswith("At 8 epochs, trainings scatter by "))
    assert "--pilot" not in noise
    assert "Set train.epochs to 16" in short.lines(0.9)[0]
    assert "--pilot" in insights.noise.words()


@pytest.mark.parametrize("lacking", [{"trainings": 1}, {"images": 0}, {"curve": ()}, {"bits": False}])
def test_nothing_is_said_that_is_not_known(lacking):
    evidence, posterior = searched(**lacking)
    assert run_noise(evidence, posterior, 0.9) is None
    assert gather(evidence, posterior, 0.9).noise is None
